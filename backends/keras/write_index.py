"""Index: joining, cutting, gathering and making tensors, as Keras writes it."""

from typing import Any

from dualnet.backends.keras.write_elementwise import broadcast, cast, dtype_code, operand
from dualnet.backends.keras.write_math import logical_call, several
from dualnet.backends.source.code import Default, Lit, Many, Var, code, invoke
from dualnet.backends.source.form import Storage, Value, appearing, axes_of
from dualnet.backends.source.rules import Rule, along, dims_of, fresh, given, kept, lies, like, resized
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import Held, Op, Ref, Sym

END = 9223372036854775807


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
    made = code("ops.concatenate({}, axis={})", _listed(codes), Lit(-1 if axis == len(order) - 1 else axis, "axis"))
    logical, _ = resized(lead, order, {dim: frame.out()[dim]})
    whole = tuple(next((v.logical[a] for v in values if v.logical[a]), logical[a]) if a != dim else logical[a] for a in range(lead.rank))
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


def _listed(codes: list[Any]) -> Many:
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
    return frame.made(code("ops.stack({}, axis={})", _listed(codes), Lit(at, "axis")), logical, physical)


def _cut(frame: Frame, value: Value, dim: int, sizes: list[Any]) -> tuple[Value, ...]:
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
    dim = {"hsplit": 1 if value.rank > 1 else 0, "vsplit": 0, "dsplit": 2}.get(op.op, op.arguments.get("dim", 0)) % value.rank
    sizes = [frame.out(index)[dim] for index in range(len(op.results))]
    if any(isinstance(size, Sym) for size in sizes):
        msg = "it cuts the batch axis in pieces"
        raise UnsupportedError(msg)
    return _cut(frame, value, dim, sizes)


def glu(frame: Frame, op: Op) -> Value:
    """``glu``: one half of an axis, gated by the other."""
    value, dim = given(frame), op.arguments.get("dim", -1)
    one, gate = _cut(frame, value, dim, [frame.out()[dim]] * 2)
    return like(frame, one, code("{} * ops.sigmoid({})", lies(frame, one), lies(frame, gate)))


