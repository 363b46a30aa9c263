"""Rules: each layer of a spec as a constructor call of ``torch.nn``, trivial ones a line of the table."""

from collections.abc import Callable
from typing import Any

from dualnet.backends import own
from dualnet.backends.call import Call, call, unless
from dualnet.backends.torch import sequences, spatial, transforms
from dualnet.specs import activations as A
from dualnet.specs import channels as C
from dualnet.specs import layers as L
from dualnet.specs.graph import Step


def lower(step: Step, key: int | None = None) -> Call:
    """Return the call that makes a step's module; ``key`` shares what it draws at random."""
    if type(step.layer) in sequences.DRAWS:
        return sequences.DRAWS[type(step.layer)](step.layer, step.in_shapes, key)
    if type(step.layer) in transforms.DRAWS:
        return transforms.DRAWS[type(step.layer)](step.layer, key)
    if type(step.layer) in sequences.RULES:
        return sequences.RULES[type(step.layer)](step.layer, step.in_shapes)
    if type(step.layer) not in RULES:
        return own.lower("torch", step, step.in_shapes)
    made: Call = RULES[type(step.layer)](step.layer, step.in_shapes[0])
    return made


def _linear(layer: L.Linear, shape: tuple[int, ...]) -> Call:
    return call("nn.Linear", shape[-1], layer.features, **unless(True, bias=layer.bias))


def _batch_norm(layer: L._BatchNorm, shape: tuple[int, ...]) -> Call:
    options = unless(1e-5, eps=layer.epsilon) | unless(0.1, momentum=layer.momentum) | unless(True, affine=layer.affine)
    biased = layer.running_variance == "biased"
    return call("bridges.BiasedBatchNorm" if biased else f"nn.{type(layer).__name__}", shape[0], **options)


def _layer_norm(layer: L.LayerNorm, shape: tuple[int, ...]) -> Call:
    options = unless(1e-5, eps=layer.epsilon) | unless(True, elementwise_affine=layer.affine)
    return call("nn.LayerNorm", shape[-layer.axes :], **options)


def _group_norm(layer: L.GroupNorm, shape: tuple[int, ...]) -> Call:
    options = unless(1e-5, eps=layer.epsilon) | unless(True, affine=layer.affine)
    return call("nn.GroupNorm", layer.groups, shape[0], **options)


def _relu(layer: L.ReLU, shape: tuple[int, ...]) -> Call:
    return call("bridges.ShiftedReLU", layer.shift) if layer.shift else call("nn.ReLU")


def _softplus(layer: A.Softplus, shape: tuple[int, ...]) -> Call:
    # from 50 on, log(1 + eˣ) is x to the last bit of float64; without a threshold eˣ would overflow
    threshold = layer.threshold or 50.0
    return call("nn.Softplus", **unless(1.0, beta=layer.beta), **unless(20.0, threshold=threshold))


def _hardtanh(layer: A.Hardtanh, shape: tuple[int, ...]) -> Call:
    if (layer.low, layer.high) == (0.0, 6.0):
        return call("nn.ReLU6")
    return call("nn.Hardtanh", **unless(-1.0, min_val=layer.low), **unless(1.0, max_val=layer.high))


RULES: dict[type[L.Layer], Callable[[Any, tuple[int, ...]], Call]] = {
    L.Linear: _linear,
    **spatial.RULES,
    L.BatchNorm1d: _batch_norm,
    L.BatchNorm2d: _batch_norm,
    C.BatchNorm3d: _batch_norm,
    L.LayerNorm: _layer_norm,
    L.GroupNorm: _group_norm,
    L.Dropout: lambda layer, shape: call("nn.Dropout", layer.rate),
    L.Flatten: lambda layer, shape: call("nn.Flatten"),
    L.Reshape: lambda layer, shape: call("bridges.Reshape", *layer.shape),
    L.Add: lambda layer, shape: call("bridges.Add"),
    L.Subtract: lambda layer, shape: call("bridges.Subtract"),
    L.Multiply: lambda layer, shape: call("bridges.Multiply"),
    L.Average: lambda layer, shape: call("bridges.Average"),
    L.Maximum: lambda layer, shape: call("bridges.Maximum"),
    L.Minimum: lambda layer, shape: call("bridges.Minimum"),
    L.Concat: lambda layer, shape: call("bridges.Concat", layer.dim),
    L.Sum: lambda layer, shape: call("bridges.Sum", layer.dim),
    L.Halve: lambda layer, shape: call("bridges.Halve", layer.limit),
    L.ReLU: _relu,
    L.LeakyReLU: lambda layer, shape: call("nn.LeakyReLU", layer.slope),
    L.ELU: lambda layer, shape: call("nn.ELU", layer.alpha),
    L.GELU: lambda layer, shape: call("nn.GELU", **unless("none", approximate=layer.approximate)),
    L.Sigmoid: lambda layer, shape: call("nn.Sigmoid"),
    L.Hardsigmoid: lambda layer, shape: call("bridges.Hardsigmoid"),
    L.Tanh: lambda layer, shape: call("nn.Tanh"),
    L.SiLU: lambda layer, shape: call("nn.SiLU"),
    A.SELU: lambda layer, shape: call("nn.SELU"),
    A.CELU: lambda layer, shape: call("nn.CELU") if layer.alpha == 1 else call("bridges.CELU", layer.alpha),
    A.Softplus: _softplus,
    A.Softsign: lambda layer, shape: call("nn.Softsign"),
    A.Hardtanh: _hardtanh,
    A.Hardswish: lambda layer, shape: call("bridges.Hardswish"),
    A.LogSigmoid: lambda layer, shape: call("nn.LogSigmoid"),
    A.Tanhshrink: lambda layer, shape: call("nn.Tanhshrink"),
    A.Softshrink: lambda layer, shape: call("nn.Softshrink", layer.limit),
    A.Hardshrink: lambda layer, shape: call("nn.Hardshrink", layer.limit),
    A.Threshold: lambda layer, shape: call("nn.Threshold", layer.limit, layer.value),
    A.Mish: lambda layer, shape: call("nn.Mish"),
    A.Exponential: lambda layer, shape: call("bridges.Exponential"),
    A.Identity: lambda layer, shape: call("nn.Identity"),
    **transforms.RULES,
    L.Softmax: lambda layer, shape: call("nn.Softmax", layer.dim),
    L.LogSoftmax: lambda layer, shape: call("nn.LogSoftmax", layer.dim),
}
