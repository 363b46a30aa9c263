"""A reader of short texts: embedding, LSTM, LayerNorm, GRU, the last state's class."""

from typing import Any

import keras
import numpy as np
import torch
from keras import layers
from torch import nn

from tests.seeded.carry import carry
from tests.seeded.models.torch_parts import clip_by_global_norm


class Reader(nn.Module):
    """The PyTorch side: tokens (N, 7) to logits of 5 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(23, 9)
        self.lstm = nn.LSTM(9, 9, batch_first=True)
        self.norm = nn.LayerNorm(9)
        self.gru = nn.GRU(9, 9, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(9, 5)
        # Keras has one bias where PyTorch adds two, which would learn twice as fast.
        nn.init.zeros_(self.lstm.bias_hh_l0)
        self.lstm.bias_hh_l0.requires_grad_(False)

    def forward(self, tokens):
        x, _ = self.lstm(self.embed(tokens))
        x, _ = self.gru(self.norm(x))
        return self.head(self.dropout(x[:, -1]))


def keras_model() -> keras.Model:
    """The Keras side."""
    tokens = keras.Input((None,), dtype="int32")
    x = layers.Embedding(23, 9, name="embed")(tokens)
    x = layers.LSTM(9, return_sequences=True, name="lstm")(x)
    x = layers.LayerNormalization(epsilon=1e-5, name="norm")(x)
    x = layers.GRU(9, name="gru")(x)
    x = layers.Dropout(0.3, name="dropout")(x)
    return keras.Model(tokens, layers.Dense(5, name="head")(x))


torch_model = Reader
STILL = ("lstm.bias_hh_l0",)  # what stays zero
LAYERS = {"embed": "embed", "lstm": "lstm", "norm": "norm", "gru": "gru", "dropout": "dropout", "head": "head"}
TABLE = {
    "lstm.weight_ih_l0": "lstm/lstm_cell/kernel",
    "lstm.weight_hh_l0": "lstm/lstm_cell/recurrent_kernel",
    "lstm.bias_ih_l0": "lstm/lstm_cell/bias",
}


def sync(module: nn.Module, model: keras.Model) -> None:
    """Give the Keras model the module's weights."""
    carry(module, model, LAYERS)


def inputs(rng: np.random.Generator, batch: int = 4) -> Any:
    return rng.integers(0, 23, (batch, 7))


def targets(rng: np.random.Generator, batch: int = 4) -> Any:
    return rng.integers(0, 5, batch)


LOSS = (nn.CrossEntropyLoss(reduction="sum"), keras.losses.SparseCategoricalCrossentropy(True, reduction="sum"))
OPTIMIZER = (
    lambda parameters: torch.optim.Adagrad(parameters, lr=0.05, initial_accumulator_value=0.1, eps=1e-12),
    lambda: keras.optimizers.Adagrad(0.05, initial_accumulator_value=0.1, epsilon=1e-12, global_clipnorm=0.5),
)
CLIP = (lambda parameters: clip_by_global_norm(parameters, 0.5), None)
