"""Order: sorting, ranking and extremes along an axis, with the places where they stand."""

from typing import Any

from dualnet.backends.keras.write.elementwise import FLOATS, operand
from dualnet.backends.keras.write.reduce import reduction
from dualnet.backends.source.code import Default, Lit, Var, code, invoke
from dualnet.backends.source.form import Axes, Storage, Value
from dualnet.backends.source.rules import Rule, along, fresh, given, kept, reduced, resized
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import Op


def pair(frame: Frame, made: Any, logical: Axes, physical: Axes) -> tuple[Value, ...]:
    """Enter an expression that gives values and their places."""
    variables = (Var("values"), Var("places"))
    frame.line(variables, made)
    return tuple(Value(logical, Storage(var, physical, frame.dtype(index))) for index, var in enumerate(variables))


def _scalar(frame: Frame, value: Value) -> tuple[Value, Value]:
    """Return a scalar, which is its own maximum, and its place."""
    return value, fresh(frame, code('ops.zeros((), dtype="int64")'), (), "int64")


def extreme(name: str) -> Rule:
    """Return the rule of ``max`` and ``min``: over all, or along an axis with the places."""

    def rule(frame: Frame, op: Op) -> Any:
        value = given(frame)
        if "dim" not in op.arguments:
            return reduction(f"ops.{name}", typed=False)(frame, op)
        dim, keepdim = op.arguments["dim"] % max(value.rank, 1), bool(op.arguments.get("keepdim", False))
        if not value.rank:
            return _scalar(frame, value)
        x, axis, order = along(frame, value, dim)
        places = code('ops.cast(ops.arg{}({}, axis={}, keepdims=True), "int64")', name, x, Lit(axis, "axis"))
        logical, physical = reduced(value, order, [dim], True)
        index = frame.made(places, logical, physical, "int64")
        made = code("ops.take_along_axis({}, {}, axis={})", x, index.storage.code, Lit(axis, "axis"))
        found = frame.made(made, logical, physical, value.dtype)
        return (found, index) if keepdim else tuple(_squeezed(each, dim) for each in (found, index))

    return rule


def _squeezed(value: Value, dim: int) -> Value:
    return Value((*value.axes[:dim], *value.axes[dim + 1 :]), value.storage)


def both(frame: Frame, op: Op) -> tuple[Value, ...]:
    """``aminmax``."""
    return tuple(reduction(f"ops.{name}", typed=False)(frame, op) for name in ("min", "max"))


def place(name: str) -> Rule:
    """Return the rule of ``argmax`` and ``argmin``."""

    def rule(frame: Frame, op: Op) -> Value:
        value, dim = given(frame), op.arguments.get("dim")
        if dim is None or not value.rank:
            return fresh(frame, code(f'ops.cast(ops.{name}({{}}), "int64")', frame.logical(value)))
        x, axis, order = along(frame, value, dim)
        keepdim = bool(op.arguments.get("keepdim", False))
        made = invoke(f"ops.{name}", x, axis=Lit(axis, "axis"), keepdims=Default(keepdim, False))
        return frame.made(code('ops.cast({}, "int64")', made), *reduced(value, order, [dim % value.rank], keepdim))

    return rule


def _last(frame: Frame, value: Value, dim: int) -> tuple[Any, list[int]]:
    """Return the code of a value with an axis at the end, the others as they lie, and the order."""
    order = [axis for axis in frame.whole(value)[1] if axis != dim]
    return frame.ordered(value, [*order, dim]), [*order, dim]


def _sorted(frame: Frame, op: Op) -> tuple[Any, Axes, Axes]:
    value = given(frame)
    dim = op.arguments.get("dim", -1) % max(value.rank, 1)
    count = op.arguments.get("k", frame.out()[dim] if value.rank else 1)
    down = op.arguments.get("largest", True) if op.op == "topk" else op.arguments.get("descending", False)
    frame.writer.parts.add("sorted_along")
    x, order = _last(frame, value, dim)
    made = invoke("sorted_along", x, Lit(count, "k"), descending=bool(down))
    return (made, *resized(value, order, {dim: frame.out()[dim]}))


def sort(frame: Frame, op: Op) -> Any:
    """``sort``, ``topk``: values and places along an axis."""
    return pair(frame, *_sorted(frame, op)) if given(frame).rank else _scalar(frame, given(frame))


