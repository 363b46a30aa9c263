"""Parts of order: what sorts, ranks, or finds the largest of many values and where it is."""

import math

import numpy as np
from keras import ops


def sorted_along(x, k, descending):
    """The first k of the last axis, sorted, and their places."""
    order = ops.cast(ops.argsort(-x if descending else x, axis=-1)[..., :k], "int64")
    return ops.take_along_axis(x, order, axis=-1), order


def ranked(x, place, axis, keepdims=False):
    """The value that has a place in ascending order along an axis, and where it stands."""
    index = ops.cast(ops.take(ops.argsort(x, axis=axis), [place], axis=axis), "int64")
    value = ops.take_along_axis(x, index, axis=axis)
    return (value, index) if keepdims else (ops.squeeze(value, axis=axis), ops.squeeze(index, axis=axis))


def quantile(x, q, axis, keepdims=False, interpolation="linear"):
    """The value below which a share q of the values along an axis lies."""
    place = q * (x.shape[axis] - 1)
    low, high = (ranked(x, n, axis, keepdims)[0] for n in (math.floor(place), math.ceil(place)))
    if interpolation in ("lower", "higher"):
        return low if interpolation == "lower" else high
    part = {
        "linear": place % 1,
        "midpoint": 0.5 if place % 1 else 0.0,
        "nearest": round(place) - math.floor(place),
    }
    return low + (high - low) * part[interpolation]


def running_extreme(x, axis, largest=True):
    """The largest (or smallest) value so far along an axis, and the last place where it stood."""
    size = x.shape[axis]
    y = ops.moveaxis(x, axis, -1)
    seen = np.arange(size)[None, :] <= np.arange(size)[:, None]
    rows = ops.where(seen, ops.expand_dims(y if largest else -y, -2), float("-inf"))
    index = ops.cast(size - 1 - ops.argmax(ops.flip(rows, axis=-1), axis=-1), "int64")
    value = ops.take_along_axis(y, index, axis=-1)
    return ops.moveaxis(value, -1, axis), ops.moveaxis(index, -1, axis)


def rank_in(edges, x, right=False):
    """How many of the sorted edges lie below each x; with ``right`` also those that equal it."""
    edges = ops.expand_dims(edges, -2) if len(edges.shape) > 1 else edges
    below = edges <= ops.expand_dims(x, -1) if right else edges < ops.expand_dims(x, -1)
    return ops.sum(ops.cast(below, "int64"), axis=-1)


def first_max(x, axis):
    """The maximum along an axis; of equal ones the first takes the gradient."""
    even = ops.where(x == 0, ops.zeros_like(x), x)  # Keras takes -0.0 for less than 0.0
    return ops.squeeze(ops.take_along_axis(x, ops.argmax(even, axis=axis, keepdims=True), axis=axis), axis=axis)


def pool_table(sizes, windows):
    """(windows, k): each window's flat places in an image, -1 beyond its edge."""
    lines = [np.full((len(rows), max(map(len, rows))), -1) for rows in windows]
    for line, rows, size in zip(lines, windows, sizes):
        for i, row in enumerate(rows):
            line[i, : len(row)] = [place if 0 <= place < size else -1 for place in row]
    table = np.zeros((1, 1), int)
    for line, size in zip(lines, sizes):
        joined = table[:, None, :, None] * size + line[None, :, None, :]
        outside = (table[:, None, :, None] < 0) | (line[None, :, None, :] < 0)
        table = np.where(outside, -1, joined).reshape(len(table) * len(line), -1)
    return table


def strided_windows(size, kernel, stride, padding, dilation, count):
    """The places of each window along one axis."""
    return [[i * stride - padding + j * dilation for j in range(kernel)] for i in range(count)]


def adaptive_windows(size, count):
    """The places of adaptive pooling's windows: ⌊i·size/count⌋ … ⌈(i + 1)·size/count⌉."""
    return [list(range(i * size // count, -(-(i + 1) * size // count))) for i in range(count)]


def max_with_places(x, windows):
    """The maximum of each window of images (N, *sizes, C), and its place in the flattened image."""
    sizes, shape = x.shape[1:-1], [len(rows) for rows in windows]
    table = pool_table(sizes, windows)
    flat = ops.reshape(x, (-1, int(np.prod(sizes)), x.shape[-1]))
    found = ops.take(flat, np.maximum(table, 0), axis=1)
    found = ops.where(table[:, :, None] < 0, float("-inf"), found)
    at = ops.argmax(ops.where(found == 0, ops.zeros_like(found), found), axis=2, keepdims=True)
    value = ops.squeeze(ops.take_along_axis(found, at, axis=2), axis=2)
    start = np.arange(len(table))[:, None] * table.shape[1]
    place = ops.take(table.ravel(), ops.cast(ops.squeeze(at, axis=2), "int64") + start, axis=0)
    shape = (-1, *shape, x.shape[-1])
    return ops.reshape(value, shape), ops.cast(ops.reshape(place, shape), "int64")


def max_unpool(x, places, size):
    """Images (N, *size, C) of zeros, with values at the places that ``max_with_places`` gave."""
    channels = x.shape[-1]
    x, places = (ops.reshape(each, (-1, int(np.prod(x.shape[1:-1])), channels)) for each in (x, places))
    count = ops.shape(x)[0]
    total = int(np.prod(size))
    rows = ops.reshape(ops.arange(count, dtype="int64"), (-1, 1, 1)) * total
    index = (rows + ops.cast(places, "int64")) * channels + np.arange(channels)
    blank = ops.zeros((count * total * channels,), dtype=x.dtype)
    made = ops.scatter_update(blank, ops.reshape(index, (-1, 1)), ops.reshape(x, (-1,)))
    return ops.reshape(made, (-1, *size, channels))
