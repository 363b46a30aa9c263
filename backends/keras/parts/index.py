"""Parts of indexing: taking and putting values at places."""

import numpy as np
from keras import ops


def take(x, indices, axis):
    """x at places along an axis; negative ones count from the end."""
    size = ops.cast(ops.shape(x)[axis], indices.dtype)
    return ops.take(x, ops.where(indices < 0, indices + size, indices), axis=axis)


def replaced(x, y, places, axis):
    """x with y at some places along an axis."""
    order = [places.index(i) + x.shape[axis] if i in places else i for i in range(x.shape[axis])]
    return ops.take(ops.concatenate([x, y], axis=axis), order, axis=axis)


def gather(x, indices, axis):
    """x at places along an axis, each position its own; other axes may be shorter than x's."""
    spans = tuple(slice(0, n) if i != axis else slice(None) for i, n in enumerate(indices.shape))
    return ops.take_along_axis(x[spans] if spans else x, indices, axis=axis)


def places_of(x, indices):
    """x with the indexed axes merged in front, the merged places, the indexed axes, the rest."""
    at = [axis for axis, index in enumerate(indices) if index is not None]
    rest = [axis for axis in range(len(x.shape)) if axis not in at]
    flat = 0
    for axis in at:
        size = ops.cast(ops.shape(x)[axis], "int64")
        index = ops.cast(indices[axis], "int64")
        flat = flat * size + ops.where(index < 0, index + size, index)
    front = ops.transpose(x, (*at, *rest))
    merged = ops.reshape(front, (-1, *[ops.shape(x)[axis] for axis in rest]))
    return merged, flat, at, rest


def indexed_order(rank, at, rest):
    """Where the axes of x[i, :, j] come from: those of the places stay if they stood together."""
    before = at[0] if at == list(range(at[0], at[0] + len(at))) else 0
    return [*range(rank, rank + before), *range(rank), *range(rank + before, rank + len(rest))]


def indexed(x, indices):
    """x[i, :, j] for tensors of places; None takes a whole axis."""
    merged, flat, at, rest = places_of(x, indices)
    return ops.transpose(ops.take(merged, flat, axis=0), indexed_order(len(flat.shape), at, rest))


def index_put(x, indices, values, accumulate=False):
    """x with x[i, j] = values, or with values added there."""
    indices = [*indices, *[None] * (len(x.shape) - len(indices))]
    merged, flat, at, rest = places_of(x, indices)
    order = indexed_order(len(flat.shape), at, rest)
    sizes = [
        *[ops.shape(flat)[i] for i in range(len(flat.shape))],
        *[ops.shape(x)[axis] for axis in rest],
    ]
    values = ops.broadcast_to(values, [sizes[i] for i in order])
    values = ops.transpose(values, [order.index(i) for i in range(len(order))])
    flat = ops.reshape(flat, (-1, 1))
    values = ops.reshape(values, (-1, *sizes[len(sizes) - len(rest) :]))
    if accumulate:
        made = merged + ops.scatter(flat, values, ops.shape(merged))
    else:
        made = ops.scatter_update(merged, flat, values)
    made = ops.reshape(made, [ops.shape(x)[axis] for axis in (*at, *rest)])
    return ops.transpose(made, [(*at, *rest).index(axis) for axis in range(len(x.shape))])


def index_add(x, indices, values, axis):
    """x with values added at places along an axis."""
    moved = ops.moveaxis(x, axis, 0)
    added = ops.scatter(ops.expand_dims(indices, -1), ops.moveaxis(values, axis, 0), ops.shape(moved))
    return ops.moveaxis(moved + added, 0, axis)


def index_copy(x, indices, values, axis):
    """x with values put at places along an axis."""
    moved = ops.moveaxis(x, axis, 0)
    made = ops.scatter_update(moved, ops.expand_dims(indices, -1), ops.moveaxis(values, axis, 0))
    return ops.moveaxis(made, 0, axis)


def index_fill(x, indices, value, axis):
    """x with one value at places along an axis."""
    places = ops.arange(x.shape[axis], dtype="int64")[:, None]
    chosen = ops.any(ops.equal(places, ops.reshape(ops.cast(indices, "int64"), (1, -1))), axis=1)
    shape = [-1 if i == axis else 1 for i in range(len(x.shape))]
    return ops.where(ops.reshape(chosen, shape), ops.cast(value, x.dtype), x)


def scatter(x, indices, values, axis, accumulate=False):
    """x with values put, or added, at places along an axis, each position its own."""
    sizes = [ops.shape(indices)[a] for a in range(len(indices.shape))]
    values = values[tuple(slice(0, n) for n in sizes)]
    grid = []
    for a, n in enumerate(sizes):
        line = ops.reshape(ops.arange(n, dtype="int64"), [-1 if i == a else 1 for i in range(len(sizes))])
        grid.append(ops.cast(indices, "int64") if a == axis else line + ops.zeros_like(indices, dtype="int64"))
    places = ops.reshape(ops.stack(grid, axis=-1), (-1, len(sizes)))
    values = ops.reshape(values, (-1,))
    if accumulate:
        return x + ops.scatter(places, values, ops.shape(x))
    return ops.scatter_update(x, places, values)


def diag_embed(x):
    """Matrices with x on their diagonals."""
    return ops.expand_dims(x, -1) * ops.eye(x.shape[-1], dtype=x.dtype)


def diagonal_scatter(x, values, offset=0):
    """Matrices with values on their diagonals."""
    rows, columns = x.shape[-2:]
    at = np.arange(columns)[None, :] - np.arange(rows)[:, None] == offset
    index = np.minimum(np.arange(rows) - max(-offset, 0), values.shape[-1] - 1)
    spread = ops.take(values, np.maximum(index, 0), axis=-1)
    return ops.where(at, ops.expand_dims(spread, -1), x)


def embedding_bag(weight, places, first, mode="sum", shares=None, padding=None):
    """The sum, mean or maximum of rows of a table, in bags that begin at ``first``."""
    at = ops.arange(ops.shape(places)[0], dtype="int64")[None, :]
    first = ops.cast(first, "int64")
    last = ops.concatenate([first[1:], ops.expand_dims(ops.cast(ops.shape(places)[0], "int64"), 0)], axis=0)
    inside = ops.logical_and(at >= first[:, None], at < last[:, None])
    if padding is not None:
        inside = ops.logical_and(inside, ops.not_equal(places, padding)[None, :])
    rows = ops.take(weight, places, axis=0)
    share = ops.cast(inside, weight.dtype)
    if mode == "max":
        top = ops.max(ops.where(inside[:, :, None], rows[None, :, :], float("-inf")), axis=1)
        return ops.where(ops.any(inside, axis=1, keepdims=True), top, ops.zeros_like(top))
    total = ops.matmul(share if shares is None else share * shares[None, :], rows)
    return total / ops.maximum(ops.sum(share, axis=1, keepdims=True), 1.0) if mode == "mean" else total


def causal_mask(length, width):
    """True where a place may look: at itself and before."""
    return ops.arange(length)[:, None] >= ops.arange(width)[None, :]