def unbind(frame: Frame, op: Op) -> Any:
    """``unbind``."""
    value = given(frame)
    dim = op.arguments.get("dim", 0) % value.rank
    x, axis, order = along(frame, value, dim)
    variables = tuple(Var("part") for _ in op.results)
    frame.line(variables, code("ops.unstack({}, axis={})", x, Lit(axis, "axis")))
    logical = tuple(atoms for index, atoms in enumerate(value.logical) if index != dim)
    physical = tuple(value.logical[index] for index in order if index != dim)
    return tuple(Value(logical, Storage(var, physical, value.dtype)) for var in variables)


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
    return frame.made(code("{}[{}{}]", x, ":, " * axis, _span(frame, start, end, step)), *resized(value, order, {dim: frame.out()[dim]}))


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
    source = broadcast(frame, source, tuple(value.shape[a] if a != dim else -(-((size if end is None else end) - start) // step) for a in range(value.rank)))
    y = frame.ordered(source, order)
    axis = order.index(dim)
    if step != 1:
        frame.writer.parts.add("replaced")
        places = list(range(start, size if end is None else end, step))
        return kept(frame, value, order, code("replaced({}, {}, {}, axis={})", x, y, Lit(places, "places"), Lit(axis, "axis")))
    parts = [code("{}[{}:{}]", x, ":, " * axis, Lit(start, "start"))] if start else []
    parts.append(y)
    if end is not None and end < size:
        parts.append(code("{}[{}{}:]", x, ":, " * axis, Lit(end, "end")))
    return kept(frame, value, order, code("ops.concatenate({}, axis={})", _listed(parts), Lit(axis, "axis")))


def take(frame: Frame, op: Op) -> Value:
    """``index_select(dim, index)``."""
    value = given(frame)
    index = frame.logical(given(frame, "index"))
    x, axis, order = along(frame, value, op.arguments["dim"])
    dim = op.arguments["dim"] % value.rank
    return frame.made(code("ops.take({}, {}, axis={})", x, index, Lit(axis, "axis")), *resized(value, order, {dim: frame.out()[dim]}))


def gather(frame: Frame, op: Op) -> Value:
    """``gather(dim, index)``."""
    frame.writer.parts.add("gather")
    value, index = given(frame), given(frame, "indices" if op.op == "take_along_dim" else "index")
    if op.op == "take_along_dim":
        if op.arguments.get("dim") is None:
            msg = "take_along_dim without an axis; flatten what it takes from"
            raise UnsupportedError(msg)
        axis = Lit(op.arguments["dim"] % value.rank, "axis")
        return fresh(frame, code("ops.take_along_axis({}, {}, axis={})", frame.logical(value), frame.logical(index), axis))
    return fresh(frame, code("gather({}, {}, axis={})", frame.logical(value), frame.logical(index), Lit(op.arguments["dim"] % max(value.rank, 1), "axis")))


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
    return fresh(frame, code("indexed({}, {})", frame.logical(value), _listed(codes)))


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
    made = invoke("index_put", frame.logical(value), _listed(codes), frame.logical(source), accumulate=Default(bool(op.arguments.get("accumulate", False)), False))
    return fresh(frame, made)


def scatter(frame: Frame, op: Op) -> Value:
    """``scatter``, ``scatter_add``, ``index_add``, ``scatter_reduce`` by sum."""
    value, places = given(frame), given(frame, "index")
    source = operand(frame, op.arguments.get("src", op.arguments.get("source", op.arguments.get("value"))), frame.dtype())
    reduce = op.arguments.get("reduce", "sum" if op.op in ("scatter_add", "index_add") else "none")
    if reduce not in ("sum", "add", "none"):
        msg = f"reduce={reduce!r}; 'sum' can be written"
        raise UnsupportedError(msg)
    dim = Lit(op.arguments["dim"] % max(value.rank, 1), "axis")
    if op.op in ("index_add", "index_copy", "index_fill"):
        frame.writer.parts.add(op.op)
        made = code(f"{op.op}({{}}, {{}}, {{}}, axis={{}})", frame.logical(value), frame.logical(places), frame.logical(source), dim)
        return fresh(frame, made)
    if not source.rank:
        source = broadcast(frame, Value(source.axes, source.storage), places.shape)
    frame.writer.parts.add("scatter")
    made = invoke("scatter", frame.logical(value), frame.logical(places), frame.logical(source), axis=dim, accumulate=Default(reduce != "none", False))
    return fresh(frame, made)


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
        made = code("ops.reshape(ops.roll(ops.reshape({}, (-1,)), {}), {})", frame.logical(value), Lit(shifts[0], "shift"), frame.sizes(value.shape))
        return fresh(frame, made)
    x, order = frame.whole(value)
    axes = tuple(order.index(dim % value.rank) for dim in dims)
    return kept(frame, value, order, code("ops.roll({}, {}, axis={})", x, Lit(tuple(shifts), "shift"), Lit(axes, "axis")))


def repeat(frame: Frame, op: Op) -> Value:
    """``repeat``, ``tile``."""
    value = given(frame)
    times = op.arguments.get("repeats", op.arguments.get("dims"))
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
    return frame.made(code("ops.repeat({}, {}, axis={})", x, Lit(times, "repeats"), Lit(axis, "axis")), *resized(value, order, {dim: frame.out()[dim]}))


def triangle(name: str) -> Rule:
    """Return the rule of ``tril`` and ``triu``."""

    def rule(frame: Frame, op: Op) -> Value:
        value = given(frame)
        x = frame.logical(value)
        made = invoke(f"ops.{name}", x, k=Default(op.arguments.get("diagonal", 0), 0))
        if value.dtype == "bool":
            made = code('ops.cast({}, "bool")', invoke(f"ops.{name}", code('ops.cast({}, "int32")', x), k=Default(op.arguments.get("diagonal", 0), 0)))
        return kept(frame, value, list(range(value.rank)), made)

    return rule


def filled(template: str) -> Rule:
    """Return the rule of a tensor of one number."""

    def rule(frame: Frame, op: Op) -> Value:
        fill = op.arguments.get("fill_value", op.arguments.get("value"))
        dtype = dtype_code(frame.dtype())
        shape = frame.sizes(frame.out(), hole=False)
        if "{fill}" in template:
            given_fill = frame.value(fill).storage.code if isinstance(fill, (Ref, Held)) else Lit(fill, "fill")
            if isinstance(fill, (Ref, Held)) and not isinstance(given_fill, Lit):
                given_fill = cast(frame, frame.logical(frame.value(fill)), frame.dtype())
            return fresh(frame, code("ops.full({}, {}, dtype={})", shape, given_fill, dtype))
        return fresh(frame, code(f"ops.{template}({{}}, dtype={{}})", shape, dtype))

    return rule


def filled_like(name: str) -> Rule:
    """Return the rule of a tensor of one number that lies as another does."""

    def rule(frame: Frame, op: Op) -> Value:
        value = given(frame)
        x = lies(frame, value)
        if name == "full":
            fill = op.arguments["fill_value"]
            number = frame.value(fill).storage.code if isinstance(fill, (Ref, Held)) else Lit(fill, "fill")
            if not isinstance(number, Lit):
                number = cast(frame, frame.logical(frame.value(fill)), frame.dtype())
            return like(frame, value, code("ops.full_like({}, {}, dtype={})", x, number, dtype_code(frame.dtype())))
        return like(frame, value, code(f"ops.{name}_like({{}}, dtype={{}})", x, dtype_code(frame.dtype())))

    return rule


def arange(frame: Frame, op: Op) -> Value:
    """``arange``."""
    start, end, step = op.arguments.get("start", 0), op.arguments["end"], op.arguments.get("step", 1)
    values = [Lit(v, n) if not isinstance(v, Sym) else frame.size(v) for v, n in ((start, "start"), (end, "stop"), (step, "step"))]
    shown = [values[1]] if start == 0 and step == 1 else values[:2] if step == 1 else values
    template = f"ops.arange({', '.join(['{}'] * len(shown))}, dtype={{}})"
    return fresh(frame, code(template, *shown, dtype_code(frame.dtype())))


def eye(frame: Frame, op: Op) -> Value:
    """``eye``."""
    n, m = op.arguments["n"], op.arguments.get("m")
    return fresh(frame, invoke("ops.eye", Lit(n, "n"), *([Lit(m, "m")] if m is not None else []), dtype=_typed(frame)))


def linspace(frame: Frame, op: Op) -> Value:
    """``linspace``."""
    start, end, steps = (Lit(op.arguments[name], name) for name in ("start", "end", "steps"))
    return fresh(frame, code("ops.linspace({}, {}, {}, dtype={})", start, end, steps, dtype_code(frame.dtype())))


def _typed(frame: Frame) -> Any:
    found = dtype_code(frame.dtype())
    return Many((found,)) if isinstance(found, str) else found


def meshgrid(frame: Frame, op: Op) -> Any:
    """``meshgrid``."""
    codes = [frame.logical(frame.value(argument)) for argument in op.arguments["tensors"]]
    made = code(f"ops.meshgrid({', '.join(['{}'] * len(codes))}, indexing={{}})", *codes, Lit(op.arguments.get("indexing", "ij"), "indexing"))
    return several(frame, op, made)


def constant(template: str, *names: str) -> Rule:
    """Return the rule of a tensor of numbers that NumPy makes; names may have defaults."""

    def rule(frame: Frame, op: Op) -> Value:
        pairs = [name.partition("=") for name in names]
        values = [Lit(op.arguments.get(name, int(text or 0)), name) for name, _, text in pairs]
        return fresh(frame, code(f"ops.convert_to_tensor({template}, dtype={{}})", *values, dtype_code(frame.dtype())))

    return rule


def window(name: str) -> Rule:
    """Return the rule of a window of a signal; a periodic one is one of a place more, less the last."""

    def rule(frame: Frame, op: Op) -> Value:
        size = Lit(op.arguments["window_length"], "size")
        if op.arguments.get("periodic", True):
            return fresh(frame, code(f"ops.convert_to_tensor(np.{name}({{}} + 1)[:-1], dtype={{}})", size, dtype_code(frame.dtype())))
        return fresh(frame, code(f"ops.convert_to_tensor(np.{name}({{}}), dtype={{}})", size, dtype_code(frame.dtype())))

    return rule


def fill(frame: Frame, op: Op) -> Value:
    """``fill(value)``."""
    return broadcast(frame, operand(frame, op.arguments["value"], frame.dtype()), frame.out())


def one_hot(frame: Frame, op: Op) -> Value:
    """``one_hot(num_classes)``."""
    return fresh(frame, code('ops.one_hot({}, {}, dtype="int64")', frame.logical(given(frame)), Lit(frame.out()[-1], "classes")))


def scalar(frame: Frame, op: Op) -> Value:
    """``scalar_tensor``, ``tensor`` of one number."""
    number = op.arguments.get("s", op.arguments.get("value"))
    return Value((), Storage(Lit(number), (), frame.dtype()))


def diagonal_scatter(frame: Frame, op: Op) -> Value:
    """``diagonal_scatter``: a tensor with its diagonal replaced."""
    value, offset = given(frame), op.arguments.get("offset", 0)
    one, other = (op.arguments.get(name, at) % value.rank for name, at in (("dim1", 0), ("dim2", 1)))
    source = operand(frame, op.arguments["src"], frame.dtype())
    frame.writer.parts.add("diagonal_scatter")
    order = [*[axis for axis in range(value.rank) if axis not in (one, other)], one, other]
    made = invoke("diagonal_scatter", frame.ordered(value, order), frame.logical(source), offset=Default(offset, 0))
    return kept(frame, value, order, made)


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


def numbers(frame: Frame, op: Op) -> Value:
    """``diagonal``, ``diag``: the diagonal of two axes, or a matrix of one."""
    value = given(frame)
    offset = op.arguments.get("offset", op.arguments.get("diagonal", 0))
    if op.op == "diag" and value.rank == 1:
        return fresh(frame, invoke("ops.diag", frame.logical(value), k=Default(offset, 0)))
    one, other = op.arguments.get("dim1", 0), op.arguments.get("dim2", 1)
    made = invoke("ops.diagonal", frame.logical(value), offset=Default(offset, 0), axis1=Default(one, 0), axis2=Default(other, 1))
    return fresh(frame, made)


INDEX: dict[str, Rule] = {
    "cat": cat,
    "concatenate": cat,
    "hstack": stacked(1),
    "column_stack": stacked(1),
    "vstack": stacked(0),
    "dstack": stacked(2),
    "stack": stack,
    **dict.fromkeys("split chunk split_with_sizes tensor_split unsafe_split unsafe_chunk hsplit vsplit dsplit".split(), split),
    "glu": glu,
    "unbind": unbind,
    "select": select,
    "slice": slice_,
    "narrow": slice_,
    "slice_scatter": slice_scatter,
    "select_scatter": slice_scatter,
    "index_select": take,
    "gather": gather,
    "take_along_dim": gather,
    "index": index,
    "index_put": index_put,
    **dict.fromkeys(("scatter", "scatter_add", "index_add", "index_copy", "index_fill", "scatter_reduce"), scatter),
    "flip": flip,
    **dict.fromkeys(("rot90", "fliplr", "flipud"), turned),
    "roll": roll,
    "repeat": repeat,
    "tile": repeat,
    "repeat_interleave": repeat_interleave,
    "tril": triangle("tril"),
    "triu": triangle("triu"),
    "zeros": filled("zeros"),
    "ones": filled("ones"),
    "empty": filled("zeros"),
    "new_zeros": filled("zeros"),
    "new_empty": filled("zeros"),
    "new_ones": filled("ones"),
    "full": filled("{fill}"),
    "new_full": filled("{fill}"),
    "zeros_like": filled_like("zeros"),
    "empty_like": filled_like("zeros"),
    "ones_like": filled_like("ones"),
    "full_like": filled_like("full"),
    "arange": arange,
    "eye": eye,
    "linspace": linspace,
    "meshgrid": meshgrid,
    "one_hot": one_hot,
    "tril_indices": constant("np.stack(np.tril_indices({}, {}, {}))", "row", "offset=0", "col"),
    "triu_indices": constant("np.stack(np.triu_indices({}, {}, {}))", "row", "offset=0", "col"),
    "fft_fftfreq": constant("np.fft.fftfreq({}, {})", "n", "d=1"),
    "fft_rfftfreq": constant("np.fft.rfftfreq({}, {})", "n", "d=1"),
    "hann_window": window("hanning"),
    "hamming_window": window("hamming"),
    "blackman_window": window("blackman"),
    "bartlett_window": window("bartlett"),
    "fill": fill,
    "scalar_tensor": scalar,
    "diagonal_scatter": diagonal_scatter,
    "take": take_flat,
    "isin": isin,
    "diagonal": numbers,
    "diag": numbers,
    "diag_embed": logical_call("diag_embed({})", "input", parts=("diag_embed",)),
}
