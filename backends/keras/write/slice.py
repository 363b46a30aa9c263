"""Slices: parts of a tensor, and tensors with a part replaced."""

from typing import Any

from dualnet.backends.keras.write.elementwise import broadcast, operand
from dualnet.backends.keras.write.join import listed
from dualnet.backends.source.code import Default, Lit, Many, code, invoke
from dualnet.backends.source.form import Value, appearing
from dualnet.backends.source.rules import Rule, along, given, kept, resized
from dualnet.backends.source.writer import Frame
from dualnet.specs.program import Op, Sym

END = 9223372036854775807


def select(frame: Frame, op: Op) -> Value:
    """``select(dim, index)``: ``x[:, index]``."""
    value = given(frame)
    dim = op.arguments.get("dim", 0) % value.rank
    x, axis, order = along(frame, value, dim)
    made = code("{}[{}{}]", x, ":, " * axis, _index(frame, op.arguments["index"]))
    logical = tuple(atoms for index, atoms in enumerate(value.logical) if index != dim)
    return frame.made(made, logical, tuple(value.logical[index] for index in order if index != dim))


def _index(frame: Frame, value: Any) -> Any:
    return frame.size(value) if isinstance(value, Sym) else Lit(value, "index")


def slice_(frame: Frame, op: Op) -> Value:
    """``slice(dim, start, end, step)``, ``narrow``."""
    value = given(frame)
    dim = op.arguments.get("dim", 0) % value.rank
    start, end, step = _range(op, value.shape[dim])
    if start == 0 and end is None and step == 1:
        return value
    x, axis, order = along(frame, value, dim)
    return frame.made(
        code("{}[{}{}]", x, ":, " * axis, _span(frame, start, end, step)),
        *resized(value, order, {dim: frame.out()[dim]}),
    )


def _range(op: Op, size: Any) -> tuple[Any, Any, int]:
    """Return where a slice starts, ends (None: at the end) and by which steps."""
    start, end, step = op.arguments.get("start") or 0, op.arguments.get("end"), op.arguments.get("step", 1)
    if "length" in op.arguments:
        end = start + op.arguments["length"]
    if isinstance(size, int):
        start = max(size + start, 0) if isinstance(start, int) and start < 0 else start
        end = size + end if isinstance(end, int) and end < 0 else end
        end = None if isinstance(end, int) and end >= size else end
    elif end == size or (isinstance(end, int) and end >= END):
        end = None
    return start, end, step


def _span(frame: Frame, start: Any, end: Any, step: int) -> Many:
    parts: list[Any] = [_index(frame, start)] if start != 0 else []
    parts.append(":")
    parts += [_index(frame, end)] if end is not None else []
    parts += [":", Lit(step, "step")] if step != 1 else []
    return Many(tuple(parts))


def slice_scatter(frame: Frame, op: Op) -> Value:
    """``slice_scatter``, ``select_scatter``: a tensor with a part of it replaced."""
    value, source = given(frame), operand(frame, op.arguments["src"], frame.dtype())
    dim = op.arguments.get("dim", 0) % value.rank
    size = value.shape[dim]
    if op.op == "select_scatter":
        start, step = op.arguments["index"], 1
        start = size + start if start < 0 else start
        end: Any = start + 1
        source = Value((*source.axes[:dim], (), *source.axes[dim:]), source.storage)
    else:
        start, end, step = _range(op, size)
        if start == 0 and end is None and step == 1:
            return broadcast(frame, source, value.shape)
    order = appearing(value)
    x = frame.ordered(value, order)
    source = broadcast(
        frame,
        source,
        tuple(
            value.shape[a] if a != dim else -(-((size if end is None else end) - start) // step)
            for a in range(value.rank)
        ),
    )
    y = frame.ordered(source, order)
    axis = order.index(dim)
    if step != 1:
        frame.writer.parts.add("replaced")
        places = list(range(start, size if end is None else end, step))
        return kept(
            frame, value, order, code("replaced({}, {}, {}, axis={})", x, y, Lit(places, "places"), Lit(axis, "axis"))
        )
    parts = [code("{}[{}:{}]", x, ":, " * axis, Lit(start, "start"))] if start else []
    parts.append(y)
    if end is not None and end < size:
        parts.append(code("{}[{}{}:]", x, ":, " * axis, Lit(end, "end")))
    return kept(frame, value, order, code("ops.concatenate({}, axis={})", listed(parts), Lit(axis, "axis")))


def diagonal_scatter(frame: Frame, op: Op) -> Value:
    """``diagonal_scatter``: a tensor with its diagonal replaced."""
    value, offset = given(frame), op.arguments.get("offset", 0)
    one, other = (op.arguments.get(name, at) % value.rank for name, at in (("dim1", 0), ("dim2", 1)))
    source = operand(frame, op.arguments["src"], frame.dtype())
    frame.writer.parts.add("diagonal_scatter")
    order = [*[axis for axis in range(value.rank) if axis not in (one, other)], one, other]
    made = invoke("diagonal_scatter", frame.ordered(value, order), frame.logical(source), offset=Default(offset, 0))
    return kept(frame, value, order, made)


SLICE: dict[str, Rule] = {
    "select": select,
    "slice": slice_,
    "narrow": slice_,
    "slice_scatter": slice_scatter,
    "select_scatter": slice_scatter,
    "diagonal_scatter": diagonal_scatter,
}
