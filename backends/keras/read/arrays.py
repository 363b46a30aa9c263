"""Arrays: the operations of ``keras.ops`` that move, cut and join axes, as ATen ops."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualnet.backends.keras.read.sheet import Sheet, listed


def reshape(s: Sheet, op: Any, x: Any, *rest: Any) -> Any:
    """Write a reshape; a size of None is the batch's."""
    x = s.tensor(x)
    shape = tuple(x.shape[0] if size is None else int(size) for size in op.newshape)
    if -1 in shape:
        known = int(np.prod([size for size in shape if size != -1]))
        shape = tuple(int(np.prod(x.shape)) // known if size == -1 else size for size in shape)
    return x if shape == tuple(x.shape) else s("reshape", x, shape=shape)


def transpose(s: Sheet, op: Any, x: Any) -> Any:
    """Write a permutation; none given turns the axes round."""
    x = s.tensor(x)
    rank = len(x.shape)
    return s.permute(x, tuple(a % rank for a in op.axes) if op.axes is not None else tuple(range(rank))[::-1])


def moveaxis(s: Sheet, op: Any, x: Any) -> Any:
    """Write a permutation that moves some axes."""
    x = s.tensor(x)
    rank = len(x.shape)
    source, target = ([a % rank for a in listed(v)] for v in (op.source, op.destination))
    order = [a for a in range(rank) if a not in source]
    for place, axis in sorted(zip(target, source, strict=True)):
        order.insert(place, axis)
    return s.permute(x, tuple(order))


def expand_dims(s: Sheet, op: Any, x: Any) -> Any:
    """Write new axes of size one."""
    x = s.tensor(x)
    axes = listed(op.axis)
    rank = len(x.shape) + len(axes)
    for axis in sorted(a % rank for a in axes):
        x = s("unsqueeze", x, dim=axis)
    return x


def squeeze(s: Sheet, op: Any, x: Any) -> Any:
    """Write away axes of size one."""
    x = s.tensor(x)
    axes = [i for i, n in enumerate(x.shape) if n == 1] if op.axis is None else listed(op.axis)
    return s("squeeze", x, dim=tuple(a % len(x.shape) for a in axes)) if axes else x


def concatenate(s: Sheet, op: Any, xs: Sequence[Any]) -> Any:
    """Write tensors one after another."""
    return s("cat", tensors=tuple(xs), dim=op.axis) if len(xs) > 1 else xs[0]


def split(s: Sheet, op: Any, x: Any) -> Any:
    """Write the slices of a tensor."""
    x = s.tensor(x)
    size, given = x.shape[op.axis], op.indices_or_sections
    cuts = [size // given * i for i in range(1, given)] if isinstance(given, int) else [int(c) for c in given]
    return [s("slice", x, dim=op.axis, start=a, end=b) for a, b in zip([0, *cuts], [*cuts, size], strict=True)]


def unstack(s: Sheet, op: Any, x: Any) -> Any:
    """Write every slice of an axis by itself."""
    x = s.tensor(x)
    return [s("select", x, dim=op.axis, index=i) for i in range(x.shape[op.axis])]


def pad(s: Sheet, op: Any, x: Any, constant_values: Any = None) -> Any:
    """Write a pad by a constant."""
    x = s.tensor(x)
    widths = list(op.pad_width) * (len(x.shape) if len(op.pad_width) == 1 else 1)
    flat = tuple(int(n) for pair in reversed(widths) for n in pair)
    while len(flat) > 2 and flat[-2:] == (0, 0):
        flat = flat[:-2]
    if op.mode != "constant":
        msg = f"keras.ops.pad of mode {op.mode!r}. Pad by a constant, or use keras.ops.take with explicit indices."
        raise NotImplementedError(msg)
    return s("constant_pad_nd", x, pad=flat, **({"value": constant_values} if constant_values else {}))


def broadcast_to(s: Sheet, op: Any, x: Any) -> Any:
    """Write a tensor spread over a larger shape."""
    return s("expand", x, size=tuple(op.shape))


def flip(s: Sheet, op: Any, x: Any) -> Any:
    """Write axes in reverse."""
    axes = range(len(x.shape)) if op.axis is None else listed(op.axis)
    return s("flip", x, dims=tuple(a % len(x.shape) for a in axes))


ARRAYS: dict[str, Callable[..., Any]] = {
    "Reshape": reshape,
    "Ravel": lambda s, op, x: s("reshape", x, shape=(int(np.prod(x.shape)),)),
    "Transpose": transpose,
    "Moveaxis": moveaxis,
    "Swapaxes": lambda s, op, x: s("transpose", x, dim0=op.axis1, dim1=op.axis2),
    "ExpandDims": expand_dims,
    "Squeeze": squeeze,
    "Concatenate": concatenate,
    "Stack": lambda s, op, xs: s("stack", tensors=tuple(xs), dim=op.axis),
    "Split": split,
    "Unstack": unstack,
    "Pad": pad,
    "Tile": lambda s, op, x: s("tile", x, dims=tuple(op.repeats) if not isinstance(op.repeats, int) else (op.repeats,)),
    "BroadcastTo": broadcast_to,
    "Flip": flip,
    "Roll": lambda s, op, x: s("roll", x, shifts=tuple(listed(op.shift)), dims=tuple(listed(op.axis))),
    "Tril": lambda s, op, x: s("tril", x, diagonal=op.k),
    "Triu": lambda s, op, x: s("triu", x, diagonal=op.k),
}
