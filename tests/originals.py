"""Originals: torch code of many kinds as people write it, each with an example of what it takes."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

ORIGINALS: dict[str, Callable[[], tuple[nn.Module, tuple[Any, ...]]]] = {}


def original(make: Callable[[], Any]) -> Callable[[], Any]:
    ORIGINALS[make.__name__] = make
    return make


@original
def vgg():
    class VGG(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(3, 8, 3, padding=1),
                nn.ReLU(True),
                nn.MaxPool2d(2),
                nn.Conv2d(8, 16, 3, padding=1),
                nn.ReLU(True),
                nn.MaxPool2d(2),
            )
            self.classifier = nn.Sequential(nn.Linear(16 * 8 * 6, 64), nn.ReLU(True), nn.Dropout(), nn.Linear(64, 10))

        def forward(self, x):
            x = self.features(x)
            x = torch.flatten(x, 1)
            return self.classifier(x)

    return VGG(), (torch.randn(2, 3, 32, 24),)


@original
def gpt():
    class CausalSelfAttention(nn.Module):
        def __init__(self, d, h, T):
            super().__init__()
            self.c_attn = nn.Linear(d, 3 * d)
            self.c_proj = nn.Linear(d, d)
            self.n_head = h
            self.attn_dropout = nn.Dropout(0.1)
            self.register_buffer("bias", torch.tril(torch.ones(T, T)).view(1, 1, T, T))

        def forward(self, x):
            B, T, C = x.size()
            q, k, v = self.c_attn(x).split(C, dim=2)
            k = k.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
            q = q.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
            v = v.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
            att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
            att = att.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf"))
            att = self.attn_dropout(F.softmax(att, dim=-1))
            y = att @ v
            return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))

    class MLP(nn.Module):
        def __init__(self, d):
            super().__init__()
            self.c_fc = nn.Linear(d, 4 * d)
            self.gelu = nn.GELU()
            self.c_proj = nn.Linear(4 * d, d)
            self.dropout = nn.Dropout(0.1)

        def forward(self, x):
            return self.dropout(self.c_proj(self.gelu(self.c_fc(x))))

    class Block(nn.Module):
        def __init__(self, d, h, T):
            super().__init__()
            self.ln_1 = nn.LayerNorm(d)
            self.attn = CausalSelfAttention(d, h, T)
            self.ln_2 = nn.LayerNorm(d)
            self.mlp = MLP(d)

        def forward(self, x):
            x = x + self.attn(self.ln_1(x))
            return x + self.mlp(self.ln_2(x))

    class GPT(nn.Module):
        def __init__(self, V=50, d=32, T=12):
            super().__init__()
            self.transformer = nn.ModuleDict(
                {
                    "wte": nn.Embedding(V, d),
                    "wpe": nn.Embedding(T, d),
                    "drop": nn.Dropout(0.1),
                    "h": nn.ModuleList([Block(d, 4, T) for _ in range(3)]),
                    "ln_f": nn.LayerNorm(d),
                }
            )
            self.lm_head = nn.Linear(d, V, bias=False)
            self.transformer.wte.weight = self.lm_head.weight

        def forward(self, idx, targets=None):
            _b, t = idx.size()
            pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
            x = self.transformer.drop(self.transformer.wte(idx) + self.transformer.wpe(pos))
            for block in self.transformer.h:
                x = block(x)
            x = self.transformer.ln_f(x)
            return self.lm_head(x)

    return GPT(), (torch.randint(0, 50, (2, 12)),)


@original
def vit():
    class Attention(nn.Module):
        def __init__(self, d, h):
            super().__init__()
            self.h = h
            self.scale = (d // h) ** -0.5
            self.qkv = nn.Linear(d, 3 * d)
            self.proj = nn.Linear(d, d)

        def forward(self, x):
            B, N, C = x.shape
            qkv = self.qkv(x).reshape(B, N, 3, self.h, C // self.h).permute(2, 0, 3, 1, 4)
            q, k, v = qkv.unbind(0)
            attn = (q @ k.transpose(-2, -1)) * self.scale
            attn = attn.softmax(-1)
            x = (attn @ v).transpose(1, 2).reshape(B, N, C)
            return self.proj(x)

    class Block(nn.Module):
        def __init__(self, d, h):
            super().__init__()
            self.norm1 = nn.LayerNorm(d, eps=1e-6)
            self.attn = Attention(d, h)
            self.norm2 = nn.LayerNorm(d, eps=1e-6)
            self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))

        def forward(self, x):
            x = x + self.attn(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    class ViT(nn.Module):
        def __init__(self, d=24):
            super().__init__()
            self.patch_embed = nn.Conv2d(3, d, 8, 8)
            self.cls_token = nn.Parameter(torch.randn(1, 1, d))
            self.pos_embed = nn.Parameter(torch.randn(1, 17, d))
            self.blocks = nn.Sequential(*[Block(d, 3) for _ in range(3)])
            self.norm = nn.LayerNorm(d)
            self.head = nn.Linear(d, 10)

        def forward(self, x):
            x = self.patch_embed(x).flatten(2).transpose(1, 2)
            x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), 1) + self.pos_embed
            return self.head(self.norm(self.blocks(x))[:, 0])

    return ViT(), (torch.randn(2, 3, 32, 32),)


@original
def unet():
    class DoubleConv(nn.Module):
        def __init__(self, i, o):
            super().__init__()
            self.double_conv = nn.Sequential(
                nn.Conv2d(i, o, 3, padding=1, bias=False),
                nn.BatchNorm2d(o),
                nn.ReLU(True),
                nn.Conv2d(o, o, 3, padding=1, bias=False),
                nn.BatchNorm2d(o),
                nn.ReLU(True),
            )

        def forward(self, x):
            return self.double_conv(x)

    class Down(nn.Module):
        def __init__(self, i, o):
            super().__init__()
            self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(i, o))

        def forward(self, x):
            return self.maxpool_conv(x)

    class Up(nn.Module):
        def __init__(self, i, o, bil):
            super().__init__()
            self.up = (
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
                if bil
                else nn.ConvTranspose2d(i, i // 2, 2, 2)
            )
            self.conv = DoubleConv(i if not bil else i + o, o)

        def forward(self, a, b):
            a = self.up(a)
            dy = b.size(2) - a.size(2)
            dx = b.size(3) - a.size(3)
            a = F.pad(a, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
            return self.conv(torch.cat([b, a], 1))

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.inc = DoubleConv(3, 8)
            self.down1 = Down(8, 16)
            self.down2 = Down(16, 32)
            self.up1 = Up(32, 16, False)
            self.up2 = Up(16, 8, True)
            self.outc = nn.Conv2d(8, 2, 1)

        def forward(self, x):
            a = self.inc(x)
            b = self.down1(a)
            c = self.down2(b)
            return self.outc(self.up2(self.up1(c, b), a))

    return UNet(), (torch.randn(2, 3, 22, 18),)


@original
def lstm_lm():
    class RNNModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Embedding(30, 16)
            self.rnn = nn.LSTM(16, 20, 2, dropout=0.2, batch_first=True)
            self.decoder = nn.Linear(20, 30)
            self.drop = nn.Dropout(0.2)

        def forward(self, x):
            e = self.drop(self.encoder(x))
            o, h = self.rnn(e)
            return self.decoder(self.drop(o)), h

    return RNNModel(), (torch.randint(0, 30, (3, 7)),)


@original
def gru_bi():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = nn.GRU(5, 6, 2, bidirectional=True)
            self.fc = nn.Linear(12, 3)

        def forward(self, x):
            y, h = self.gru(x)
            return self.fc(y[-1]) + h.mean(0)[:, :3]

    return Net(), (torch.randn(7, 3, 5),)


@original
def vae():
    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(784, 40)
            self.fc21 = nn.Linear(40, 8)
            self.fc22 = nn.Linear(40, 8)
            self.fc3 = nn.Linear(8, 40)
            self.fc4 = nn.Linear(40, 784)

        def encode(self, x):
            h = F.relu(self.fc1(x))
            return self.fc21(h), self.fc22(h)

        def reparameterize(self, mu, lv):
            if not self.training:
                return mu
            std = torch.exp(0.5 * lv)
            return mu + torch.randn_like(std) * std

        def decode(self, z):
            return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

        def forward(self, x):
            mu, lv = self.encode(x.view(-1, 784))
            return self.decode(self.reparameterize(mu, lv)), mu, lv

    return VAE(), (torch.randn(2, 1, 28, 28),)


@original
def dcgan():
    class G(nn.Module):
        def __init__(self):
            super().__init__()
            self.main = nn.Sequential(
                nn.ConvTranspose2d(10, 16, 4, 1, 0, bias=False),
                nn.BatchNorm2d(16),
                nn.ReLU(True),
                nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False),
                nn.BatchNorm2d(8),
                nn.ReLU(True),
                nn.ConvTranspose2d(8, 3, 3, 2, 1, 1),
                nn.Tanh(),
            )

        def forward(self, z):
            return self.main(z)

    return G(), (torch.randn(2, 10, 1, 1),)


@original
def tcn():
    class Chomp1d(nn.Module):
        def __init__(self, c):
            super().__init__()
            self.c = c

        def forward(self, x):
            return x[:, :, : -self.c].contiguous()

    class TemporalBlock(nn.Module):
        def __init__(self, i, o, k, d):
            super().__init__()
            p = (k - 1) * d
            self.conv1 = nn.utils.parametrizations.weight_norm(nn.Conv1d(i, o, k, padding=p, dilation=d))
            self.chomp1 = Chomp1d(p)
            self.relu1 = nn.ReLU()
            self.dropout1 = nn.Dropout(0.2)
            self.conv2 = nn.utils.parametrizations.weight_norm(nn.Conv1d(o, o, k, padding=p, dilation=d))
            self.chomp2 = Chomp1d(p)
            self.relu2 = nn.ReLU()
            self.dropout2 = nn.Dropout(0.2)
            self.net = nn.Sequential(
                self.conv1, self.chomp1, self.relu1, self.dropout1, self.conv2, self.chomp2, self.relu2, self.dropout2
            )
            self.downsample = nn.Conv1d(i, o, 1) if i != o else None
            self.relu = nn.ReLU()

        def forward(self, x):
            out = self.net(x)
            res = x if self.downsample is None else self.downsample(x)
            return self.relu(out + res)

    class TCN(nn.Module):
        def __init__(self):
            super().__init__()
            self.tcn = nn.Sequential(TemporalBlock(4, 8, 3, 1), TemporalBlock(8, 8, 3, 2))
            self.linear = nn.Linear(8, 5)

        def forward(self, x):
            y = self.tcn(x)
            return self.linear(y[:, :, -1])

    return TCN(), (torch.randn(2, 4, 15),)


@original
def shufflenet():
    def shuf(x, g):
        b, c, h, w = x.size()
        return x.view(b, g, c // g, h, w).transpose(1, 2).contiguous().view(b, -1, h, w)

    class InvertedResidual(nn.Module):
        def __init__(self, i, o, st):
            super().__init__()
            self.stride = st
            bf = o // 2
            self.branch1 = (
                nn.Sequential(
                    nn.Conv2d(i, i, 3, st, 1, groups=i, bias=False),
                    nn.BatchNorm2d(i),
                    nn.Conv2d(i, bf, 1, bias=False),
                    nn.BatchNorm2d(bf),
                    nn.ReLU(True),
                )
                if st > 1
                else nn.Sequential()
            )
            self.branch2 = nn.Sequential(
                nn.Conv2d(i if st > 1 else bf, bf, 1, bias=False),
                nn.BatchNorm2d(bf),
                nn.ReLU(True),
                nn.Conv2d(bf, bf, 3, st, 1, groups=bf, bias=False),
                nn.BatchNorm2d(bf),
                nn.Conv2d(bf, bf, 1, bias=False),
                nn.BatchNorm2d(bf),
                nn.ReLU(True),
            )

        def forward(self, x):
            if self.stride == 1:
                a, b = x.chunk(2, dim=1)
                out = torch.cat((a, self.branch2(b)), 1)
            else:
                out = torch.cat((self.branch1(x), self.branch2(x)), 1)
            return shuf(out, 2)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU(True))
            self.maxpool = nn.MaxPool2d(3, 2, 1)
            self.stage2 = nn.Sequential(
                InvertedResidual(12, 24, 2), InvertedResidual(24, 24, 1), InvertedResidual(24, 24, 1)
            )
            self.fc = nn.Linear(24, 10)

        def forward(self, x):
            return self.fc(self.stage2(self.maxpool(self.conv1(x))).mean([2, 3]))

    return Net(), (torch.randn(2, 3, 32, 32),)


@original
def mobilenet():
    class SE(nn.Module):
        def __init__(self, c):
            super().__init__()
            self.avgpool = nn.AdaptiveAvgPool2d(1)
            self.fc1 = nn.Conv2d(c, c // 4, 1)
            self.fc2 = nn.Conv2d(c // 4, c, 1)

        def forward(self, x):
            return F.hardsigmoid(self.fc2(F.relu(self.fc1(self.avgpool(x))))) * x

    class MB(nn.Module):
        def __init__(self, i, o, st):
            super().__init__()
            h = i * 4
            self.use_res = st == 1 and i == o
            self.block = nn.Sequential(
                nn.Conv2d(i, h, 1, bias=False),
                nn.BatchNorm2d(h),
                nn.Hardswish(),
                nn.Conv2d(h, h, 5, st, 2, groups=h, bias=False),
                nn.BatchNorm2d(h),
                nn.Hardswish(),
                SE(h),
                nn.Conv2d(h, o, 1, bias=False),
                nn.BatchNorm2d(o),
            )

        def forward(self, x):
            y = self.block(x)
            return x + y if self.use_res else y

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, 2, 1)
            self.blocks = nn.Sequential(MB(8, 8, 1), MB(8, 16, 2), MB(16, 16, 1))
            self.head = nn.Linear(16, 5)

        def forward(self, x):
            return self.head(F.adaptive_avg_pool2d(self.blocks(self.stem(x)), 1).flatten(1))

    return Net(), (torch.randn(2, 3, 24, 20),)


@original
def bert():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.emb = nn.Embedding(40, 16, padding_idx=0)
            self.pos = nn.Embedding(10, 16)
            self.ln = nn.LayerNorm(16)
            self.enc = nn.TransformerEncoder(
                nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, activation="gelu"),
                2,
                enable_nested_tensor=False,
            )
            self.pool = nn.Linear(16, 16)

        def forward(self, ids, mask):
            x = self.ln(self.emb(ids) + self.pos.weight[None, : ids.size(1)])
            x = self.enc(x, src_key_padding_mask=mask)
            return torch.tanh(self.pool(x[:, 0])), x

    ids = torch.randint(1, 40, (2, 10))
    m = torch.zeros(2, 10, dtype=torch.bool)
    m[1, 7:] = True
    return Net(), (
        ids,
        m,
    )


@original
def mixer():
    class Mix(nn.Module):
        def __init__(self, t, c):
            super().__init__()
            self.n1 = nn.LayerNorm(c)
            self.tok = nn.Sequential(nn.Linear(t, 2 * t), nn.GELU(), nn.Linear(2 * t, t))
            self.n2 = nn.LayerNorm(c)
            self.ch = nn.Sequential(nn.Linear(c, 2 * c), nn.GELU(), nn.Linear(2 * c, c))

        def forward(self, x):
            x = x + self.tok(self.n1(x).transpose(1, 2)).transpose(1, 2)
            return x + self.ch(self.n2(x))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.p = nn.Conv2d(3, 12, 4, 4)
            self.l = nn.ModuleList(Mix(16, 12) for _ in range(2))
            self.h = nn.Linear(12, 4)

        def forward(self, x):
            x = self.p(x).flatten(2).transpose(1, 2)
            for layer in self.l:
                x = layer(x)
            return self.h(x.mean(1))

    return Net(), (torch.randn(2, 3, 16, 16),)


@original
def swin():
    class WA(nn.Module):
        def __init__(self, d, ws, h):
            super().__init__()
            self.ws = ws
            self.h = h
            self.qkv = nn.Linear(d, 3 * d)
            self.proj = nn.Linear(d, d)
            self.table = nn.Parameter(torch.randn((2 * ws - 1) ** 2, h))
            c = torch.stack(torch.meshgrid(torch.arange(ws), torch.arange(ws), indexing="ij")).flatten(1)
            r = (c[:, :, None] - c[:, None, :]).permute(1, 2, 0).contiguous()
            r += ws - 1
            r[:, :, 0] *= 2 * ws - 1
            self.register_buffer("idx", r.sum(-1))

        def forward(self, x):
            B, N, C = x.shape
            q, k, v = self.qkv(x).reshape(B, N, 3, self.h, C // self.h).permute(2, 0, 3, 1, 4)
            a = (q * (C // self.h) ** -0.5) @ k.transpose(-2, -1)
            a = a + self.table[self.idx.view(-1)].view(N, N, -1).permute(2, 0, 1).contiguous().unsqueeze(0)
            return self.proj((a.softmax(-1) @ v).transpose(1, 2).reshape(B, N, C))

    class Blk(nn.Module):
        def __init__(self, d, ws, sh):
            super().__init__()
            self.ws = ws
            self.sh = sh
            self.n = nn.LayerNorm(d)
            self.a = WA(d, ws, 2)

        def forward(self, x):
            B, H, W, C = x.shape
            y = self.n(x)
            if self.sh:
                y = torch.roll(y, (-self.sh, -self.sh), (1, 2))
            y = (
                y.view(B, H // self.ws, self.ws, W // self.ws, self.ws, C)
                .permute(0, 1, 3, 2, 4, 5)
                .reshape(-1, self.ws * self.ws, C)
            )
            y = self.a(y)
            y = (
                y.view(-1, H // self.ws, W // self.ws, self.ws, self.ws, C)
                .permute(0, 1, 3, 2, 4, 5)
                .reshape(B, H, W, C)
            )
            if self.sh:
                y = torch.roll(y, (self.sh, self.sh), (1, 2))
            return x + y

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.p = nn.Conv2d(3, 8, 2, 2)
            self.b = nn.Sequential(Blk(8, 4, 0), Blk(8, 4, 2))
            self.h = nn.Linear(8, 5)

        def forward(self, x):
            return self.h(self.b(self.p(x).permute(0, 2, 3, 1)).mean((1, 2)))

    return Net(), (torch.randn(2, 3, 16, 16),)


@original
def gcn():
    class GCN(nn.Module):
        def __init__(self):
            super().__init__()
            self.w1 = nn.Parameter(torch.randn(6, 8))
            self.w2 = nn.Linear(8, 3)

        def forward(self, x, adj):
            d = adj.sum(1).clamp(min=1e-6).pow(-0.5)
            a = d[:, None] * adj * d[None, :]
            h = F.elu(a @ (x @ self.w1))
            return F.log_softmax(self.w2(a @ h), dim=1)

    return GCN(), (
        torch.randn(5, 6),
        torch.rand(5, 5),
    )


@original
def densenet():
    class L(nn.Module):
        def __init__(self, i, g):
            super().__init__()
            self.norm1 = nn.BatchNorm2d(i)
            self.conv1 = nn.Conv2d(i, 4 * g, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(4 * g)
            self.conv2 = nn.Conv2d(4 * g, g, 3, padding=1, bias=False)

        def forward(self, fs):
            x = torch.cat(fs, 1)
            return self.conv2(F.relu(self.norm2(self.conv1(F.relu(self.norm1(x))))))

    class Blk(nn.ModuleDict):
        def __init__(self, n, i, g):
            super().__init__()
            for j in range(n):
                self.add_module(f"denselayer{j + 1}", L(i + j * g, g))

        def forward(self, x):
            fs = [x]
            for _, layer in self.items():
                fs.append(layer(fs))
            return torch.cat(fs, 1)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.f = nn.Sequential(
                nn.Conv2d(3, 8, 3, padding=1),
                Blk(3, 8, 4),
                nn.BatchNorm2d(20),
                nn.ReLU(),
                nn.Conv2d(20, 10, 1),
                nn.AvgPool2d(2),
            )
            self.c = nn.Linear(10, 4)

        def forward(self, x):
            return self.c(F.adaptive_avg_pool2d(F.relu(self.f(x)), (1, 1)).flatten(1))

    return Net(), (torch.randn(2, 3, 12, 10),)


@original
def seq2seq():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.t = nn.Transformer(16, 2, 1, 1, 32, batch_first=True)
            self.e = nn.Embedding(20, 16)
            self.o = nn.Linear(16, 20)

        def forward(self, a, b):
            return self.o(
                self.t(self.e(a), self.e(b), tgt_mask=nn.Transformer.generate_square_subsequent_mask(b.size(1)))
            )

    return Net(), (
        torch.randint(0, 20, (2, 6)),
        torch.randint(0, 20, (2, 5)),
    )


@original
def droppath():
    def drop_path(x, p, training):
        if p == 0.0 or not training:
            return x
        keep = 1 - p
        r = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        return x * r.div_(keep)

    class DP(nn.Module):
        def __init__(self, p):
            super().__init__()
            self.p = p

        def forward(self, x):
            return drop_path(x, self.p, self.training)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.c = nn.Conv2d(3, 3, 7, padding=3, groups=3)
            self.n = nn.LayerNorm(3, eps=1e-6)
            self.p = nn.Linear(3, 12)
            self.q = nn.Linear(12, 3)
            self.g = nn.Parameter(torch.ones(3) * 0.1)
            self.d = DP(0.2)
            self.h = nn.Linear(3, 2)

        def forward(self, x):
            y = self.c(x).permute(0, 2, 3, 1)
            y = self.g * self.q(F.gelu(self.p(self.n(y))))
            x = x + self.d(y.permute(0, 3, 1, 2))
            return self.h(x.mean([-2, -1]))

    return Net(), (torch.randn(2, 3, 9, 8),)
