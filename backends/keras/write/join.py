"""Join: tensors laid side by side and cut apart, along whichever axis memory has them."""

from typing import Any

from dualnet.backends.keras.write.elementwise import operand
from dualnet.backends.source.code import Lit, Many, Var, code
from dualnet.backends.source.form import Storage, Value, appearing, axes_of
from dualnet.backends.source.rules import Rule, along, given, lies, like, resized
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import Op, Sym


def cat(frame: Frame, op: Op) -> Value:
    """``cat``: all lie as the first that is computed does."""
    values = [operand(frame, argument, frame.dtype()) for argument in op.arguments["tensors"]]
    values = [value for value in values if value.shape != (0,)]
    return _joined(frame, values, op.arguments.get("dim", 0))


def _joined(frame: Frame, values: list[Value], dim: int) -> Value:
    if len(values) == 1:
        return values[0]
    dim %= values[0].rank
    lead = next((value for value in values if value.placed and not value.storage.held), values[0])
    order = appearing(lead)
    codes = [frame.ordered(value, order) for value in values]
    axis = order.index(dim)
    made = code("ops.concatenate({}, axis={})", listed(codes), Lit(-1 if axis == len(order) - 1 else axis, "axis"))
    logical, _ = resized(lead, order, {dim: frame.out()[dim]})
    whole = tuple(
        next((v.logical[a] for v in values if v.logical[a]), logical[a]) if a != dim else logical[a]
        for a in range(lead.rank)
    )
    return frame.made(made, whole, tuple(whole[a] for a in order))


def stacked(axis: int) -> Rule:
    """Return the rule of ``hstack``, ``vstack`` or ``dstack``: a ``cat`` of tensors of enough axes."""

    def rule(frame: Frame, op: Op) -> Value:
        values = [_at_least(frame.value(argument), axis, op.op) for argument in op.arguments["tensors"]]
        return _joined(frame, values, 0 if axis == 1 and values[0].rank == 1 else axis)

    return rule


def _at_least(value: Value, axis: int, name: str) -> Value:
    """Return a value with as many axes as it needs to be stacked along one."""
    if name == "column_stack":
        return Value((*value.axes, ()), value.storage) if value.rank == 1 else value
    if name == "dstack" and value.rank < 3:
        return Value((((),) * (2 - value.rank)) + value.axes + ((),), value.storage)
    if name == "vstack" and value.rank < 2:
        return Value(((),) * (2 - value.rank) + value.axes, value.storage)
    return Value(((),), value.storage) if not value.rank else value


def listed(codes: list[Any]) -> Many:
    """Return the code of a list."""
    parts: list[Any] = []
    for each in codes:
        parts += [", ", each] if parts else [each]
    return Many(("[", *parts, "]"))


def stack(frame: Frame, op: Op) -> Value:
    """``stack``: a new axis stands where it is asked for, in memory too."""
    values = [operand(frame, argument, frame.dtype()) for argument in op.arguments["tensors"]]
    lead = next((value for value in values if value.placed and not value.storage.held), values[0])
    dim = op.arguments.get("dim", 0) % (lead.rank + 1)
    order = appearing(lead)
    codes = [frame.ordered(value, order) for value in values]
    at = dim if order == list(range(lead.rank)) else len(order)
    fresh_axis = axes_of((len(values),))[0]
    logical = (*lead.logical[:dim], fresh_axis, *lead.logical[dim:])
    lying = [lead.logical[axis] for axis in order]
    physical = (*lying[:at], fresh_axis, *lying[at:])
    return frame.made(code("ops.stack({}, axis={})", listed(codes), Lit(at, "axis")), logical, physical)


def cut(frame: Frame, value: Value, dim: int, sizes: list[Any]) -> tuple[Value, ...]:
    """Write a split of an axis into pieces of the given sizes."""
    x, axis, order = along(frame, value, dim)
    dim %= value.rank
    axis_text = -1 if axis == len(order) - 1 else axis
    if len(sizes) == 1:
        return (Value(value.axes, frame.form(value, tuple(value.logical[a] for a in order))),)
    if len(set(sizes)) == 1:
        made = code("ops.split({}, {}, axis={})", x, Lit(len(sizes), "sections"), Lit(axis_text, "axis"))
    else:
        edges, total = [], 0
        for size in sizes[:-1]:
            total += size
            edges.append(total)
        made = code("ops.split({}, {}, axis={})", x, Lit(edges, "edges"), Lit(axis_text, "axis"))
    variables = tuple(Var("part") for _ in sizes)
    frame.line(variables, made)
    values = []
    for var, size in zip(variables, sizes, strict=True):
        logical, physical = resized(value, order, {dim: size})
        values.append(Value(logical, Storage(var, physical, value.dtype)))
    return tuple(values)


def split(frame: Frame, op: Op) -> Any:
    """``split``, ``chunk``, ``split_with_sizes``: the sizes are what the program says comes out."""
    value = given(frame)
    dim = {"hsplit": 1 if value.rank > 1 else 0, "vsplit": 0, "dsplit": 2}.get(
        op.op, op.arguments.get("dim", 0)
    ) % value.rank
    sizes = [frame.out(index)[dim] for index in range(len(op.results))]
    if any(isinstance(size, Sym) for size in sizes):
        msg = "it cuts the batch axis in pieces"
        raise UnsupportedError(msg)
    return cut(frame, value, dim, sizes)


def glu(frame: Frame, op: Op) -> Value:
    """``glu``: one half of an axis, gated by the other."""
    value, dim = given(frame), op.arguments.get("dim", -1)
    one, gate = cut(frame, value, dim, [frame.out()[dim]] * 2)
    return like(frame, one, code("{} * ops.sigmoid({})", lies(frame, one), lies(frame, gate)))


def unbind(frame: Frame, op: Op) -> Any:
    """``unbind``."""
    value = given(frame)
    dim = op.arguments.get("dim", 0) % value.rank
    x, axis, order = along(frame, value, dim)
    variables = tuple(Var("part") for _ in op.results)
    pieces = "ops.unstack({}, axis={})" if len(variables) > 1 else "ops.squeeze({}, axis={})"
    frame.line(variables, code(pieces, x, Lit(axis, "axis")))
    logical = tuple(atoms for index, atoms in enumerate(value.logical) if index != dim)
    physical = tuple(value.logical[index] for index in order if index != dim)
    return tuple(Value(logical, Storage(var, physical, value.dtype)) for var in variables)


JOIN: dict[str, Rule] = {
    "cat": cat,
    "concatenate": cat,
    "hstack": stacked(1),
    "column_stack": stacked(1),
    "vstack": stacked(0),
    "dstack": stacked(2),
    "stack": stack,
    **dict.fromkeys(("split", "chunk", "split_with_sizes", "tensor_split", "unsafe_split", "unsafe_chunk"), split),
    **dict.fromkeys(("hsplit", "vsplit", "dsplit"), split),
    "glu": glu,
    "unbind": unbind,
}
