"""The shape each layer gives back, from the shapes that it reads. Shapes leave out N and are channels-first."""

import math
from collections.abc import Callable
from typing import Any

from dualnet.errors import SpecError
from dualnet.specs import channels as C
from dualnet.specs import layers as L
from dualnet.specs import places

Shape = tuple[int, ...]


def output_shape(layer: L.Layer, shapes: tuple[Shape, ...], place: str) -> Shape:
    """Return the shape that ``layer`` gives back. Raises ``SpecError``, opened by ``place``, if it cannot flow."""
    many, own = isinstance(layer, L._Join), READS.get(type(layer), 1)
    counts = own if isinstance(own, tuple) else (own,)
    if len(shapes) < 2 if many else len(shapes) not in counts:
        listed = " or ".join(map(str, counts))
        takes = "two or more inputs" if many else "one input" if own == 1 else f"{listed} inputs"
        msg = f"{place}: it takes {takes} and reads {len(shapes)}."
        raise SpecError(msg)
    rule = RULES.get(type(layer))
    try:
        shape = tuple(rule(layer, *shapes) if rule else shapes[0])
    except ValueError as error:
        received = " and ".join(str(list(shape)) for shape in shapes)
        msg = f"{place}: {error} Received: {received} (without the batch axis)."
        raise SpecError(msg) from None
    if min(shape, default=1) < 1:
        would = f"nothing is left of {list(shapes[0])}: the output would be {list(shape)}."
        msg = f"{place}: {would} Use a smaller kernel or more padding."
        raise SpecError(msg)
    return shape


def axis(dim: int, rank: int) -> int:
    """Return ``dim`` of a tensor of ``rank`` axes (N counted) as 1 … rank - 1. Raises ``ValueError``."""
    found = dim + rank if dim < 0 else dim
    if not 1 <= found < rank:
        msg = f"dim {dim} is no axis of a tensor of {rank} axes other than the batch axis 0."
        raise ValueError(msg)
    return found


def _features(layer: L.Linear, shape: Shape) -> Shape:
    if len(shape) > 2:
        msg = "it takes features [F], and these look like images: put Flatten() in front."
        raise ValueError(msg)
    return (*shape[:-1], layer.features)


BATCHED = {
    L.BatchNorm1d: ((1, 2), "it takes [C] or [C, L]; BatchNorm2d takes images."),
    L.BatchNorm2d: ((3,), "it takes images [C, H, W]."),
    C.BatchNorm3d: ((4,), "it takes volumes [C, D, H, W]."),
}


def _batchnorm(layer: L._BatchNorm, shape: Shape) -> Shape:
    ranks, takes = BATCHED[type(layer)]
    if len(shape) not in ranks:
        raise ValueError(takes)
    return shape


def _layernorm(layer: L.LayerNorm, shape: Shape) -> Shape:
    if layer.axes > len(shape):
        msg = f"axes={layer.axes} is more than the {len(shape)} axes it reads."
        raise ValueError(msg)
    return shape


def _groupnorm(layer: L.GroupNorm, shape: Shape) -> Shape:
    places.divides(layer.groups, shape[0], "channels")
    return shape


def _reshape(layer: L.Reshape, shape: Shape) -> Shape:
    known = math.prod(size for size in layer.shape if size > 0)
    total, holes = math.prod(shape), layer.shape.count(-1)
    if holes > 1 or total % known or (not holes and total != known):
        msg = f"{total} values do not fit the shape {list(layer.shape)}."
        raise ValueError(msg)
    return tuple(total // known if size == -1 else size for size in layer.shape)


def _broadcast(layer: L.Layer, *shapes: Shape) -> Shape:
    if len({len(shape) for shape in shapes}) > 1:
        msg = "its inputs must have equal rank."
        raise ValueError(msg)
    for sizes in zip(*shapes, strict=True):
        if len(set(sizes) - {1}) > 1:
            msg = "its inputs must have equal sizes, or 1, in every axis."
            raise ValueError(msg)
    return tuple(max(sizes) for sizes in zip(*shapes, strict=True))


def _two(layer: L.Subtract, *shapes: Shape) -> Shape:
    if len(shapes) != 2:
        msg = f"it takes two inputs and reads {len(shapes)}."
        raise ValueError(msg)
    return _broadcast(layer, *shapes)


def _concat(layer: L.Concat, *shapes: Shape) -> Shape:
    if len({len(shape) for shape in shapes}) > 1:
        msg = "its inputs must have equal rank."
        raise ValueError(msg)
    along = axis(layer.dim, len(shapes[0]) + 1) - 1
    if len({(*shape[:along], *shape[along + 1 :]) for shape in shapes}) > 1:
        msg = f"its inputs must have equal sizes in every axis but dim {layer.dim}."
        raise ValueError(msg)
    return (*shapes[0][:along], sum(shape[along] for shape in shapes), *shapes[0][along + 1 :])


def _softmax(layer: L.Softmax | L.LogSoftmax, shape: Shape) -> Shape:
    axis(layer.dim, len(shape) + 1)
    return shape


def _sum(layer: L.Sum, shape: Shape) -> Shape:
    along = axis(layer.dim, len(shape) + 1) - 1
    return (*shape[:along], 1, *shape[along + 1 :])


READS: dict[type[L.Layer], int | tuple[int, ...]] = {}  # how many inputs a layer reads, if not one and no join
RULES: dict[type[L.Layer], Callable[..., Any]] = {
    L.Linear: _features,
    **places.RULES,
    **dict.fromkeys(BATCHED, _batchnorm),
    L.LayerNorm: _layernorm,
    L.GroupNorm: _groupnorm,
    L.Flatten: lambda layer, shape: (math.prod(shape),),
    L.Reshape: _reshape,
    L.Add: _broadcast,
    L.Subtract: _two,
    L.Multiply: _broadcast,
    L.Average: _broadcast,
    L.Maximum: _broadcast,
    L.Minimum: _broadcast,
    L.Concat: _concat,
    L.Sum: _sum,
    L.Softmax: _softmax,
    L.LogSoftmax: _softmax,
}
