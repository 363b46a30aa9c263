"""Drawn: pairs of stock layers as a porter writes them, their kind, sizes and options drawn by a seed."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch
from keras import layers as K
from torch import nn

import dualnet
from dualnet.compare.report import Report
from tests.seeded.models.keras_parts import BatchNorm
from tests.seeded.pair import scatter

# One layer of both frameworks, and the channels it gives.
Row = tuple[nn.Module, Callable[[Any], Any], int]
Drawn = tuple[nn.Module, keras.Model, Any]

ACTIVATIONS = (
    (nn.ReLU, "relu"),
    (nn.Tanh, "tanh"),
    (nn.Sigmoid, "sigmoid"),
    (nn.ELU, "elu"),
    (nn.SiLU, "silu"),
    (nn.Softplus, "softplus"),
    (lambda: nn.GELU(approximate="tanh"), lambda x: keras.activations.gelu(x, approximate=True)),
    (nn.GELU, lambda x: keras.activations.gelu(x, approximate=False)),
    (lambda: nn.LeakyReLU(0.2), lambda x: keras.activations.leaky_relu(x, 0.2)),
)


def activation(rng: np.random.Generator, width: int) -> Row:
    """Draw an activation."""
    ours, theirs = ACTIVATIONS[rng.integers(len(ACTIVATIONS))]
    return ours(), K.Activation(theirs), width


def dropout(rng: np.random.Generator, width: int) -> Row:
    """Draw a dropout."""
    rate = float(rng.choice([0.1, 0.3, 0.5]))
    return nn.Dropout(rate), K.Dropout(rate), width


def linear(rng: np.random.Generator, width: int) -> Row:
    """Draw a dense layer."""
    given, bias = int(rng.integers(2, 17)), bool(rng.integers(2))
    return nn.Linear(width, given, bias=bias), K.Dense(given, use_bias=bias), given


def norm(rng: np.random.Generator, width: int) -> Row:
    """Draw a normalisation of the last axis."""
    epsilon = float(rng.choice([1e-5, 1e-3, 1e-6]))
    return nn.LayerNorm(width, eps=epsilon), K.LayerNormalization(epsilon=epsilon), width


def batch_norm(ours: Any) -> Callable[[np.random.Generator, int], Row]:
    """Return what draws a batch normalisation of a class of PyTorch's."""

    def draw(rng: np.random.Generator, width: int) -> Row:
        momentum, epsilon = float(rng.choice([0.1, 0.01])), float(rng.choice([1e-5, 1e-3]))
        made = ours(width, eps=epsilon, momentum=momentum)
        return made, BatchNorm(1 - momentum, epsilon), width

    return draw


