"""The shape each layer gives back, from the shapes that it reads. Shapes leave out N and are channels-first."""

import math
from collections.abc import Callable
from typing import Any

from dualnet.errors import SpecError
from dualnet.specs import layers as L

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


def pool_size(size: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> int:
    """Return how many windows fit (``torch.nn.MaxPool2d``): in ceil mode the last must start inside size + padding."""
    room = size + 2 * padding - kernel
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= size + padding else count


def conv_size(size: int, kernel: int, stride: int, padding: int | str, dilation: int) -> int:
    """Return the size after a convolution along one axis."""
    if padding == "same":
        return -(-size // stride)
    return (size + 2 * int(padding) - dilation * (kernel - 1) - 1) // stride + 1


def sides(padding: tuple[int, int] | str) -> tuple[int | str, int | str]:
    """Return the padding of the height and of the width."""
    return (padding, padding) if isinstance(padding, str) else padding


def _image(shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        msg = "it takes images [C, H, W]."
        raise ValueError(msg)
    return shape[0], shape[1], shape[2]


def _divides(groups: int, channels: int, what: str) -> None:
    if channels % groups:
        msg = f"groups={groups} does not divide the {channels} {what}."
        raise ValueError(msg)


def _conv(layer: L.Conv2d, shape: Shape) -> Shape:
    channels, *sizes = _image(shape)
    _divides(layer.groups, channels, "input channels")
    _divides(layer.groups, layer.channels, "output channels")
    rule = zip(sizes, layer.kernel, layer.stride, sides(layer.padding), layer.dilation, strict=True)
    return (layer.channels, *(conv_size(*each) for each in rule))


def _pool(layer: L.MaxPool2d | L.AvgPool2d, shape: Shape) -> Shape:
    channels, *sizes = _image(shape)
    for kernel, padding in zip(layer.kernel, layer.padding, strict=True):
        if padding > kernel // 2:
            msg = f"padding {padding} is more than half of the kernel {kernel}."
            raise ValueError(msg)
    rule = zip(sizes, layer.kernel, layer.stride or layer.kernel, layer.padding, strict=True)
    return (channels, *(pool_size(*each, layer.ceil_mode) for each in rule))


def _adaptive(layer: L.AdaptiveAvgPool2d, shape: Shape) -> Shape:
    return (_image(shape)[0], *layer.size)


def _features(layer: L.Linear, shape: Shape) -> Shape:
    if len(shape) == 3:
        msg = "it takes features [F], and these look like images: put Flatten() in front."
        raise ValueError(msg)
    return (*shape[:-1], layer.features)


def _batchnorm1d(layer: L.BatchNorm1d, shape: Shape) -> Shape:
    if len(shape) not in (1, 2):
        msg = "it takes [C] or [C, L]; BatchNorm2d takes images."
        raise ValueError(msg)
    return shape


def _batchnorm2d(layer: L.BatchNorm2d, shape: Shape) -> Shape:
    return _image(shape)


def _layernorm(layer: L.LayerNorm, shape: Shape) -> Shape:
    if layer.axes > len(shape):
        msg = f"axes={layer.axes} is more than the {len(shape)} axes it reads."
        raise ValueError(msg)
    return shape


def _groupnorm(layer: L.GroupNorm, shape: Shape) -> Shape:
    _divides(layer.groups, shape[0], "channels")
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
    L.Conv2d: _conv,
    L.MaxPool2d: _pool,
    L.AvgPool2d: _pool,
    L.AdaptiveAvgPool2d: _adaptive,
    L.BatchNorm1d: _batchnorm1d,
    L.BatchNorm2d: _batchnorm2d,
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
