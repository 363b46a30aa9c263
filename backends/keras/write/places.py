"""Places: values that change places, or repeat."""

from typing import Any

from dualnet.backends.source.code import Default, Lit, Many, code, invoke
from dualnet.backends.source.form import Value
from dualnet.backends.source.rules import Rule, along, dims_of, fresh, given, kept, resized
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import Op


def flip(frame: Frame, op: Op) -> Value:
    """``flip(dims)``."""
    value = given(frame)
    return _flipped(frame, value, dims_of(value, op.arguments["dims"]))


def turned(frame: Frame, op: Op) -> Value:
    """``rot90(k, dims)``, ``fliplr``, ``flipud``: flips, and two axes that change places."""
    value, times = given(frame), op.arguments.get("k", 1) % 4
    one, other = (dim % value.rank for dim in op.arguments.get("dims", (0, 1)))
    swapped = list(range(value.rank))
    swapped[one], swapped[other] = other, one
    if op.op != "rot90":
        return _flipped(frame, value, [1] if op.op == "fliplr" else [0])
    if times in (0, 2):
        return _flipped(frame, value, [one, other]) if times else value
    made = _flipped(frame, value, [other if times == 1 else one])
    return Value(tuple(made.axes[axis] for axis in swapped), made.storage)


def _flipped(frame: Frame, value: Value, dims: list[int]) -> Value:
    x, order = frame.whole(value)
    axes = tuple(order.index(dim) for dim in dims)
    return kept(frame, value, order, code("ops.flip({}, axis={})", x, Lit(axes, "axis")))


def roll(frame: Frame, op: Op) -> Value:
    """``roll(shifts, dims)``."""
    value = given(frame)
    shifts, dims = op.arguments["shifts"], op.arguments.get("dims", ())
    if not dims:
        made = code(
            "ops.reshape(ops.roll(ops.reshape({}, (-1,)), {}), {})",
            frame.logical(value),
            Lit(shifts[0], "shift"),
            frame.sizes(value.shape),
        )
        return fresh(frame, made)
    x, order = frame.whole(value)
    axes = tuple(order.index(dim % value.rank) for dim in dims)
    return kept(
        frame, value, order, code("ops.roll({}, {}, axis={})", x, Lit(tuple(shifts), "shift"), Lit(axes, "axis"))
    )


def repeat(frame: Frame, op: Op) -> Value:
    """``repeat``, ``tile``."""
    value = given(frame)
    times: Any = op.arguments.get("repeats", op.arguments.get("dims"))
    value = Value(((),) * (len(times) - value.rank) + value.axes, value.storage)
    times = (1,) * (value.rank - len(times)) + tuple(times)
    x, order = frame.whole(frame.settled_weight(value))
    shape = {axis: size for axis, size in enumerate(frame.out()) if times[axis] != 1}
    parts: list[Any] = []
    for axis in order:
        parts += [", ", frame.size(times[axis])] if parts else [frame.size(times[axis])]
    plain = all(isinstance(time, int) for time in times)
    amounts = Lit(tuple(times[axis] for axis in order), "repeats") if plain else Many(("(", *parts, ")"))
    return frame.made(code("ops.tile({}, {})", x, amounts), *resized(value, order, shape))


def repeat_interleave(frame: Frame, op: Op) -> Value:
    """``repeat_interleave(repeats, dim)`` with one number of repeats."""
    value, times = given(frame), op.arguments.get("repeats")
    if not isinstance(times, int):
        msg = "repeats that are a tensor give a shape that depends on values"
        raise UnsupportedError(msg)
    dim = op.arguments.get("dim")
    if dim is None:
        return fresh(frame, code("ops.repeat(ops.reshape({}, (-1,)), {})", frame.logical(value), Lit(times, "repeats")))
    x, axis, order = along(frame, value, dim)
    dim %= value.rank
    return frame.made(
        code("ops.repeat({}, {}, axis={})", x, Lit(times, "repeats"), Lit(axis, "axis")),
        *resized(value, order, {dim: frame.out()[dim]}),
    )


def triangle(name: str) -> Rule:
    """Return the rule of ``tril`` and ``triu``."""

    def rule(frame: Frame, op: Op) -> Value:
        value = given(frame)
        x = frame.logical(value)
        made = invoke(f"ops.{name}", x, k=Default(op.arguments.get("diagonal", 0), 0))
        if value.dtype == "bool":
            made = code(
                'ops.cast({}, "bool")',
                invoke(f"ops.{name}", code('ops.cast({}, "int32")', x), k=Default(op.arguments.get("diagonal", 0), 0)),
            )
        return kept(frame, value, list(range(value.rank)), made)

    return rule


def numbers(frame: Frame, op: Op) -> Value:
    """``diagonal``, ``diag``: the diagonal of two axes, or a matrix of one."""
    value = given(frame)
    offset = op.arguments.get("offset", op.arguments.get("diagonal", 0))
    if op.op == "diag" and value.rank == 1:
        return fresh(frame, invoke("ops.diag", frame.logical(value), k=Default(offset, 0)))
    one, other = op.arguments.get("dim1", 0), op.arguments.get("dim2", 1)
    made = invoke(
        "ops.diagonal", frame.logical(value), offset=Default(offset, 0), axis1=Default(one, 0), axis2=Default(other, 1)
    )
    return fresh(frame, made)


PLACES: dict[str, Rule] = {
    "flip": flip,
    **dict.fromkeys(("rot90", "fliplr", "flipud"), turned),
    "roll": roll,
    "repeat": repeat,
    "tile": repeat,
    "repeat_interleave": repeat_interleave,
    "tril": triangle("tril"),
    "triu": triangle("triu"),
    "diagonal": numbers,
    "diag": numbers,
}