def convolution(rng: np.random.Generator, width: int) -> Row:
    """Draw a convolution: padded by a layer before it where it strides, as the frameworks pad at other ends."""
    size, stride, bias = int(rng.choice([1, 2, 3, 5])), int(rng.integers(1, 3)), bool(rng.integers(2))
    groups = width if rng.random() < 0.3 else 1
    given = width * int(rng.integers(1, 3)) if groups > 1 else int(rng.integers(2, 9))
    made = nn.Conv2d(width, given, size, stride, size // 2, groups=groups, bias=bias)
    own = K.Conv2D(given, size, stride, groups=groups, use_bias=bias)
    return made, lambda x: own(K.ZeroPadding2D(size // 2)(x) if size > 1 else x), given


def pooling(rng: np.random.Generator, width: int) -> Row:
    """Draw a pooling without padding."""
    ours, theirs = ((nn.MaxPool2d, K.MaxPooling2D), (nn.AvgPool2d, K.AveragePooling2D))[rng.integers(2)]
    size, stride = int(rng.integers(2, 4)), int(rng.integers(1, 3))
    return ours(size, stride), theirs(size, stride), width


class Recurrent(nn.Module):
    """A recurrent layer that gives its sequence; its second bias is still, as Keras has none."""

    def __init__(self, made: nn.RNNBase) -> None:
        super().__init__()
        self.made = made
        if not isinstance(made, nn.GRU):
            nn.init.zeros_(made.bias_hh_l0)
            made.bias_hh_l0.requires_grad_(False)

    def forward(self, x: Any) -> Any:
        return self.made(x)[0]


def recurrent(rng: np.random.Generator, width: int) -> Row:
    """Draw a recurrent layer."""
    ours, theirs = ((nn.LSTM, K.LSTM), (nn.GRU, K.GRU), (nn.RNN, K.SimpleRNN))[rng.integers(3)]
    given = int(rng.integers(2, 9))
    return Recurrent(ours(width, given, batch_first=True)), theirs(given, return_sequences=True), given


def _stack(rng: np.random.Generator, width: int, draws: Any, count: int) -> tuple[list[nn.Module], list[Any], int]:
    ours, theirs = [], []
    for _ in range(count):
        made, call, width = draws[rng.integers(len(draws))](rng, width)
        ours.append(made)
        theirs.append(call)
    return ours, theirs, width


def _model(start: Any, calls: list[Any]) -> keras.Model:
    x = start
    for call in calls:
        x = call(x)
    return keras.Model(start, x)


def vectors(rng: np.random.Generator, batch: int) -> Drawn:
    """Draw a net of dense layers."""
    width = int(rng.integers(2, 13))
    draws = (linear, linear, activation, dropout, norm, batch_norm(nn.BatchNorm1d))
    ours, theirs, last = _stack(rng, width, draws, int(rng.integers(2, 7)))
    head = nn.Linear(last, 3), K.Dense(3)
    return nn.Sequential(*ours, head[0]), _model(keras.Input((width,)), [*theirs, head[1]]), (batch, width)


def images(rng: np.random.Generator, batch: int) -> Drawn:
    """Draw a convolutional net, which ends in a flattening or in global pooling."""
    width, high, wide = int(rng.integers(1, 4)), int(rng.integers(9, 15)), int(rng.integers(9, 15))
    draws = (convolution, convolution, activation, batch_norm(nn.BatchNorm2d), pooling)
    while True:
        ours, theirs, last = _stack(rng, width, draws, int(rng.integers(2, 6)))
        try:
            left = nn.Sequential(*ours).eval()(torch.zeros(1, width, high, wide)).shape[1:]
        except RuntimeError:  # pooled to nothing
            continue
        if left[1] * left[2] > 1:  # one pixel is no picture
            break
    if rng.random() < 0.5:
        ours += [nn.Flatten(), nn.Linear(int(np.prod(left)), 4)]
        theirs += [K.Permute((3, 1, 2)), K.Flatten(), K.Dense(4)]
    else:
        ours += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, 4)]
        theirs += [K.GlobalAveragePooling2D(), K.Dense(4)]
    return nn.Sequential(*ours), _model(keras.Input((high, wide, width)), theirs), (batch, width, high, wide)


def sequences(rng: np.random.Generator, batch: int) -> Drawn:
    """Draw a recurrent net."""
    width, steps = int(rng.integers(2, 7)), int(rng.integers(2, 9))
    ours, theirs, last = _stack(rng, width, (recurrent, recurrent, linear, norm, dropout), int(rng.integers(1, 4)))
    return (
        nn.Sequential(*ours, nn.Linear(last, 3)),
        _model(keras.Input((steps, width)), [*theirs, K.Dense(3)]),
        (batch, steps, width),
    )


def words(rng: np.random.Generator, batch: int) -> Drawn:
    """Draw a net that reads tokens."""
    count, width, steps = int(rng.integers(5, 30)), int(rng.integers(2, 9)), int(rng.integers(2, 9))
    ours, theirs, last = _stack(rng, width, (recurrent, linear, norm, activation), int(rng.integers(1, 4)))
    model = nn.Sequential(nn.Embedding(count, width), *ours, nn.Linear(last, 3))
    start = keras.Input((steps,), dtype="int32")
    return (
        model,
        _model(start, [K.Embedding(count, width), *theirs, K.Dense(3)]),
        rng.integers(0, count, (batch, steps)),
    )


KINDS = (vectors, images, sequences, words)
DTYPES = ("float32", "float32", "float64", "float16")


class DrawnPair:
    """A pair that a seed draws: its kind, shapes, options, weights, batch, and the dtype of its inputs and models."""

    def __init__(self, seed: int, batch: int | None = None) -> None:
        rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        keras.utils.set_random_seed(seed)
        keras.backend.clear_session()
        dtype = DTYPES[seed % len(DTYPES)]
        usual = keras.config.dtype_policy()
        # 16 bits are the inputs' only: neither framework has every layer in them on a CPU
        keras.config.set_dtype_policy("float64" if dtype == "float64" else "float32")
        try:
            self.left, self.right, given = KINDS[seed // len(DTYPES) % len(KINDS)](
                rng, batch or int(rng.integers(2, 8))
            )
        finally:
            keras.config.set_dtype_policy(usual)
        scatter(self.left, tuple(name for name, _ in self.left.named_parameters() if name.endswith("made.bias_hh_l0")))
        if dtype == "float64":
            self.left.double()
        self.inputs = given
        if isinstance(given, tuple):  # of 16 bits there are few numbers: some are equal
            held = "float64" if dtype == "float64" else "float32"
            self.inputs = rng.standard_normal(given).astype(dtype).astype(held)

    def check(self) -> Report:
        """Return dualnet's report, the right side given the left one's weights."""
        return dualnet.check(self.left, self.right, self.inputs, weights_from="left")
