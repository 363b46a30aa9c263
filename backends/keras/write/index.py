"""Index: joining, cutting, gathering and making tensors, as Keras writes it."""

from typing import Any

from dualnet.backends.keras.write.calls import logical_call
from dualnet.backends.keras.write.elementwise import broadcast, operand
from dualnet.backends.keras.write.join import listed
from dualnet.backends.source.code import Default, Lit, code, invoke
from dualnet.backends.source.form import Value
from dualnet.backends.source.rules import Rule, along, fresh, given, kept, resized
from dualnet.backends.source.views import VIEWS
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import Op


def take(frame: Frame, op: Op) -> Value:
    """``index_select(dim, index)``."""
    value = given(frame)
    index = frame.logical(given(frame, "index"))
    x, axis, order = along(frame, value, op.arguments["dim"])
    dim = op.arguments["dim"] % value.rank
    return frame.made(
        code("ops.take({}, {}, axis={})", x, index, Lit(axis, "axis")), *resized(value, order, {dim: frame.out()[dim]})
    )


def gather(frame: Frame, op: Op) -> Value:
    """``gather(dim, index)``."""
    frame.writer.parts.add("gather")
    value, index = given(frame), given(frame, "indices" if op.op == "take_along_dim" else "index")
    if op.op == "take_along_dim":
        if op.arguments.get("dim") is None:
            msg = "take_along_dim without an axis; flatten what it takes from"
            raise UnsupportedError(msg)
        axis = Lit(op.arguments["dim"] % value.rank, "axis")
        value, index = _level(frame, value, index, op.arguments["dim"] % value.rank)
        return fresh(
            frame, code("ops.take_along_axis({}, {}, axis={})", frame.logical(value), frame.logical(index), axis)
        )
    return fresh(
        frame,
        code(
            "gather({}, {}, axis={})",
            frame.logical(value),
            frame.logical(index),
            Lit(op.arguments["dim"] % max(value.rank, 1), "axis"),
        ),
    )


def _level(frame: Frame, value: Value, index: Value, dim: int) -> tuple[Value, Value]:
    """Return both with the same sizes along all axes but one."""
    sizes = [frame.out()[axis] for axis in range(value.rank)]
    return tuple(  # type: ignore[return-value]  # two
        broadcast(
            frame, frame.settled_weight(each), tuple(each.shape[a] if a == dim else n for a, n in enumerate(sizes))
        )
        for each in (value, index)
    )


def index(frame: Frame, op: Op) -> Value:
    """``x[i, :, j]`` with tensors of places."""
    value, places = given(frame), op.arguments["indices"]
    tensors = [None if place is None else frame.value(place) for place in places]
    at = [axis for axis, tensor in enumerate(tensors) if tensor is not None]
    if any(tensor is not None and tensor.dtype in ("bool", "uint8") for tensor in tensors):
        msg = "a mask chooses how many values there are: that shape depends on values; torch.where keeps the shape"
        raise UnsupportedError(msg)
    if len(at) == 1:
        places_code = frame.logical(tensors[at[0]])  # type: ignore[arg-type]  # not None there
        x = frame.logical(value)
        frame.writer.parts.add("take")
        return fresh(frame, code("take({}, {}, axis={})", x, places_code, Lit(at[0], "axis")))
    frame.writer.parts.add("indexed")
    codes: list[Any] = []
    for tensor in tensors:
        codes.append("None" if tensor is None else frame.logical(tensor))
    return fresh(frame, code("indexed({}, {})", frame.logical(value), listed(codes)))


def index_put(frame: Frame, op: Op) -> Value:
    """``x[i, j] = y``."""
    tensors = [None if place is None else frame.value(place) for place in op.arguments["indices"]]
    value = given(frame)
    source = operand(frame, op.arguments["values"], frame.dtype())
    if len(tensors) == 1 and tensors[0] is not None and tensors[0].dtype == "bool" and not source.rank:
        mask = tensors[0]
        mask = Value((*mask.axes, *[()] * (value.rank - mask.rank)), mask.storage)
        codes, logical, physical = frame.aligned([mask, source, value])
        return frame.made(code("ops.where({}, {}, {})", *codes), logical, physical)
    if any(tensor is not None and tensor.dtype == "bool" for tensor in tensors):
        msg = "a mask chooses how many values there are: that shape depends on values; torch.where keeps the shape"
        raise UnsupportedError(msg)
    frame.writer.parts.add("index_put")
    codes = ["None" if tensor is None else frame.logical(tensor) for tensor in tensors]
    made = invoke(
        "index_put",
        frame.logical(value),
        listed(codes),
        frame.logical(source),
        accumulate=Default(bool(op.arguments.get("accumulate", False)), False),
    )
    return fresh(frame, made)


def scatter(frame: Frame, op: Op) -> Value:
    """``scatter``, ``scatter_add``, ``index_add``, ``scatter_reduce`` by sum."""
    value, places = given(frame), given(frame, "index")
    source = operand(
        frame, op.arguments.get("src", op.arguments.get("source", op.arguments.get("value"))), frame.dtype()
    )
    reduce = op.arguments.get("reduce", "sum" if op.op in ("scatter_add", "index_add") else "none")
    if reduce not in ("sum", "add", "none"):
        msg = f"reduce={reduce!r}; 'sum' can be written"
        raise UnsupportedError(msg)
    dim = Lit(op.arguments["dim"] % max(value.rank, 1), "axis")
    if op.op in ("index_add", "index_copy", "index_fill"):
        frame.writer.parts.add(op.op)
        made = code(
            f"{op.op}({{}}, {{}}, {{}}, axis={{}})",
            frame.logical(value),
            frame.logical(places),
            frame.logical(source),
            dim,
        )
        return fresh(frame, made)
    if not source.rank:
        source = broadcast(frame, Value(source.axes, source.storage), places.shape)
    frame.writer.parts.add("scatter")
    made = invoke(
        "scatter",
        frame.logical(value),
        frame.logical(places),
        frame.logical(source),
        axis=dim,
        accumulate=Default(reduce != "none", False),
    )
    return fresh(frame, made)


def take_flat(frame: Frame, op: Op) -> Value:
    """``take(index)``: places of the flattened tensor."""
    value, places = given(frame), given(frame, "index")
    made = code("ops.take(ops.reshape({}, (-1,)), {})", frame.logical(value), frame.logical(places))
    return fresh(frame, made)


def isin(frame: Frame, op: Op) -> Value:
    """``isin(elements, test_elements)``."""
    value, known = given(frame, "elements"), given(frame, "test_elements")
    x, order = frame.whole(value)
    made = code("ops.any(ops.equal(ops.expand_dims({}, -1), ops.reshape({}, (-1,))), axis=-1)", x, frame.logical(known))
    made = code("ops.logical_not({})", made) if op.arguments.get("invert") else made
    return kept(frame, value, order, made)


INDEX: dict[str, Rule] = {
    "index_select": take,
    "gather": gather,
    "take_along_dim": gather,
    "index": index,
    "index_put": index_put,
    **dict.fromkeys(("scatter", "scatter_add", "index_add", "index_copy", "index_fill", "scatter_reduce"), scatter),
    "matrix_H": VIEWS["mT"],
    "take": take_flat,
    "isin": isin,
    "diag_embed": logical_call("diag_embed({})", "input", parts=("diag_embed",)),
}
