"""Layers of a user's own, as the book's chapter has them: one without parameters, one with, and some odd ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np

import dualnet
from dualnet.specs import Initializer, Layer, Normal
from dualnet.specs.initializers import Ones, Zeros
from dualnet.specs.kinds import Positive, Size


@dataclass(frozen=True)
class Centered(Layer):
    """x less the mean of each example."""


@dataclass(frozen=True)
class ScaledDense(Layer):
    """relu(x W + b)·scale, ``weight`` (in, features), and ``calls``, which does not train."""

    features: Size
    scale: Positive = 1.0
    weight_init: Initializer | None = None


@dataclass(frozen=True)
class Gate(Layer):
    """first·σ(second)·gain, images or features; ``gain`` one for each channel."""


def _torch_centered(layer: Any, shape: Any) -> Any:
    from torch import nn

    class CenteredModule(nn.Module):
        def forward(self, x):
            return x - x.mean(dim=tuple(range(1, x.ndim)), keepdim=True)

    return CenteredModule()


def _keras_centered(layer: Any, shape: Any, **options: Any) -> Any:
    import keras

    class CenteredLayer(keras.layers.Layer):
        def call(self, x):
            return x - keras.ops.mean(x, axis=tuple(range(1, len(x.shape))), keepdims=True)

    return CenteredLayer(**options)


def _torch_dense(layer: Any, shape: Any) -> Any:
    import torch
    from torch import nn

    class Dense(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(shape[-1], layer.features))
            self.bias = nn.Parameter(torch.zeros(layer.features))
            self.fixed = nn.Parameter(torch.zeros(layer.features))

        def forward(self, x):
            return torch.relu(x @ self.weight + self.bias) * layer.scale + self.fixed

    return Dense()


def _keras_dense(layer: Any, shape: Any, **options: Any) -> Any:
    import keras

    class Dense(keras.layers.Layer):
        def build(self, input_shape):
            self.weight = self.add_weight(shape=(shape[-1], layer.features), name="weight")
            self.bias = self.add_weight(shape=(layer.features,), name="bias")
            self.fixed = self.add_weight(shape=(layer.features,), name="fixed")

        def call(self, x):
            return keras.ops.relu(x @ self.weight + self.bias) * layer.scale + self.fixed

    return Dense(**options)


def _torch_gate(layer: Any, first: Any, second: Any) -> Any:
    import torch
    from torch import nn

    class GateModule(nn.Module):
        def __init__(self):
            super().__init__()
            self.gain = nn.Parameter(torch.ones(first[0]))

        def forward(self, a, b):
            return a * b.sigmoid() * self.gain.reshape(-1, *(1,) * (a.ndim - 2))

    return GateModule()


def _keras_gate(layer: Any, first: Any, second: Any, **options: Any) -> Any:
    import keras

    class GateLayer(keras.layers.Layer):
        def build(self, input_shapes):
            self.gain = self.add_weight(shape=(first[-1],), name="gain")  # images come with their channels last

        def call(self, inputs, training=None):
            return inputs[0] * keras.ops.sigmoid(inputs[1]) * self.gain

    return GateLayer(**options)


def dense_parameters(layer: Any, shape: Any) -> Any:
    return {
        "weight": ((shape[-1], layer.features), layer.weight_init or Normal(std=0.3)),
        "bias": ((layer.features,), None),
        "fixed": ((layer.features,), Ones(), False),
    }


dualnet.register(Centered, torch=_torch_centered, keras=_keras_centered)
dualnet.register(
    ScaledDense,
    shape=lambda layer, shape: (*shape[:-1], layer.features),
    parameters=dense_parameters,
    torch=_torch_dense,
    keras=_keras_dense,
)
dualnet.register(
    Gate,
    inputs=2,
    shape=lambda layer, first, second: first,
    parameters=lambda layer, first, second: {"gain": ((first[0],), Zeros())},
    torch=_torch_gate,
    keras=_keras_gate,
)
NUMPY: dict[str, Any] = {
    "Centered": lambda layer, x, w: x - x.mean(axis=tuple(range(1, x.ndim)), keepdims=True),
    "ScaledDense": lambda layer, x, w: np.maximum(x @ w["weight"] + w["bias"], 0) * layer.scale + w["fixed"],
    "Gate": lambda layer, a, b, w: a / (1 + np.exp(-b)) * w["gain"].reshape(-1, *(1,) * (a.ndim - 2)),
}