def argsort(frame: Frame, op: Op) -> Value:
    """``argsort``."""
    if not given(frame).rank:
        return _scalar(frame, given(frame))[1]
    made, logical, physical = _sorted(frame, op)
    return frame.made(code("{}[1]", made), logical, physical)


def ranked(frame: Frame, op: Op) -> Any:
    """``kthvalue``, ``median``: the value of a rank; of an even number the median is the lower one."""
    value = given(frame)
    frame.writer.parts.add("ranked")
    if "dim" not in op.arguments and op.op == "median":
        x = code("ops.reshape({}, (-1,))", frame.logical(value))
        count = value.shape and frame.size(_count(value))
        return fresh(frame, code("ranked({}, ({} - 1) // 2, axis=0)[0]", x, count or Lit(1)))
    dim, keepdim = op.arguments.get("dim", -1) % max(value.rank, 1), bool(op.arguments.get("keepdim", False))
    x, axis, order = along(frame, value, dim)
    at = op.arguments["k"] - 1 if op.op == "kthvalue" else (int(value.shape[dim]) - 1) // 2
    made = invoke("ranked", x, Lit(at, "place"), axis=Lit(axis, "axis"), keepdims=Default(keepdim, False))
    return pair(frame, made, *reduced(value, order, [dim], keepdim))


def _count(value: Value) -> Any:
    from dualnet.specs.program import product

    return product(value.shape)


def quantile(frame: Frame, op: Op) -> Value:
    """``quantile`` of one share."""
    value, q, dim = given(frame), op.arguments["q"], op.arguments.get("dim")
    if not isinstance(q, float) or dim is None:
        msg = "quantile of a tensor of shares, or over all axes; give one number and one axis"
        raise UnsupportedError(msg)
    frame.writer.parts.add("quantile")
    keepdim = bool(op.arguments.get("keepdim", False))
    x, axis, order = along(frame, value, dim)
    made = invoke(
        "quantile", x, Lit(q, "q"), axis=Lit(axis, "axis"), keepdims=Default(keepdim, False),
        interpolation=Default(op.arguments.get("interpolation", "linear"), "linear"),
    )  # fmt: skip
    return frame.made(made, *reduced(value, order, [dim % value.rank], keepdim))


def running(largest: bool) -> Rule:
    """Return the rule of ``cummax`` and ``cummin``."""

    def rule(frame: Frame, op: Op) -> Any:
        value = given(frame)
        if value.dtype not in FLOATS:
            msg = f"{op.op} of integers; make them floats"
            raise UnsupportedError(msg)
        frame.writer.parts.add("running_extreme")
        x, axis, order = along(frame, value, op.arguments["dim"])
        made = invoke("running_extreme", x, axis=Lit(axis, "axis"), largest=Default(largest, True))
        return pair(frame, made, value.logical, tuple(value.logical[at] for at in order))

    return rule


def rank_in(edges: str, values: str) -> Rule:
    """Return the rule of ``bucketize`` and ``searchsorted``."""

    def rule(frame: Frame, op: Op) -> Value:
        dtype = frame.value(op.arguments[edges]).dtype
        listed, value = frame.value(op.arguments[edges]), operand(frame, op.arguments[values], dtype)
        frame.writer.parts.add("rank_in")
        right = bool(op.arguments.get("right", False) or op.arguments.get("side") == "right")
        x, order = frame.whole(value) if listed.rank == 1 else (frame.logical(value), list(range(value.rank)))
        made = invoke("rank_in", frame.logical(listed), x, right=Default(right, False))
        return kept(frame, value, order, made, dtype="int64")

    return rule


ORDER: dict[str, Rule] = {
    "max": extreme("max"),
    "min": extreme("min"),
    "aminmax": both,
    "argmax": place("argmax"),
    "argmin": place("argmin"),
    "sort": sort,
    "topk": sort,
    "argsort": argsort,
    "kthvalue": ranked,
    "median": ranked,
    "quantile": quantile,
    "cummax": running(largest=True),
    "cummin": running(largest=False),
    "bucketize": rank_in("boundaries", "input"),
    "searchsorted": rank_in("sorted_sequence", "input"),
}
