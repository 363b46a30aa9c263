"""Originals: torch code of many kinds as people write it, each with an example of what it takes."""

import math
from collections import namedtuple
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


@original
def inception():
    class BasicConv2d(nn.Module):
        def __init__(self, i, o, **kwargs):
            super().__init__()
            self.conv = nn.Conv2d(i, o, bias=False, **kwargs)
            self.bn = nn.BatchNorm2d(o, eps=0.001)

        def forward(self, x):
            return F.relu(self.bn(self.conv(x)), inplace=True)

    class InceptionC(nn.Module):
        def __init__(self, i):
            super().__init__()
            self.branch1x1 = BasicConv2d(i, 8, kernel_size=1)
            self.branch7x7_1 = BasicConv2d(i, 6, kernel_size=1)
            self.branch7x7_2 = BasicConv2d(6, 6, kernel_size=(1, 7), padding=(0, 3))
            self.branch7x7_3 = BasicConv2d(6, 8, kernel_size=(7, 1), padding=(3, 0))
            self.branch_pool = BasicConv2d(i, 8, kernel_size=1)

        def _forward(self, x):
            a = self.branch1x1(x)
            b = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
            c = F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)
            return [a, b, self.branch_pool(c)]

        def forward(self, x):
            return torch.cat(self._forward(x), 1)

    class InceptionAux(nn.Module):
        def __init__(self, i, n):
            super().__init__()
            self.conv0 = BasicConv2d(i, 8, kernel_size=1)
            self.fc = nn.Linear(8, n)
            self.fc.stddev = 0.001

        def forward(self, x):
            x = F.avg_pool2d(x, kernel_size=5, stride=3)
            x = self.conv0(x)
            x = F.adaptive_avg_pool2d(x, (1, 1))
            return self.fc(torch.flatten(x, 1))

    InceptionOutputs = namedtuple("InceptionOutputs", ["logits", "aux_logits"])

    class Inception3(nn.Module):
        def __init__(self, aux=True, transform_input=True):
            super().__init__()
            self.transform_input = transform_input
            self.aux_logits = aux
            self.stem = BasicConv2d(3, 8, kernel_size=3, stride=2)
            self.mix = InceptionC(8)
            self.aux = InceptionAux(24, 5)
            self.dropout = nn.Dropout(0.5)
            self.fc = nn.Linear(24, 5)

        def _transform_input(self, x):
            if self.transform_input:
                x_ch0 = torch.unsqueeze(x[:, 0], 1) * (0.229 / 0.5) + (0.485 - 0.5) / 0.5
                x_ch1 = torch.unsqueeze(x[:, 1], 1) * (0.224 / 0.5) + (0.456 - 0.5) / 0.5
                x_ch2 = torch.unsqueeze(x[:, 2], 1) * (0.225 / 0.5) + (0.406 - 0.5) / 0.5
                x = torch.cat((x_ch0, x_ch1, x_ch2), 1)
            return x

        def forward(self, x):
            x = self._transform_input(x)
            x = self.mix(self.stem(x))
            aux = self.aux(x) if self.training else None
            x = torch.flatten(self.dropout(F.adaptive_avg_pool2d(x, 1)), 1)
            x = self.fc(x)
            if self.training:
                return InceptionOutputs(x, aux)
            return x

    return Inception3(), (torch.randn(2, 3, 33, 33),)


