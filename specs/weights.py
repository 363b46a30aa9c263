"""Name, shape, role and start of every parameter and buffer: the one home of axis order and fans.

The canonical layout is PyTorch's: Linear (out, in), Conv2d (out, in / groups, height, width). A parameter's full name
is its layer's path and its own name, such as ``block.conv.weight``.
"""

import math
from collections.abc import Callable, Iterator

from dualnet.specs import layers as L
from dualnet.specs.graph import Scope, Step, join
from dualnet.specs.initializers import PRESETS, Initializer, Ones, Zeros
from dualnet.specs.other_weights import RULES as OTHERS
from dualnet.specs.parameter import Parameter
from dualnet.specs.sequence_weights import RULES as SEQUENCES
from dualnet.specs.shapes import Shape

# How a layer of somebody's own has parameters: (layer, in_shapes, preset) → its parameters. See ``dualnet.specs.own``.
OWN: dict[type[L.Layer], Callable[..., tuple[Parameter, ...]]] = {}


RULES = {**SEQUENCES, **OTHERS}


def fans(shape: Shape) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight (out, in, *kernel), as ``torch.nn.init`` computes them."""
    receptive = math.prod(shape[2:])
    return shape[1] * receptive, shape[0] * receptive


def parameters_of(layer: L.Layer, in_shapes: tuple[Shape, ...], preset: str = "torch_default") -> tuple[Parameter, ...]:
    """Return the parameters and buffers of a layer that reads ``in_shapes``; names are relative to the layer.

    ``preset`` starts those for which the layer names no initializer.
    """
    shape = in_shapes[0]
    if isinstance(layer, L.Linear):
        return _weight_and_bias(layer, (layer.features, shape[-1]), preset)
    if isinstance(layer, L.Conv2d):
        return _weight_and_bias(layer, (layer.channels, shape[0] // layer.groups, *layer.kernel), preset)
    if isinstance(layer, (L.BatchNorm1d, L.BatchNorm2d)):
        running = (_buffer("running_mean", shape[0], Zeros()), _buffer("running_var", shape[0], Ones()))
        return (*_scale_and_shift(layer.affine, shape[:1]), *running)
    if isinstance(layer, L.LayerNorm):
        return _scale_and_shift(layer.affine, shape[-layer.axes :])
    if isinstance(layer, L.GroupNorm):
        return _scale_and_shift(layer.affine, shape[:1])
    rule = RULES.get(type(layer)) or OWN.get(type(layer))
    return tuple(rule(layer, in_shapes, preset)) if rule else ()


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


def _weight_and_bias(layer: L.Linear | L.Conv2d, shape: Shape, preset: str) -> tuple[Parameter, ...]:
    fan_in, fan_out = fans(shape)
    rest = fan_in, fan_out, layer.trainable
    weight = Parameter("weight", shape, layer.weight_init or PRESETS[preset]["weight"], *rest)
    bias = Parameter("bias", shape[:1], layer.bias_init or PRESETS[preset]["bias"], *rest)
    return (weight, bias) if layer.bias else (weight,)


def _scale_and_shift(affine: bool, shape: Shape) -> tuple[Parameter, ...]:
    size = math.prod(shape)
    pair = (Parameter("weight", shape, Ones(), size, size), Parameter("bias", shape, Zeros(), size, size))
    return pair if affine else ()


def _buffer(name: str, size: int, start: Initializer) -> Parameter:
    return Parameter(name, (size,), start, size, size, trainable=False)
