"""Name, shape, role and start of every parameter and buffer: the one home of axis order and fans.

The canonical layout is PyTorch's: Linear (out, in), convolutions (out, in / groups, …kernel), transposed ones
(in, out / groups, …kernel). A parameter's full name is its layer's path and its own, such as ``block.conv.weight``.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

from dualnet.specs import channels as C
from dualnet.specs import convs as V
from dualnet.specs import layers as L
from dualnet.specs.graph import Scope, Step, join
from dualnet.specs.initializers import PRESETS, Initializer, Ones, Zeros
from dualnet.specs.parameter import Parameter
from dualnet.specs.sequence_weights import RULES as SEQUENCES
from dualnet.specs.shapes import Shape
from dualnet.specs.transform_weights import RULES as TRANSFORMS

# How a layer of somebody's own has parameters: (layer, in_shapes, preset) → its parameters. See ``dualnet.specs.own``.
OWN: dict[type[L.Layer], Callable[..., tuple[Parameter, ...]]] = {}
# Likewise, for layers that read several inputs or whose sizes need more than one shape.
WHOLE = {**SEQUENCES, **TRANSFORMS}


def fans(shape: Shape) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight (out, in, *kernel), as ``torch.nn.init`` computes them."""
    receptive = math.prod(shape[2:])
    return shape[1] * receptive, shape[0] * receptive


def parameters_of(layer: L.Layer, in_shapes: tuple[Shape, ...], preset: str = "torch_default") -> tuple[Parameter, ...]:
    """Return the parameters and buffers of a layer that reads ``in_shapes``; names are relative to the layer.

    ``preset`` starts those for which the layer names no initializer.
    """
    if type(layer) in OWN:
        return OWN[type(layer)](layer, in_shapes, preset)
    if type(layer) in WHOLE:
        return tuple(WHOLE[type(layer)](layer, in_shapes, preset))
    rule = next((rule for kind, rule in RULES.items() if isinstance(layer, kind)), None)
    return rule(layer, in_shapes[0], preset) if rule else ()


def owners(scope: Scope) -> Iterator[Step]:
    """Yield the steps that own their parameters: every leaf but the second uses of shared layers."""
    return (step for step in scope.leaves() if not step.shared)


def parameters(scope: Scope, preset: str) -> dict[str, Parameter]:
    """Return every parameter and buffer of a graph by full name."""
    return {
        join(step.path, parameter.name): parameter
        for step in owners(scope)
        for parameter in parameters_of(step.layer, step.in_shapes, preset)
    }


def _linear(layer: L.Linear, shape: Shape, preset: str) -> tuple[Parameter, ...]:
    weight = (layer.features, shape[-1])
    return _weight_and_bias(layer, weight, layer.features, fans(weight), preset)


def _conv(layer: L._Conv, shape: Shape, preset: str) -> tuple[Parameter, ...]:
    weight = (layer.channels, shape[0] // layer.groups, *layer.kernel)
    fan_in, fan_out = fans(weight)
    if layer.fans == "depthwise":
        fan_in, fan_out = fan_in * layer.groups, fan_out // layer.groups
    return _weight_and_bias(layer, weight, layer.channels, (fan_in, fan_out), preset)


def _transposed(layer: V._ConvTranspose, shape: Shape, preset: str) -> tuple[Parameter, ...]:
    weight = (shape[0], layer.channels // layer.groups, *layer.kernel)
    return _weight_and_bias(layer, weight, layer.channels, fans(weight), preset)


def _weight_and_bias(layer: Any, shape: Shape, made: int, fans: tuple[int, int], preset: str) -> tuple[Parameter, ...]:
    start = PRESETS[preset]
    weight = Parameter("weight", shape, layer.weight_init or start["weight"], *fans, layer.trainable)
    bias = Parameter("bias", (made,), layer.bias_init or start["bias"], *fans, layer.trainable)
    return (weight, bias) if layer.bias else (weight,)


def _batch_norm(layer: L._BatchNorm, shape: Shape, preset: str) -> tuple[Parameter, ...]:
    return (*_scale_and_shift(layer.affine, shape[:1]), *_running(shape[0]))


def _instance_norm(layer: C._InstanceNorm, shape: Shape, preset: str) -> tuple[Parameter, ...]:
    return (*_scale_and_shift(layer.affine, shape[:1]), *(_running(shape[0]) if layer.track_running_stats else ()))


def _scale_and_shift(affine: bool, shape: Shape) -> tuple[Parameter, ...]:
    size = math.prod(shape)
    pair = (Parameter("weight", shape, Ones(), size, size), Parameter("bias", shape, Zeros(), size, size))
    return pair if affine else ()


def _running(size: int) -> tuple[Parameter, ...]:
    return _buffer("running_mean", size, Zeros()), _buffer("running_var", size, Ones())


def _buffer(name: str, size: int, start: Initializer) -> Parameter:
    return Parameter(name, (size,), start, size, size, trainable=False)


RULES: dict[type[L.Layer], Callable[..., tuple[Parameter, ...]]] = {
    L.Linear: _linear,
    L._Conv: _conv,
    V._ConvTranspose: _transposed,
    L._BatchNorm: _batch_norm,
    C._InstanceNorm: _instance_norm,
    L.LayerNorm: lambda layer, shape, preset: _scale_and_shift(layer.affine, shape[-layer.axes :]),
    L.GroupNorm: lambda layer, shape, preset: _scale_and_shift(layer.affine, shape[:1]),
}
