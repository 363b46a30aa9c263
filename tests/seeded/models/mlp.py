"""A classifier of twelve measurements: dense layers, LayerNorm, three activations, dropout, probabilities out."""

from typing import Any

import keras
import numpy as np
import torch
from keras import layers
from torch import nn
from torch.nn import functional as F

from tests.seeded.carry import carry
from tests.seeded.models import keras_parts


class Mlp(nn.Module):
    """The PyTorch side: (N, 12) to probabilities of 7 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(12, 16)
        self.norm = nn.LayerNorm(16)
        self.gelu = nn.GELU()
        self.fc2 = nn.Linear(16, 16)
        self.leaky = nn.LeakyReLU(0.1)
        self.dropout = nn.Dropout(0.3)
        self.fc3 = nn.Linear(16, 16)
        self.act = nn.Tanh()
        self.head = nn.Linear(16, 7)
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, x):
        x = self.gelu(self.norm(self.fc1(x)))
        x = self.dropout(self.leaky(self.fc2(x)))
        return self.softmax(self.head(self.act(self.fc3(x))))


def keras_model() -> keras.Model:
    """The Keras side."""
    return keras.Sequential([
        keras.Input((12,)),
        layers.Dense(16, name="dense1"),
        layers.LayerNormalization(epsilon=1e-5, name="norm"),
        layers.Activation("gelu", name="gelu"),
        layers.Dense(16, name="dense2"),
        layers.LeakyReLU(negative_slope=0.1, name="leaky"),
        layers.Dropout(0.3, name="dropout"),
        layers.Dense(16, name="dense3"),
        layers.Activation("tanh", name="tanh"),
        layers.Dense(7, name="head"),
        layers.Softmax(name="softmax"),
    ])  # fmt: skip


torch_model = Mlp
LAYERS = {
    "fc1": "dense1",
    "norm": "norm",
    "gelu": "gelu",
    "fc2": "dense2",
    "leaky": "leaky",
    "dropout": "dropout",
    "fc3": "dense3",
    "act": "tanh",
    "head": "head",
    "softmax": "softmax",
}


def sync(module: nn.Module, model: keras.Model) -> None:
    """Give the Keras model the module's weights."""
    carry(module, model, LAYERS)


def inputs(rng: np.random.Generator, batch: int = 5) -> Any:
    return rng.normal(0.2, 1.0, (batch, 12)).astype(np.float32)


def targets(rng: np.random.Generator, batch: int = 5) -> Any:
    return rng.integers(0, 7, batch)


LOSS = (lambda output, target: F.nll_loss(torch.log(output), target), keras.losses.SparseCategoricalCrossentropy())
OPTIMIZER = (
    lambda parameters: torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0.05),
    lambda: keras_parts.Adam(1e-2, weight_decay=0.05, epsilon=1e-8),
)
