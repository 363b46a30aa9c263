"""Picks: the operations of ``keras.ops`` that choose, count and rearrange single values, as ATen ops."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from dualnet.backends.keras.read.sheet import Sheet


def getitem(s: Sheet, op: Any, x: Any, key: Any) -> Any:
    """Write a subscript of numbers, slices, None and an ellipsis."""
    x = s.tensor(x)
    keys = list(key) if isinstance(key, (tuple, list)) else [key]
    if any(not isinstance(k, (int, np.integer, slice, type(None), type(...))) for k in keys):
        msg = "a subscript that is a tensor. Use keras.ops.take or keras.ops.where."
        raise NotImplementedError(msg)
    used = sum(k is not None and k is not ... for k in keys)
    if ... in keys:
        place = keys.index(...)
        keys[place : place + 1] = [slice(None)] * (len(x.shape) - used)
    axis = 0
    for k in keys:
        if k is None:
            x = s("unsqueeze", x, dim=axis)
        elif isinstance(k, slice):
            x = cut(s, x, axis, k)
        else:
            x = s("select", x, dim=axis, index=int(k))
            continue
        axis += 1
    return x


def cut(s: Sheet, x: Any, axis: int, chosen: slice) -> Any:
    """Write a slice along one axis; a negative step is a flip first."""
    size = x.shape[axis]
    start, end, step = chosen.indices(size)
    if step < 0:
        count = len(range(start, end, step))
        x = s("flip", x, dims=(axis,))
        start, end, step = size - 1 - start, size - 1 - start + (count - 1) * -step + 1, -step
    if (start, end, step) == (0, size, 1):
        return x
    return s("slice", x, dim=axis, start=start, end=end, **({} if step == 1 else {"step": step}))


def take(s: Sheet, op: Any, x: Any, indices: Any) -> Any:
    """Write a choice along an axis."""
    x, axis = s.tensor(x), op.axis
    if axis is None:
        x, axis = s("reshape", x, shape=(int(np.prod(x.shape)),)), 0
    axis %= len(x.shape)
    indices = s.tensor(indices)
    if isinstance(indices, int):
        return s("select", x, dim=axis, index=indices)
    if axis == 0 and len(x.shape) == 2:
        return s("embedding", weight=x, indices=indices)
    flat = indices if len(indices.shape) == 1 else s("reshape", indices, shape=(int(np.prod(indices.shape)),))
    picked = s("index_select", x, dim=axis, index=flat)
    return picked if len(indices.shape) == 1 else s(
        "reshape", picked, shape=(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    )  # fmt: skip


def repeat(s: Sheet, op: Any, x: Any) -> Any:
    """Write every slice several times in a row."""
    if not isinstance(op.repeats, (int, np.integer)):
        msg = "keras.ops.repeat with a number for each slice. One number for all is read."
        raise NotImplementedError(msg)
    x = s.tensor(x) if op.axis is not None else s("reshape", x, shape=(int(np.prod(x.shape)),))
    return s("repeat_interleave", x, repeats=int(op.repeats), dim=(op.axis or 0) % len(x.shape))


def one_hot(s: Sheet, op: Any, x: Any) -> Any:
    """Write classes as rows with a single one."""
    made = s("eq", s("unsqueeze", x, dim=-1), other=np.arange(op.num_classes))
    made = s("to", made, dtype=keras.backend.standardize_dtype(op.dtype or keras.config.floatx()))
    return made if op.axis in (-1, len(x.shape)) else moved(s, made, op.axis)


def moved(s: Sheet, x: Any, axis: int) -> Any:
    """Write the last axis to another place."""
    order = list(range(len(x.shape) - 1))
    order.insert(axis, len(x.shape) - 1)
    return s.permute(x, tuple(order))


def ordered(name: str) -> Callable[..., Any]:
    """Return the rule of an op along one axis that keeps the shape."""

    def rule(s: Sheet, op: Any, x: Any) -> Any:
        x = s.tensor(x) if op.axis is not None else s("reshape", x, shape=(int(np.prod(x.shape)),))
        return s(name, x, dim=(op.axis or 0) % len(x.shape))

    return rule


def place(name: str) -> Callable[..., Any]:
    """Return the rule of argmax or argmin."""

    def rule(s: Sheet, op: Any, x: Any) -> Any:
        keep = {"keepdim": True} if op.keepdims else {}
        found = s(name, x, **({} if op.axis is None else {"dim": op.axis, **keep}))
        return s("to", found, dtype="int32")

    return rule


def block(s: Sheet, op: Any, x: Any) -> Any:
    """Write pieces of the last axis as blocks of an image: Keras counts channels fastest."""
    if op.data_format != "channels_last":
        msg = "depth_to_space on channels first. Channels last is read."
        raise NotImplementedError(msg)
    n, h, w, c = x.shape
    r = op.block_size
    x = s("reshape", x, shape=(n, h, w, r, r, c // (r * r)))
    return s("reshape", s.permute(x, (0, 1, 3, 2, 4, 5)), shape=(n, h * r, w * r, c // (r * r)))


def unblock(s: Sheet, op: Any, x: Any) -> Any:
    """Write blocks of an image as pieces of the last axis."""
    if op.data_format != "channels_last":
        msg = "space_to_depth on channels first. Channels last is read."
        raise NotImplementedError(msg)
    n, h, w, c = x.shape
    r = op.block_size
    x = s("reshape", x, shape=(n, h // r, r, w // r, r, c))
    return s("reshape", s.permute(x, (0, 1, 3, 2, 4, 5)), shape=(n, h // r, w // r, r * r * c))


PICKS: dict[str, Callable[..., Any]] = {
    "GetItem": getitem,
    "Take": take,
    "TakeAlongAxis": lambda s, op, x, indices: s("gather", x, dim=op.axis, index=indices),
    "Repeat": repeat,
    "OneHot": one_hot,
    "Cumsum": ordered("cumsum"),
    "Cumprod": ordered("cumprod"),
    "Argmax": place("argmax"),
    "Argmin": place("argmin"),
    "DepthToSpace": block,
    "SpaceToDepth": unblock,
}
