"""Extents: how many places spatial layers make of those they read, and which places each window covers."""

import math
from collections.abc import Sequence
from typing import Any

Sides = tuple[int, int]


def pool_size(size: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> int:
    """Return how many windows fit (``torch.nn.MaxPool2d``): in ceil mode the last must start inside size + padding."""
    room = size + 2 * padding - kernel
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= size + padding else count


def conv_size(size: int, kernel: int, stride: int, padding: int | str, dilation: int) -> int:
    """Return the size after a convolution along one axis."""
    if isinstance(padding, str):
        return -(-size // stride)
    return (size + 2 * int(padding) - dilation * (kernel - 1) - 1) // stride + 1


def spread(values: Any, axes: int) -> tuple[Any, ...]:
    """Return one value for each axis, of a word for all, one for all, or one for each. ``ValueError`` refuses."""
    if isinstance(values, str) or len(values) == 1:
        return (values if isinstance(values, str) else values[0],) * axes
    if len(values) != axes:
        msg = f"{len(values)} values do not go with {axes} axes of places."
        raise ValueError(msg)
    return tuple(values)


def same_sides(size: int, kernel: int, stride: int, dilation: int) -> Sides:
    """Return TensorFlow's padding "same": the odd place at the end."""
    total = max((-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def conv_sides(layer: Any, sizes: Sequence[int]) -> list[Sides]:
    """Return the padding before and after each axis of a convolution."""
    axes = zip(sizes, layer.kernel, layer.stride, layer.dilation, strict=True)
    if layer.padding == "same":
        return [same_sides(*axis) for axis in axes]
    if layer.padding == "causal":
        return [(d * (k - 1), 0) for _, k, _, d in axes]
    return [(p, p) for p in layer.padding]


def pool_sides(layer: Any, sizes: Sequence[int]) -> list[Sides]:
    """Return the padding before and after each axis that makes "valid" windows a pool's, ceil mode included."""
    dilation = getattr(layer, "dilation", (1,) * len(sizes))
    axes = list(zip(sizes, layer.kernel, layer.stride or layer.kernel, dilation, strict=True))
    padding = getattr(layer, "padding", (0,) * len(sizes))
    if padding == "same":
        return [same_sides(*axis) for axis in axes]
    found = []
    for (size, kernel, stride, step), before in zip(axes, padding, strict=True):
        reach = step * (kernel - 1) + 1
        covered = (pool_size(size, reach, stride, before, layer.ceil_mode) - 1) * stride + reach
        found.append((before, max(covered - size - before, 0)))
    return found


def divisors(layer: Any, sizes: Sequence[int]) -> list[list[int]]:
    """Return how many places each window of an average counts along each axis."""
    found = []
    for size, kernel, stride, (before, after) in zip(
        sizes, layer.kernel, layer.stride or layer.kernel, pool_sides(layer, sizes), strict=True
    ):
        # PyTorch counts its own padding, and not what ceil mode adds; "same" is padding at both ends
        end = after if layer.padding == "same" else before
        low, high = (-before, size + end) if layer.count_include_pad else (0, size)
        starts = [i * stride - before for i in range((before + size + after - kernel) // stride + 1)]
        found.append([min(start + kernel, high) - max(start, low) for start in starts])
    return found


def whole(size: int, kernel: int, stride: int, dilation: int) -> int:
    """Return how long a transposed convolution is before anything is cut."""
    return (size - 1) * stride + dilation * (kernel - 1) + 1


def transposed(layer: Any, sizes: Sequence[int]) -> list[Sides]:
    """Return, for each axis of a transposed convolution, how much is cut in front, and how much is left."""
    more = layer.output_padding or (None if layer.padding == "same" else 0,) * len(sizes)
    axes = zip(sizes, layer.kernel, layer.stride, layer.dilation, strict=True)
    found = []
    for axis, extra, padding in zip(axes, more, spread(layer.padding, len(sizes)), strict=True):
        size, kernel, stride, dilation = axis
        full, reach = whole(*axis), dilation * (kernel - 1) + 1
        if padding != "same":
            found.append((padding, full - 2 * padding + extra))
            continue
        left = size * stride if extra is None else full - 2 * (reach // 2) + extra
        found.append((max(full - left, 0) // 2, left))
    return found


def resized(layer: Any, sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the sizes that Upsample gives."""
    if layer.size is not None:
        return spread(layer.size, len(sizes))
    return tuple(math.floor(size * scale) for size, scale in zip(sizes, spread(layer.scale, len(sizes)), strict=True))


def windows(layer: Any, sizes: Sequence[int]) -> int:
    """Return how many windows Unfold takes of an image."""
    rule = zip(sizes, layer.kernel, layer.stride, layer.padding, layer.dilation, strict=True)
    return math.prod(max(conv_size(*axis), 0) for axis in rule)
