"""Parameters of scales and products."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from dualnet.specs import products as P
from dualnet.specs import scales as K
from dualnet.specs import transform_shapes as _  # noqa: F401 - enters its rules
from dualnet.specs.initializers import Constant, Ones, Uniform, XavierUniform, Zeros
from dualnet.specs.parameter import Parameter

Shape = tuple[int, ...]
Found = Iterator[Parameter]


def _prelu(layer: K.PReLU, shapes: tuple[Shape, ...], preset: str) -> Found:
    shape = {"all": (1,), "channels": shapes[0][:1], "entries": shapes[0]}[layer.slopes]
    start = layer.weight_init or (Constant(0.25) if preset == "torch_default" else Zeros())
    yield Parameter("weight", shape, start, math.prod(shape), math.prod(shape), layer.trainable)


def _rms(layer: K.RMSNorm, shapes: tuple[Shape, ...], preset: str) -> Found:
    if layer.affine:
        shape = shapes[0][-layer.axes :]
        yield Parameter("weight", shape, Ones(), math.prod(shape), math.prod(shape))


def _bilinear(layer: P.Bilinear, shapes: tuple[Shape, ...], preset: str) -> Found:
    """PyTorch starts both by U(±1 / √in of x)."""
    left, right = (shape[-1] for shape in shapes)
    bound = 1.0 / math.sqrt(left)
    usual = (Uniform(-bound, bound),) * 2 if preset == "torch_default" else (XavierUniform(), Zeros())
    fans = left * right, layer.features * right, layer.trainable
    yield Parameter("weight", (layer.features, left, right), layer.weight_init or usual[0], *fans)
    if layer.bias:
        yield Parameter("bias", (layer.features,), layer.bias_init or usual[1], *fans)


RULES: dict[type[Any], Callable[[Any, tuple[Shape, ...], str], Found]] = {
    K.PReLU: _prelu,
    K.RMSNorm: _rms,
    P.Bilinear: _bilinear,
}
