"""A GPT in small: attention written out on one side, Keras's own on the other; the head is the embedding."""

import math
from typing import Any

import keras
import numpy as np
import torch
from keras import layers, ops
from torch import nn

from tests.seeded.carry import carry
from tests.seeded.models import keras_parts
from tests.seeded.models.torch_parts import clip_by_global_norm

WIDTH, HEADS, TOKENS, LENGTH = 8, 2, 19, 10


class Attention(nn.Module):
    """Causal self-attention."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.value, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.softmax = nn.Softmax(dim=-1)
        self.scale = (WIDTH // HEADS) ** -0.5
        self.causal = True

    def forward(self, x):
        n, t, _ = x.shape
        query, key, value = (
            part(x).view(n, t, HEADS, WIDTH // HEADS).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(-2, -1) * self.scale
        if self.causal:
            later = torch.triu(torch.ones(t, t, dtype=torch.bool, device=x.device), diagonal=1)
            scores = scores.masked_fill(later, float("-inf"))
        mixed = self.softmax(scores) @ value
        return self.out(mixed.transpose(1, 2).reshape(n, t, WIDTH))


class Block(nn.Module):
    """Attention and a wide layer, each around a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(WIDTH), Attention()
        self.norm2, self.wide = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 20)
        self.gelu, self.narrow = nn.GELU(approximate="tanh"), nn.Linear(20, WIDTH)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.dropout(self.narrow(self.gelu(self.wide(self.norm2(x)))))


class Gpt(nn.Module):
    """The PyTorch side: tokens (N, T) to logits (N, T, 19)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.position = nn.Embedding(TOKENS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.scale = math.sqrt(WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, TOKENS, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.embed(tokens) * self.scale + self.position(places)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class Embed(layers.Layer):
    """Tokens and their places as vectors; and, given vectors, how well each token fits."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self.tokens = layers.Embedding(TOKENS, WIDTH, name="embed")
        self.places = layers.Embedding(LENGTH, WIDTH, name="position")
        self.scale = math.sqrt(WIDTH)

    def build(self, shape: Any) -> None:
        self.tokens.build(shape)
        self.places.build(shape)

    def call(self, tokens):
        return self.tokens(tokens) * self.scale + self.places(ops.arange(tokens.shape[1]))


class TiedHead(layers.Layer):
    """How well each token fits, by the embedding's own vectors."""

    def __init__(self, embedding: layers.Embedding, **rest: Any) -> None:
        super().__init__(**rest)
        self.embedding = embedding

    def call(self, x):
        return ops.matmul(x, ops.transpose(self.embedding.embeddings))


class SelfAttention(layers.Layer):
    """Keras's attention on one sequence, causal."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self.heads = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, name=f"{self.name}_heads")
        self.causal = True

    def build(self, shape: Any) -> None:
        self.heads.build(shape, shape)

    def call(self, x):
        return self.heads(x, x, use_causal_mask=self.causal)


def block(x: Any, name: str) -> Any:
    """Attention and a wide layer, each around a residual."""
    y = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm1")(x)
    y = SelfAttention(name=f"{name}_attention")(y)
    x = layers.Add(name=f"{name}_add1")([x, y])
    y = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm2")(x)
    y = layers.Dense(20, name=f"{name}_wide")(y)
    y = layers.Activation(lambda z: keras.activations.gelu(z, approximate=True), name=f"{name}_gelu")(y)
    y = layers.Dense(WIDTH, name=f"{name}_narrow")(y)
    y = layers.Dropout(0.1, name=f"{name}_dropout")(y)
    return layers.Add(name=f"{name}_add2")([x, y])


def keras_model() -> keras.Model:
    """The Keras side."""
    tokens = keras.Input((6,), dtype="int32")
    embed = Embed(name="embedding")
    x = embed(tokens)
    for index in range(2):
        x = block(x, f"block{index}")
    x = layers.LayerNormalization(epsilon=1e-5, name="norm")(x)
    return keras.Model(tokens, TiedHead(embed.tokens, name="head")(x))


torch_model = Gpt
LAYERS = {"embed": "embed", "position": "position", "": "embedding"}
for _at in range(2):
    _parts = ("norm1", "attention", "norm2", "wide", "gelu", "narrow", "dropout")
    LAYERS |= {f"blocks.{_at}.{part}": f"block{_at}_{part}" for part in _parts}
    LAYERS |= {f"blocks.{_at}": f"block{_at}_add2"}
LAYERS |= {"norm": "norm", "head": "head"}
# The other side's attention has no dense layers, so that their order does not tell these.
TABLE = {
    f"blocks.{at}.{part}.{role}": f"block{at}_{part}/{theirs}"
    for at in range(2)
    for part in ("wide", "narrow")
    for role, theirs in (("weight", "kernel"), ("bias", "bias"))
}


def sync(module: nn.Module, model: keras.Model) -> None:
    """Give the Keras model the module's weights; its attention holds a kernel (width, heads, size) for each part."""
    carry(module, model, LAYERS)
    for index, each in enumerate(module.blocks):
        heads = model.get_layer(f"block{index}_attention").heads
        for part in ("query", "key", "value", "out"):
            ours = getattr(each.attention, part)
            theirs = heads.output_dense if part == "out" else getattr(heads, f"{part}_dense")
            theirs.kernel.assign(ours.weight.detach().numpy().T.reshape(theirs.kernel.shape))
            if ours.bias is not None and theirs.bias is not None:
                theirs.bias.assign(ours.bias.detach().numpy().reshape(theirs.bias.shape))


def inputs(rng: np.random.Generator, batch: int = 3) -> Any:
    return rng.integers(0, TOKENS, (batch, 6))


def targets(rng: np.random.Generator, batch: int = 3) -> Any:
    return rng.integers(0, TOKENS, (batch, 6))


def cross_entropy(output, target):
    """The mean over all places."""
    return nn.functional.cross_entropy(output.flatten(0, 1), target.flatten())


LOSS = (cross_entropy, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
OPTIMIZER = (
    lambda parameters: torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0.1, eps=1e-6),
    lambda: keras_parts.Adam(
        keras.optimizers.schedules.CosineDecay(1e-2, 8), weight_decay=0.1, epsilon=1e-6, global_clipnorm=1.0
    ),
)
CLIP = (lambda parameters: clip_by_global_norm(parameters, 1.0), None)
SCHEDULER = (lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 8), None)
