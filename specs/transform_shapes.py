"""Shapes of what scales, products and moves give, without N."""

import math
from collections.abc import Callable
from typing import Any

from dualnet.specs import moves as M
from dualnet.specs import products as P
from dualnet.specs import scales as K
from dualnet.specs.shapes import READS, axis
from dualnet.specs.shapes import RULES as SHAPES

Shape = tuple[int, ...]


def _along(layer: Any, shape: Shape) -> Shape:
    axis(layer.dim, len(shape) + 1)
    return shape


def _glu(layer: K.GLU, shape: Shape) -> Shape:
    along = axis(layer.dim, len(shape) + 1) - 1
    if shape[along] % 2:
        msg = f"dim {layer.dim} has no two halves."
        raise ValueError(msg)
    return (*shape[:along], shape[along] // 2, *shape[along + 1 :])


def _rms(layer: K.RMSNorm, shape: Shape) -> Shape:
    if layer.axes > len(shape):
        msg = f"axes={layer.axes} is more than the {len(shape)} axes it reads."
        raise ValueError(msg)
    return shape


def _normalization(layer: K.Normalization, shape: Shape) -> Shape:
    size = shape[axis(layer.dim, len(shape) + 1) - 1]
    if {len(layer.mean), len(layer.variance)} - {1, size}:
        msg = f"mean and variance must hold one number, or {size}, one for each entry of dim {layer.dim}."
        raise ValueError(msg)
    if min(layer.variance) < 0:
        msg = "no variance is below 0."
        raise ValueError(msg)
    return shape


def _rows(*shapes: Shape) -> None:
    if any(len(shape) > 2 for shape in shapes):
        msg = "it takes features [F] or sequences [L, F]."
        raise ValueError(msg)


def _dot(layer: P.Dot, left: Shape, right: Shape) -> Shape:
    _rows(left, right)
    at = [axis(dim, len(shape) + 1) - 1 for dim, shape in ((layer.left, left), (layer.right, right))]
    if left[at[0]] != right[at[1]]:
        msg = f"dim {layer.left} of the first and dim {layer.right} of the second input must have one size."
        raise ValueError(msg)
    return (*left[: at[0]], *left[at[0] + 1 :], *right[: at[1]], *right[at[1] + 1 :]) or (1,)


def _alike(layer: Any, left: Shape, right: Shape) -> Shape:
    _rows(left, right)
    if left != right:
        msg = "both inputs must have one shape."
        raise ValueError(msg)
    return (*left[:-1], 1)


def _bilinear(layer: P.Bilinear, left: Shape, right: Shape) -> Shape:
    _rows(left, right)
    if left[:-1] != right[:-1]:
        msg = "its inputs must have equal sizes in every axis but the last."
        raise ValueError(msg)
    return (*left[:-1], layer.features)


def _permute(layer: M.Permute, shape: Shape) -> Shape:
    if len(layer.dims) != len(shape):
        msg = f"dims names {len(layer.dims)} axes, and it reads {len(shape)}."
        raise ValueError(msg)
    return tuple(shape[dim - 1] for dim in layer.dims)


def _repeat(layer: M.RepeatVector, shape: Shape) -> Shape:
    if len(shape) != 1:
        msg = "it takes features [F]."
        raise ValueError(msg)
    return (layer.times, *shape)


def _unflatten(layer: M.Unflatten, shape: Shape) -> Shape:
    at = axis(layer.dim, len(shape) + 1) - 1
    known = math.prod(size for size in layer.sizes if size > 0)
    if shape[at] % known or (-1 not in layer.sizes and shape[at] != known):
        msg = f"dim {layer.dim} does not split into {list(layer.sizes)}."
        raise ValueError(msg)
    return (*shape[:at], *(shape[at] // known if size == -1 else size for size in layer.sizes), *shape[at + 1 :])


RULES: dict[type[Any], Callable[..., Shape]] = {
    K.GLU: _glu,
    K.Softmin: _along,
    K.RMSNorm: _rms,
    K.UnitNormalization: _along,
    K.Normalization: _normalization,
    P.Dot: _dot,
    P.PairwiseDistance: _alike,
    P.Bilinear: _bilinear,
    M.Permute: _permute,
    M.RepeatVector: _repeat,
    M.Unflatten: _unflatten,
}
SHAPES.update(RULES)
READS.update(dict.fromkeys((P.Dot, P.PairwiseDistance, P.Bilinear), 2))