@original
def yolo():
    class Conv(nn.Module):
        default_act = nn.SiLU()

        def __init__(self, c1, c2, k=1, s=1, p=None, g=1, d=1, act=True):
            super().__init__()
            self.conv = nn.Conv2d(c1, c2, k, s, k // 2 if p is None else p, groups=g, dilation=d, bias=False)
            self.bn = nn.BatchNorm2d(c2)
            self.act = self.default_act if act is True else act if isinstance(act, nn.Module) else nn.Identity()

        def forward(self, x):
            return self.act(self.bn(self.conv(x)))

    class Bottleneck(nn.Module):
        def __init__(self, c1, c2, shortcut=True, g=1, e=0.5):
            super().__init__()
            c_ = int(c2 * e)
            self.cv1 = Conv(c1, c_, 1, 1)
            self.cv2 = Conv(c_, c2, 3, 1, g=g)
            self.add = shortcut and c1 == c2

        def forward(self, x):
            return x + self.cv2(self.cv1(x)) if self.add else self.cv2(self.cv1(x))

    class C2f(nn.Module):
        def __init__(self, c1, c2, n=1, shortcut=False, e=0.5):
            super().__init__()
            self.c = int(c2 * e)
            self.cv1 = Conv(c1, 2 * self.c, 1, 1)
            self.cv2 = Conv((2 + n) * self.c, c2, 1)
            self.m = nn.ModuleList(Bottleneck(self.c, self.c, shortcut, e=1.0) for _ in range(n))

        def forward(self, x):
            y = list(self.cv1(x).chunk(2, 1))
            y.extend(m(y[-1]) for m in self.m)
            return self.cv2(torch.cat(y, 1))

    class SPPF(nn.Module):
        def __init__(self, c1, c2, k=5):
            super().__init__()
            c_ = c1 // 2
            self.cv1 = Conv(c1, c_, 1, 1)
            self.cv2 = Conv(c_ * 4, c2, 1, 1)
            self.m = nn.MaxPool2d(k, 1, k // 2)

        def forward(self, x):
            x = self.cv1(x)
            y1 = self.m(x)
            y2 = self.m(y1)
            return self.cv2(torch.cat((x, y1, y2, self.m(y2)), 1))

    class DFL(nn.Module):
        def __init__(self, c1=16):
            super().__init__()
            self.conv = nn.Conv2d(c1, 1, 1, bias=False).requires_grad_(False)
            x = torch.arange(c1, dtype=torch.float)
            self.conv.weight.data[:] = nn.Parameter(x.view(1, c1, 1, 1))
            self.c1 = c1

        def forward(self, x):
            b, _, a = x.shape
            return self.conv(x.view(b, 4, self.c1, a).transpose(2, 1).softmax(1)).view(b, 4, a)

    def make_anchors(feats, strides, offset=0.5):
        pts, st = [], []
        for i, stride in enumerate(strides):
            _, _, h, w = feats[i].shape
            sx = torch.arange(end=w, dtype=feats[0].dtype) + offset
            sy = torch.arange(end=h, dtype=feats[0].dtype) + offset
            sy, sx = torch.meshgrid(sy, sx, indexing="ij")
            pts.append(torch.stack((sx, sy), -1).view(-1, 2))
            st.append(torch.full((h * w, 1), stride, dtype=feats[0].dtype))
        return torch.cat(pts), torch.cat(st)

    class Detect(nn.Module):
        dynamic = False
        export = False
        shape = None

        def __init__(self, nc=3, ch=()):
            super().__init__()
            self.nc, self.nl, self.reg_max = nc, len(ch), 4
            self.no = nc + self.reg_max * 4
            self.stride = [8, 16]
            self.cv2 = nn.ModuleList(nn.Sequential(Conv(x, 8, 3), nn.Conv2d(8, 4 * self.reg_max, 1)) for x in ch)
            self.cv3 = nn.ModuleList(nn.Sequential(Conv(x, 8, 3), nn.Conv2d(8, self.nc, 1)) for x in ch)
            self.dfl = DFL(self.reg_max)

        def forward(self, x):
            for i in range(self.nl):
                x[i] = torch.cat((self.cv2[i](x[i]), self.cv3[i](x[i])), 1)
            if self.training:
                return x
            shape = x[0].shape
            x_cat = torch.cat([xi.view(shape[0], self.no, -1) for xi in x], 2)
            anchors, strides = (t.transpose(0, 1) for t in make_anchors(x, self.stride))
            box, cls = x_cat.split((self.reg_max * 4, self.nc), 1)
            lt, rb = self.dfl(box).chunk(2, 1)
            x1y1 = anchors.unsqueeze(0) - lt
            x2y2 = anchors.unsqueeze(0) + rb
            dbox = torch.cat(((x1y1 + x2y2) / 2, x2y2 - x1y1), 1) * strides
            return torch.cat((dbox, cls.sigmoid()), 1), x

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = Conv(3, 8, 3, 2)
            self.b = C2f(8, 8, 2, True)
            self.c = Conv(8, 16, 3, 2)
            self.d = SPPF(16, 16)
            self.up = nn.Upsample(None, 2, "nearest")
            self.det = Detect(3, (8, 16))

        def forward(self, x):
            p = self.b(self.a(x))
            q = self.d(self.c(p))
            return self.det([p, q])

    return Model(), (torch.randn(2, 3, 32, 32),)


@original
def cbam():
    class BasicConv(nn.Module):
        def __init__(self, i, o, kernel_size, stride=1, padding=0, relu=True, bn=True):
            super().__init__()
            self.conv = nn.Conv2d(i, o, kernel_size, stride, padding, bias=False)
            self.bn = nn.BatchNorm2d(o, eps=1e-5, momentum=0.01) if bn else None
            self.relu = nn.ReLU() if relu else None

        def forward(self, x):
            x = self.conv(x)
            if self.bn is not None:
                x = self.bn(x)
            if self.relu is not None:
                x = self.relu(x)
            return x

    class Flatten(nn.Module):
        def forward(self, x):
            return x.view(x.size(0), -1)

    def logsumexp_2d(tensor):
        tensor_flatten = tensor.view(tensor.size(0), tensor.size(1), -1)
        s, _ = torch.max(tensor_flatten, dim=2, keepdim=True)
        return s + (tensor_flatten - s).exp().sum(dim=2, keepdim=True).log()

    class ChannelGate(nn.Module):
        def __init__(self, c, r=2, pool_types=("avg", "max", "lp", "lse")):
            super().__init__()
            self.mlp = nn.Sequential(Flatten(), nn.Linear(c, c // r), nn.ReLU(), nn.Linear(c // r, c))
            self.pool_types = pool_types

        def forward(self, x):
            channel_att_sum = None
            for t in self.pool_types:
                if t == "avg":
                    raw = self.mlp(F.avg_pool2d(x, (x.size(2), x.size(3)), stride=(x.size(2), x.size(3))))
                elif t == "max":
                    raw = self.mlp(F.max_pool2d(x, (x.size(2), x.size(3)), stride=(x.size(2), x.size(3))))
                elif t == "lp":
                    raw = self.mlp(F.lp_pool2d(x, 2, (x.size(2), x.size(3)), stride=(x.size(2), x.size(3))))
                else:
                    raw = self.mlp(logsumexp_2d(x))
                channel_att_sum = raw if channel_att_sum is None else channel_att_sum + raw
            scale = torch.sigmoid(channel_att_sum).unsqueeze(2).unsqueeze(3).expand_as(x)
            return x * scale

    class ChannelPool(nn.Module):
        def forward(self, x):
            return torch.cat((torch.max(x, 1)[0].unsqueeze(1), torch.mean(x, 1).unsqueeze(1)), dim=1)

    class CBAM(nn.Module):
        def __init__(self, c):
            super().__init__()
            self.ChannelGate = ChannelGate(c)
            self.compress = ChannelPool()
            self.spatial = BasicConv(2, 1, 7, padding=3, relu=False)

        def forward(self, x):
            x = self.ChannelGate(x)
            return x * torch.sigmoid(self.spatial(self.compress(x)))

    return nn.Sequential(nn.Conv2d(3, 8, 3), CBAM(8)), (torch.randn(2, 3, 12, 12),)


@original
def dynconv():
    class attention2d(nn.Module):
        def __init__(self, i, K, T):
            super().__init__()
            self.avgpool = nn.AdaptiveAvgPool2d(1)
            self.fc1 = nn.Conv2d(i, 4, 1, bias=False)
            self.fc2 = nn.Conv2d(4, K, 1)
            self.temperature = T

        def forward(self, x):
            x = self.fc2(F.relu(self.fc1(self.avgpool(x)))).view(x.size(0), -1)
            return F.softmax(x / self.temperature, 1)

    class Dynamic_conv2d(nn.Module):
        def __init__(self, i, o, k, padding=1, groups=1, K=4):
            super().__init__()
            self.o, self.i, self.k, self.padding, self.groups, self.K = o, i, k, padding, groups, K
            self.attention = attention2d(i, K, 34)
            self.weight = nn.Parameter(torch.randn(K, o, i // groups, k, k) * 0.1)
            self.bias = nn.Parameter(torch.zeros(K, o))

        def forward(self, x):
            softmax_attention = self.attention(x)
            batch_size, _, height, width = x.size()
            x = x.view(1, -1, height, width)
            weight = self.weight.view(self.K, -1)
            aggregate_weight = torch.mm(softmax_attention, weight).view(-1, self.i, self.k, self.k)
            aggregate_bias = torch.mm(softmax_attention, self.bias).view(-1)
            output = F.conv2d(
                x,
                weight=aggregate_weight,
                bias=aggregate_bias,
                stride=1,
                padding=self.padding,
                groups=self.groups * batch_size,
            )
            return output.view(batch_size, self.o, output.size(-2), output.size(-1))

    return Dynamic_conv2d(3, 6, 3), (torch.randn(2, 3, 8, 8),)


@original
def centernet():
    class Net(nn.Module):
        def __init__(self, heads, head_conv=8):
            super().__init__()
            self.heads = heads
            self.base = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
            for head in self.heads:
                fc = nn.Sequential(
                    nn.Conv2d(8, head_conv, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(head_conv, heads[head], 1)
                )
                if "hm" in head:
                    fc[-1].bias.data.fill_(-2.19)
                self.__setattr__(head, fc)

        def _nms(self, heat, kernel=3):
            pad = (kernel - 1) // 2
            hmax = F.max_pool2d(heat, (kernel, kernel), stride=1, padding=pad)
            keep = (hmax == heat).float()
            return heat * keep

        def _topk(self, scores, K=6):
            batch, cat, height, width = scores.size()
            topk_scores, topk_inds = torch.topk(scores.view(batch, cat, -1), K)
            topk_inds = topk_inds % (height * width)
            topk_ys = (topk_inds / width).int().float()
            topk_score, topk_ind = torch.topk(topk_scores.view(batch, -1), K)
            topk_clses = (topk_ind / K).int()
            topk_inds = self._gather(topk_inds.view(batch, -1, 1), topk_ind).view(batch, K)
            topk_ys = self._gather(topk_ys.view(batch, -1, 1), topk_ind).view(batch, K)
            return topk_score, topk_inds, topk_clses, topk_ys

        def _gather(self, feat, ind):
            dim = feat.size(2)
            ind = ind.unsqueeze(2).expand(ind.size(0), ind.size(1), dim)
            return feat.gather(1, ind)

        def forward(self, x):
            f = self.base(x)
            z = {}
            for head in self.heads:
                z[head] = self.__getattr__(head)(f)
            hm = self._nms(z["hm"].sigmoid_())
            score, inds, clses, ys = self._topk(hm)
            reg = z["reg"].permute(0, 2, 3, 1).contiguous()
            reg = reg.view(reg.size(0), -1, reg.size(3))
            z["off"] = self._gather(reg, inds)
            z["score"] = score
            z["cls"] = clses
            z["ys"] = ys
            return z

    return Net({"hm": 3, "wh": 2, "reg": 2}), (torch.randn(2, 3, 8, 10),)


@original
def convlstm():
    class ConvLSTMCell(nn.Module):
        def __init__(self, input_dim, hidden_dim, kernel_size, bias):
            super().__init__()
            self.hidden_dim = hidden_dim
            self.conv = nn.Conv2d(
                input_dim + hidden_dim,
                4 * hidden_dim,
                kernel_size,
                padding=(kernel_size[0] // 2, kernel_size[1] // 2),
                bias=bias,
            )

        def forward(self, input_tensor, cur_state):
            h_cur, c_cur = cur_state
            combined = torch.cat([input_tensor, h_cur], dim=1)
            combined_conv = self.conv(combined)
            cc_i, cc_f, cc_o, cc_g = torch.split(combined_conv, self.hidden_dim, dim=1)
            i = torch.sigmoid(cc_i)
            f = torch.sigmoid(cc_f)
            o = torch.sigmoid(cc_o)
            g = torch.tanh(cc_g)
            c_next = f * c_cur + i * g
            return o * torch.tanh(c_next), c_next

        def init_hidden(self, b, image_size):
            h, w = image_size
            return (
                torch.zeros(b, self.hidden_dim, h, w, device=self.conv.weight.device),
                torch.zeros(b, self.hidden_dim, h, w, device=self.conv.weight.device),
            )

    class ConvLSTM(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell_list = nn.ModuleList([ConvLSTMCell(3, 4, (3, 3), True), ConvLSTMCell(4, 5, (3, 3), True)])
            self.num_layers = 2
            self.return_all_layers = False

        def forward(self, input_tensor, hidden_state=None):
            b, _, _, h, w = input_tensor.size()
            hidden_state = [c.init_hidden(b, (h, w)) for c in self.cell_list]
            layer_output_list, last_state_list = [], []
            seq_len = input_tensor.size(1)
            cur = input_tensor
            for index in range(self.num_layers):
                h, c = hidden_state[index]
                out = []
                for t in range(seq_len):
                    h, c = self.cell_list[index](input_tensor=cur[:, t, :, :, :], cur_state=[h, c])
                    out.append(h)
                cur = torch.stack(out, dim=1)
                layer_output_list.append(cur)
                last_state_list.append([h, c])
            return layer_output_list[-1:], last_state_list[-1:]

    return ConvLSTM(), (torch.randn(2, 3, 3, 6, 7),)


@original
def llama():
    class RMSNorm(nn.Module):
        def __init__(self, d, eps=1e-6):
            super().__init__()
            self.eps = eps
            self.weight = nn.Parameter(torch.ones(d))

        def _norm(self, x):
            return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)

        def forward(self, x):
            return self._norm(x.float()).type_as(x) * self.weight

    def precompute_freqs_cis(dim, end, theta=10000.0):
        freqs = 1.0 / (theta ** (torch.arange(0, dim, 2)[: (dim // 2)].float() / dim))
        t = torch.arange(end)
        return torch.polar(torch.ones_like(torch.outer(t, freqs).float()), torch.outer(t, freqs).float())

    def reshape_for_broadcast(f, x):
        ndim = x.ndim
        shape = [d if i == 1 or i == ndim - 1 else 1 for i, d in enumerate(x.shape)]
        return f.view(*shape)

    def apply_rotary_emb(xq, xk, f):
        xq_ = torch.view_as_complex(xq.float().reshape(*xq.shape[:-1], -1, 2))
        xk_ = torch.view_as_complex(xk.float().reshape(*xk.shape[:-1], -1, 2))
        f = reshape_for_broadcast(f, xq_)
        return torch.view_as_real(xq_ * f).flatten(3).type_as(xq), torch.view_as_real(xk_ * f).flatten(3).type_as(xk)

    def repeat_kv(x, n):
        bs, slen, kv, hd = x.shape
        return x if n == 1 else x[:, :, :, None, :].expand(bs, slen, kv, n, hd).reshape(bs, slen, kv * n, hd)

    class Attention(nn.Module):
        def __init__(self, d, h, kv):
            super().__init__()
            self.h, self.kv, self.hd = h, kv, d // h
            self.wq = nn.Linear(d, d, bias=False)
            self.wk = nn.Linear(d, kv * self.hd, bias=False)
            self.wv = nn.Linear(d, kv * self.hd, bias=False)
            self.wo = nn.Linear(d, d, bias=False)

        def forward(self, x, start_pos: int, f, mask):
            b, s, _ = x.shape
            xq, xk, xv = self.wq(x), self.wk(x), self.wv(x)
            xq = xq.view(b, s, self.h, self.hd)
            xk = xk.view(b, s, self.kv, self.hd)
            xv = xv.view(b, s, self.kv, self.hd)
            xq, xk = apply_rotary_emb(xq, xk, f)
            k = repeat_kv(xk, self.h // self.kv)
            v = repeat_kv(xv, self.h // self.kv)
            xq = xq.transpose(1, 2)
            k = k.transpose(1, 2)
            v = v.transpose(1, 2)
            sc = torch.matmul(xq, k.transpose(2, 3)) / math.sqrt(self.hd)
            if mask is not None:
                sc = sc + mask
            return self.wo(
                torch.matmul(F.softmax(sc.float(), dim=-1).type_as(xq), v).transpose(1, 2).contiguous().view(b, s, -1)
            )

    class FF(nn.Module):
        def __init__(self, d, m=4):
            super().__init__()
            h = m * ((int(2 * 4 * d / 3) + m - 1) // m)
            self.w1 = nn.Linear(d, h, bias=False)
            self.w2 = nn.Linear(h, d, bias=False)
            self.w3 = nn.Linear(d, h, bias=False)

        def forward(self, x):
            return self.w2(F.silu(self.w1(x)) * self.w3(x))

    class Tr(nn.Module):
        def __init__(self, d=16, V=20):
            super().__init__()
            self.tok_embeddings = nn.Embedding(V, d)
            self.a = nn.ModuleList([Attention(d, 4, 2) for _ in range(2)])
            self.f = nn.ModuleList([FF(d) for _ in range(2)])
            self.n = nn.ModuleList([RMSNorm(d) for _ in range(4)])
            self.norm = RMSNorm(d)
            self.output = nn.Linear(d, V, bias=False)
            self.freqs_cis = precompute_freqs_cis(4, 32)

        def forward(self, tokens, start_pos: int = 0):
            _, s = tokens.shape
            h = self.tok_embeddings(tokens)
            f = self.freqs_cis[start_pos : start_pos + s]
            mask = None
            if s > 1:
                mask = torch.full((s, s), float("-inf"), device=tokens.device)
                mask = torch.triu(mask, diagonal=1)
                mask = torch.hstack([torch.zeros((s, start_pos)), mask]).type_as(h)
            for i in range(2):
                h = h + self.a[i](self.n[2 * i](h), start_pos, f, mask)
                h = h + self.f[i](self.n[2 * i + 1](h))
            return self.output(self.norm(h)).float()

    return Tr(), (torch.randint(0, 20, (2, 6)),)


@original
def t5_alibi():
    class T5Attn(nn.Module):
        def __init__(self, d, h):
            super().__init__()
            self.q = nn.Linear(d, d, bias=False)
            self.k = nn.Linear(d, d, bias=False)
            self.v = nn.Linear(d, d, bias=False)
            self.o = nn.Linear(d, d, bias=False)
            self.relative_attention_bias = nn.Embedding(8, h)
            self.h = h
            self.kd = d // h

        @staticmethod
        def _bucket(rp, bidirectional=True, num_buckets=8, max_distance=20):
            rb = 0
            if bidirectional:
                num_buckets //= 2
                rb += (rp > 0).to(torch.long) * num_buckets
                rp = torch.abs(rp)
            else:
                rp = -torch.min(rp, torch.zeros_like(rp))
            me = num_buckets // 2
            small = rp < me
            large = me + (torch.log(rp.float() / me) / math.log(max_distance / me) * (num_buckets - me)).to(torch.long)
            large = torch.min(large, torch.full_like(large, num_buckets - 1))
            rb += torch.where(small, rp, large)
            return rb

        def bias(self, ql, kl, bid):
            c = torch.arange(ql, dtype=torch.long)[:, None]
            m = torch.arange(kl, dtype=torch.long)[None, :]
            return self.relative_attention_bias(self._bucket(m - c, bid)).permute([2, 0, 1]).unsqueeze(0)

        def forward(self, x, mask, bid=False):
            b, s = x.shape[:2]

            def shape(t):
                return t.view(b, -1, self.h, self.kd).transpose(1, 2)

            sc = torch.matmul(shape(self.q(x)), shape(self.k(x)).transpose(3, 2))
            pb = self.bias(s, s, bid) + mask
            sc += pb
            w = F.softmax(sc.float(), dim=-1).type_as(sc)
            return self.o(torch.matmul(w, shape(self.v(x))).transpose(1, 2).contiguous().view(b, -1, self.h * self.kd))

    class Alibi(nn.Module):
        def __init__(self, d, h):
            super().__init__()
            self.register_buffer("m", torch.tensor([2 ** (-8 / h * (i + 1)) for i in range(h)])[:, None, None])
            self.kqv = nn.Linear(d, 3 * d, bias=False)
            self.h = h
            self.register_buffer("mask", torch.tril(torch.ones(1, 1, 16, 16)))

        def forward(self, x):
            b, s, d = x.shape
            k, q, v = self.kqv(x).chunk(3, dim=-1)
            k = k.view(b, s, self.h, -1).permute(0, 2, 3, 1)
            q = q.view(b, s, self.h, -1).transpose(1, 2)
            v = v.view(b, s, self.h, -1).transpose(1, 2)
            bias = (self.m * (torch.arange(s)[None, :] - torch.arange(s)[:, None])).unsqueeze(0)
            sc = torch.matmul(q, k) / math.sqrt(d) + bias
            sc = sc.masked_fill(self.mask[:, :, :s, :s] == 0, float("-inf"))
            return torch.matmul(F.softmax(sc, -1), v).transpose(1, 2).reshape(b, s, -1)

    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.e = nn.Embedding(10, 8)
            self.a = T5Attn(8, 2)
            self.b = T5Attn(8, 2)
            self.c = Alibi(8, 2)

        def forward(self, ids):
            am = ids != 0
            ext = am[:, None, None, :].to(torch.float32)
            ext = (1.0 - ext) * -1e9
            s = ids.shape[1]
            sid = torch.arange(s)
            cm = sid[None, None, :].repeat(ids.shape[0], s, 1) <= sid[None, :, None]
            cm = cm[:, None, :, :].to(am.dtype) * am[:, None, None, :]
            x = self.e(ids)
            x = x + self.a(x, ext, True)
            x = x + self.b(x, (1.0 - cm.float()) * -1e9)
            return self.c(x)

    ids = torch.randint(1, 10, (2, 6))
    ids[1, 4:] = 0
    return N(), (ids,)


@original
def mamba():
    class Mamba(nn.Module):
        def __init__(self, d=4, n=3, r=2):
            super().__init__()
            self.in_proj = nn.Linear(d, 4 * d, bias=False)
            di = 2 * d
            self.di, self.n, self.r = di, n, r
            self.conv1d = nn.Conv1d(di, di, 4, groups=di, padding=3)
            self.x_proj = nn.Linear(di, r + 2 * n, bias=False)
            self.dt_proj = nn.Linear(r, di)
            A = torch.arange(1, n + 1).float().repeat(di, 1)
            self.A_log = nn.Parameter(torch.log(A))
            self.D = nn.Parameter(torch.ones(di))
            self.out_proj = nn.Linear(di, d, bias=False)

        def forward(self, x):
            _, length, _ = x.shape
            x, res = self.in_proj(x).split(split_size=[self.di, self.di], dim=-1)
            x = x.transpose(1, 2)
            x = self.conv1d(x)[:, :, :length]
            x = x.transpose(1, 2)
            x = F.silu(x)
            y = self.ssm(x)
            return self.out_proj(y * F.silu(res))

        def ssm(self, x):
            A = -torch.exp(self.A_log.float())
            delta, B, C = self.x_proj(x).split([self.r, self.n, self.n], dim=-1)
            delta = F.softplus(self.dt_proj(delta))
            dA = torch.exp(torch.einsum("b l d, d n -> b l d n", delta, A))
            dBu = torch.einsum("b l d, b l n, b l d -> b l d n", delta, B, x)
            h = torch.zeros((x.shape[0], self.di, self.n), device=dA.device)
            ys = []
            for i in range(x.shape[1]):
                h = dA[:, i] * h + dBu[:, i]
                ys.append(torch.einsum("b d n, b n -> b d", h, C[:, i, :]))
            return torch.stack(ys, dim=1) + x * self.D

    return Mamba(), (torch.randn(2, 5, 4),)


@original
def mixture_density():
    class M(nn.Module):
        def __init__(self):
            super().__init__()
            self.nl = nn.ModuleList([nn.Linear(6, 6) for _ in range(2)])
            self.g = nn.ModuleList([nn.Linear(6, 6) for _ in range(2)])
            self.mx = nn.Linear(6, 12)
            self.pi = nn.Linear(6, 3)
            self.sigma = nn.Linear(6, 3)
            self.mu = nn.Linear(6, 3)

        def forward(self, x, y):
            for n, g in zip(self.nl, self.g, strict=True):
                gate = torch.sigmoid(g(x))
                x = gate * F.relu(n(x)) + (1 - gate) * x
            x = self.mx(x).view(-1, 6, 2).max(-1)[0]
            pi = F.log_softmax(self.pi(x), -1)
            sigma = torch.exp(self.sigma(x)).clamp(1e-3, 1e3)
            m = torch.distributions.Normal(self.mu(x), sigma)
            return -torch.logsumexp(pi + m.log_prob(y.expand(-1, 3)), -1).mean(), m.mean

    return M(), (torch.randn(3, 6), torch.randn(3, 1))


@original
def glow():
    class Coupling(nn.Module):
        def __init__(self, d, mask):
            super().__init__()
            self.register_buffer("mask", mask)
            self.s = nn.Sequential(nn.Linear(d, 8), nn.Tanh(), nn.Linear(8, d), nn.Tanh())
            self.t = nn.Sequential(nn.Linear(d, 8), nn.ReLU(), nn.Linear(8, d))

        def forward(self, x):
            xm = x * self.mask
            s = self.s(xm) * (1 - self.mask)
            t = self.t(xm) * (1 - self.mask)
            return xm + (1 - self.mask) * (x * s.exp() + t), s.sum(-1)

    class Glow(nn.Module):
        def __init__(self, d=4):
            super().__init__()
            self.c = nn.ModuleList([Coupling(d, (torch.arange(d) % 2 == i % 2).float()) for i in range(2)])
            self.W = nn.Parameter(torch.linalg.qr(torch.randn(d, d))[0])
            self.loc = nn.Parameter(torch.zeros(1, d))
            self.logs = nn.Parameter(torch.zeros(1, d))
            self.register_buffer("initialized", torch.tensor(0, dtype=torch.uint8))

        def forward(self, x):
            ld = x.new_zeros(x.size(0))
            x = (x + self.loc) * torch.exp(self.logs)
            ld = ld + self.logs.sum()
            x = x @ self.W
            ld += torch.slogdet(self.W)[1]
            for c in self.c:
                x, logdet = c(x)
                ld += logdet
            return x, (-0.5 * (x**2 + math.log(2 * math.pi))).sum(-1) + ld

    return Glow(), (torch.randn(3, 4),)


@original
def same_twice():
    class M(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(3, 3)

        def forward(self, q, k, v):
            return torch.softmax(self.a(q) @ k.transpose(-2, -1), -1) @ v

    x = torch.randn(2, 4, 3)
    return M(), (x, x, x)


@original
def frozen_bn():
    class FrozenBN(nn.Module):
        def __init__(self, n):
            super().__init__()
            [self.register_buffer(k, torch.rand(n) + 0.5) for k in ("weight", "bias", "running_mean", "running_var")]

        def forward(self, x):
            w = self.weight.reshape(1, -1, 1, 1)
            b = self.bias.reshape(1, -1, 1, 1)
            rv = self.running_var.reshape(1, -1, 1, 1)
            rm = self.running_mean.reshape(1, -1, 1, 1)
            s = w * (rv + 1e-5).rsqrt()
            return x * s + (b - rm * s)

    class M(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 4, 3), FrozenBN(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
            self.fc = nn.Linear(4, 2)
            for p in self.body.parameters():
                p.requires_grad_(False)
            self.fc.bias.requires_grad = False

        def train(self, mode=True):
            super().train(mode)
            for m in self.modules():
                if isinstance(m, nn.BatchNorm2d):
                    m.eval()
            return self

        def forward(self, x):
            with torch.no_grad():
                f = self.body(x)
            return self.fc(f.mean((2, 3)))

    return M(), (torch.randn(2, 3, 8, 8),)


@original
def video():
    class M(nn.Module):
        def __init__(self):
            super().__init__()
            self.c = nn.Conv2d(3, 8, 3, padding=1)
            self.cell = nn.LSTMCell(8, 5)

        def forward(self, video):
            b, t, c, h, w = video.shape
            x = self.c(video.view(b * t, c, h, w))
            x = F.adaptive_avg_pool2d(x, 1).view(b, t, -1)
            hx, cx = torch.zeros(b, 5), torch.zeros(b, 5)
            o = []
            for i in range(t):
                hx, cx = self.cell(x[:, i], (hx, cx))
                o.append(hx)
            return torch.stack(o, 1)

    return M(), (torch.randn(2, 3, 3, 6, 6),)


@original
def old_data():
    class M(nn.Module):
        def __init__(self):
            super().__init__()
            self.c = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            x = self.c(x)
            y = x.data.clone()
            y[y < 0] = 0
            return x, y

    return M(), (torch.randn(2, 3, 6, 6),)
