"""Ops: how torch writes what is not a module. Most ops are called by ATen's name; here is what is said otherwise."""

from typing import Any

import torch

from dualnet.backends.source.code import Argument, Default, Invoke, Lit, Many, Var, code, invoke
from dualnet.backends.source.form import Storage, Value, appearing
from dualnet.backends.source.rules import (
    Rule,
    along,
    dims_of,
    drawn,
    fresh,
    given,
    kept,
    lies,
    like,
    reduced,
    resized,
    several,
)
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import ByMode, Held, Op, Ref, Sym

FLOATS = ("float16", "bfloat16", "float32", "float64")
END = 9223372036854775807
DTYPES = {"bool", "int8", "uint8", "int16", "int32", "int64", *FLOATS, "complex64", "complex128"}
FUNCTIONS = (
    "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
    "adaptive_avg_pool3d layer_norm group_norm embedding linear conv1d conv2d conv3d conv_transpose1d "
    "conv_transpose2d conv_transpose3d batch_norm instance_norm relu gelu silu elu selu celu leaky_relu softplus "
    "hardtanh hardswish hardsigmoid softmax log_softmax glu mish pad prelu one_hot pixel_shuffle pixel_unshuffle "
    "scaled_dot_product_attention rms_norm cosine_similarity hardshrink softshrink tanhshrink threshold bilinear"
)
FUNCTIONAL = frozenset(FUNCTIONS.split())


def argument(frame: Frame, name: str, value: Any) -> Any:
    """Return an argument as code: tensors in the program's own order, sizes, types, lists of them."""
    if isinstance(value, (Ref, Held)):
        found = frame.value(value)
        return found.storage.code if isinstance(found.storage.code, Lit) else frame.logical(found)
    if isinstance(value, ByMode):
        one, other = (argument(frame, name, each) for each in (value.training, value.inference))
        return _mode(value, one, other)
    if isinstance(value, Sym):
        return frame.size(value)
    if name == "dtype" and isinstance(value, str) and value in DTYPES:
        return Many((f"torch.{value}",))
    if isinstance(value, tuple) and any(isinstance(v, (Ref, Held, Sym)) or v is None for v in value):
        parts: list[Any] = []
        for each in value:
            made = Many(("None",)) if each is None else argument(frame, name, each)
            parts += [", ", made] if parts else [made]
        return Many(("[", *parts, "]"))
    return Lit(value, name)


def _mode(value: ByMode, one: Any, other: Any) -> Any:
    if value.training is True and not value.inference:  # None: what the op of evaluation does not take
        return Many(("self.training",))
    other = Lit(0.0) if value.inference is None and isinstance(value.training, float) else other
    return code("({} if self.training else {})", one, other)


def function(op: str) -> str:
    """Return torch's public name for an op of ATen."""
    if op in FUNCTIONAL:
        return f"F.{op}"
    if hasattr(torch, op) and not op.startswith("_"):
        return f"torch.{op}"
    return f"torch.ops.aten.{op}"


def plain(frame: Frame, op: Op) -> Any:
    """Call an op by its own name on tensors that lie in the program's own order."""
    arguments = []
    for index, (name, value) in enumerate(op.arguments.items()):
        made = argument(frame, name, value)
        by_place = index == 0 and name in ("input", "query", "condition", "tensors", "self")
        arguments.append(Argument(made, "" if by_place else "input" if name == "self" else name))
    made = Invoke(function(op.op), tuple(arguments))
    return fresh(frame, made) if len(op.results) == 1 else several(frame, op, made)


def operand(frame: Frame, value: Any) -> Value:
    """Return an operand of an elementwise op."""
    if isinstance(value, (ByMode, Sym)):
        return Value((), Storage(argument(frame, "value", value), (), "float32"))
    return frame.value(value)


def unary(frame: Frame, op: Op) -> Value:
    """A function of one tensor, wherever it lies, and of numbers."""
    value = given(frame)
    x = lies(frame, value)
    rest = {n: argument(frame, n, v) for n, v in op.arguments.items() if n != "input"}
    module = MODULES.get(op.op)
    layer = None if module is None else Invoke(f"nn.{module}", tuple(Argument(v, n) for n, v in rest.items()))
    listed = (Argument(x), *(Argument(v, n) for n, v in rest.items()))
    return like(frame, value, Invoke(function(op.op), listed), layer)


MODULES = {
    "relu": "ReLU", "gelu": "GELU", "silu": "SiLU", "sigmoid": "Sigmoid", "tanh": "Tanh", "elu": "ELU", "selu": "SELU",
    "leaky_relu": "LeakyReLU", "softplus": "Softplus", "hardswish": "Hardswish", "hardsigmoid": "Hardsigmoid",
    "hardtanh": "Hardtanh", "mish": "Mish", "celu": "CELU", "relu6": "ReLU6", "softsign": "Softsign",
}  # fmt: skip


def binary(template: str) -> Rule:
    """Return the rule of an operator on two operands that broadcast."""

    def rule(frame: Frame, op: Op) -> Value:
        values = [operand(frame, op.arguments[name]) for name in ("input", "other")]
        (left, right), logical, physical = frame.aligned(values)
        scale = op.arguments.get("alpha", 1)
        right = code("{} * {}", Lit(scale, "alpha"), right) if scale != 1 else right
        return frame.made(code(template, left, right), logical, physical)

    return rule


def together(*names: str, by_place: bool = False) -> Rule:
    """Return the rule of a function of tensors that broadcast; ``by_place`` where it takes numbers no other way."""

    def rule(frame: Frame, op: Op) -> Value:
        present = [name for name in names if op.arguments.get(name) is not None]
        values = [operand(frame, op.arguments[name]) for name in present]
        codes, logical, physical = frame.aligned(values)
        rest = [Argument(argument(frame, n, v), n) for n, v in op.arguments.items() if n not in names]
        listed = [
            Argument(c, "" if i == 0 or by_place else n) for i, (n, c) in enumerate(zip(present, codes, strict=True))
        ]
        return frame.made(Invoke(function(op.op), (*listed, *rest)), logical, physical)

    return rule


def reverse(frame: Frame, op: Op) -> Value:
    """``rsub``."""
    values = [operand(frame, op.arguments[name]) for name in ("other", "input")]
    (left, right), logical, physical = frame.aligned(values)
    return frame.made(code("{} - {}", left, right), logical, physical)


def division(frame: Frame, op: Op) -> Value:
    """``div``."""
    if op.arguments.get("rounding_mode"):
        return together("input", "other")(frame, op)  # type: ignore[no-any-return]
    return binary("{} / {}")(frame, op)  # type: ignore[no-any-return]


def power(frame: Frame, op: Op) -> Value:
    """``pow``."""
    values = [operand(frame, op.arguments[name]) for name in ("input", "exponent")]
    (left, right), logical, physical = frame.aligned(values)
    if isinstance(left, Lit):
        return frame.made(code("torch.pow({}, {})", left, right), logical, physical)
    return frame.made(code("{} ** {}", left, right), logical, physical)


def reduction(frame: Frame, op: Op) -> Any:
    """A reduction over axes, wherever they lie."""
    value = given(frame)
    if len(op.results) > 1 or not value.rank or ("dim" not in op.arguments and "keepdim" not in op.arguments):
        return plain(frame, op)
    dims, keepdim = dims_of(value, op.arguments.get("dim")), bool(op.arguments.get("keepdim", False))
    x, order = frame.whole(value)
    axes = tuple(sorted(order.index(dim) for dim in dims))
    rest = {n: argument(frame, n, v) for n, v in op.arguments.items() if n not in ("input", "dim", "keepdim")}
    single = not isinstance(op.arguments.get("dim"), tuple)
    options = {"dim": Lit(axes[0] if single else axes, "dim"), "keepdim": Default(keepdim, False), **rest}
    return frame.made(invoke(function(op.op), x, **options), *reduced(value, order, dims, keepdim))


def axial(frame: Frame, op: Op) -> Value:
    """A function along one axis that keeps the shape."""
    value = given(frame)
    if not value.rank:
        return plain(frame, op)  # type: ignore[no-any-return]
    x, axis, order = along(frame, value, op.arguments["dim"])
    rest = {n: argument(frame, n, v) for n, v in op.arguments.items() if n not in ("input", "dim")}
    return kept(frame, value, order, invoke(function(op.op), x, dim=Lit(axis, "dim"), **rest))


def cat(frame: Frame, op: Op) -> Value:
    """``cat``: all lie as the first that is computed does."""
    values = [value for value in map(frame.value, op.arguments["tensors"]) if value.shape != (0,)]
    if len(values) == 1:
        return values[0]
    lead = next((value for value in values if value.placed and not value.storage.held), values[0])
    dim, order = op.arguments.get("dim", 0) % lead.rank, appearing(lead)
    parts: list[Any] = []
    for value in values:
        parts += [", ", frame.ordered(value, order)] if parts else [frame.ordered(value, order)]
    made = invoke("torch.cat", Many(("[", *parts, "]")), dim=Default(order.index(dim), 0))
    return frame.made(made, *resized(lead, order, {dim: frame.out()[dim]}))


def split(frame: Frame, op: Op) -> Any:
    """``split``, ``chunk``: pieces along an axis, wherever it lies."""
    value = given(frame)
    x, axis, order = along(frame, value, op.arguments.get("dim", 0))
    dim = op.arguments.get("dim", 0) % value.rank
    rest = {n: argument(frame, n, v) for n, v in op.arguments.items() if n not in ("input", "dim")}
    name = "split" if op.op == "split_with_sizes" else op.op
    listed = tuple(Argument(v) for v in rest.values())
    variables = tuple(Var("part") for _ in op.results)
    frame.line(variables, Invoke(code(f"{{}}.{name}", x), (*listed, Argument(Lit(axis, "dim"), "dim", 0))))
    if len(variables) == 1:
        frame.module.lines[-1].code = code("{}[0]", frame.module.lines[-1].code)
    values = []
    for index, var in enumerate(variables):
        if op.op == "unbind":
            logical = tuple(a for i, a in enumerate(value.logical) if i != dim)
            physical = tuple(value.logical[i] for i in order if i != dim)
        else:
            logical, physical = resized(value, order, {dim: frame.out(index)[dim]})
        values.append(Value(logical, Storage(var, physical, value.dtype)))
    return tuple(values)


def select(frame: Frame, op: Op) -> Value:
    """``x[:, index]``."""
    value = given(frame)
    dim = op.arguments.get("dim", 0) % value.rank
    x, axis, order = along(frame, value, dim)
    made = code("{}[{}{}]", x, ":, " * axis, argument(frame, "index", op.arguments["index"]))
    logical = tuple(atoms for index, atoms in enumerate(value.logical) if index != dim)
    return frame.made(made, logical, tuple(value.logical[index] for index in order if index != dim))


def slice_(frame: Frame, op: Op) -> Value:
    """``x[:, start:end:step]``."""
    value = given(frame)
    dim, size = op.arguments.get("dim", 0) % value.rank, value.shape[op.arguments.get("dim", 0) % value.rank]
    start, end, step = op.arguments.get("start") or 0, op.arguments.get("end"), op.arguments.get("step", 1)
    end = None if end is None or end == size or (isinstance(end, int) and (end >= END or end == size)) else end
    if start == 0 and end is None and step == 1:
        return value
    x, axis, order = along(frame, value, dim)
    parts: list[Any] = [argument(frame, "start", start)] if start != 0 else []
    parts += [":", *([argument(frame, "end", end)] if end is not None else [])]
    parts += [":", Lit(step, "step")] if step != 1 else []
    return frame.made(
        code("{}[{}{}]", x, ":, " * axis, Many(tuple(parts))), *resized(value, order, {dim: frame.out()[dim]})
    )


def pad(frame: Frame, op: Op) -> Value:
    """``pad``: amounts follow the axes, wherever they lie."""
    value = given(frame)
    amounts, mode = op.arguments["pad"], op.arguments.get("mode", "constant")
    rank = value.rank
    sides = [(0, 0)] * rank
    for index in range(len(amounts) // 2):
        sides[rank - 1 - index] = (amounts[2 * index], amounts[2 * index + 1])
    order = appearing(value) if mode == "constant" else list(range(rank))
    x = frame.ordered(value, order)
    lying = [sides[axis] for axis in order]
    flat = [amount for side in reversed(lying) for amount in side]
    while len(flat) > 2 and flat[-2:] == [0, 0] and mode == "constant":
        flat = flat[:-2]
    flat = list(amounts) if mode != "constant" else flat
    fill = op.arguments.get("value")
    made = invoke("F.pad", x, Lit(tuple(flat), "pad"), mode=Default(mode, "constant"), value=Default(fill, None))
    changed = {axis: frame.out()[axis] for axis in range(rank) if sides[axis] != (0, 0)}
    layer = None
    if mode == "constant" and not fill and rank == 4 and len(flat) == 4:
        layer = invoke("nn.ZeroPad2d", Lit(tuple(flat), "pad"))
    return frame.made(made, *resized(value, order, changed), layer=layer)


def expand(frame: Frame, op: Op) -> Value:
    """``expand``."""
    value, shape = given(frame), frame.out()
    if value.shape == tuple(shape):
        return value
    return fresh(frame, code("{}.expand({})", frame.logical(value), frame.sizes(shape, hole=False)))


def repeat(frame: Frame, op: Op) -> Value:
    """``repeat``."""
    return fresh(
        frame, code("{}.repeat({})", frame.logical(given(frame)), argument(frame, "repeats", op.arguments["repeats"]))
    )


def repeat_interleave(frame: Frame, op: Op) -> Value:
    """``repeat_interleave`` along an axis, wherever it lies."""
    value, dim, repeats = given(frame), op.arguments.get("dim"), op.arguments.get("repeats")
    if dim is None or not isinstance(repeats, int):
        return plain(frame, op)  # type: ignore[no-any-return]
    x, axis, order = along(frame, value, dim)
    made = invoke(code("{}.repeat_interleave", x), Lit(repeats, "repeats"), dim=Lit(axis, "dim"))
    dim %= value.rank
    return frame.made(made, *resized(value, order, {dim: frame.out()[dim]}))


def index(frame: Frame, op: Op) -> Value:
    """``x[i, :, j]``."""
    parts: list[Any] = []
    for place in op.arguments["indices"]:
        made = Many((":",)) if place is None else frame.logical(frame.value(place))
        parts += [", ", made] if parts else [made]
    return fresh(frame, code("{}[{}]", frame.logical(given(frame)), Many(tuple(parts))))


def matmul(frame: Frame, op: Op) -> Value:
    """``x @ y``."""
    one, other = (
        frame.logical(given(frame, name)) for name in ("input", "mat2" if op.op in ("mm", "bmm") else "other")
    )
    return fresh(frame, code("{} @ {}", one, other))


def einsum(frame: Frame, op: Op) -> Value:
    """``einsum``."""
    codes = [frame.logical(frame.value(each)) for each in op.arguments["tensors"]]
    return fresh(frame, invoke("torch.einsum", Lit(op.arguments["equation"]), *codes))


def to(frame: Frame, op: Op) -> Value:
    """``to``: a cast, where the type changes."""
    value = given(frame)
    if value.dtype == frame.dtype():
        return value
    return like(frame, value, code(f"{{}}.to(torch.{frame.dtype()})", lies(frame, value)))


def by_mode(frame: Frame, op: Op) -> Value:
    """One wire in training, another in evaluation."""
    values = [frame.settled_weight(frame.value(op.arguments[name])) for name in ("training", "inference")]
    (one, other), logical, physical = frame.aligned(values)
    return frame.made(code("{} if self.training else {}", one, other), logical, physical)


def made_here(frame: Frame, op: Op) -> Value:
    """A tensor made from nothing."""
    shape, dtype = frame.sizes(frame.out(), hole=False), frame.dtype()
    name = op.op.removeprefix("new_").replace("empty", "zeros")
    fill = [argument(frame, "fill_value", op.arguments["fill_value"])] if "fill_value" in op.arguments else []
    near = _near(frame, dtype)
    if near is not None:  # of the same precision and on the same device, whatever these are
        return fresh(frame, invoke(code(f"{{}}.new_{name}", near), shape, *fill))
    options: dict[str, Any] = {} if dtype == "float32" else {"dtype": Many((f"torch.{dtype}",))}
    return fresh(frame, invoke(f"torch.{name}", shape, *fill, **options, **_device(frame)))


def arange(frame: Frame, op: Op) -> Value:
    """``arange``."""
    names = [name for name in ("start", "end", "step") if name in op.arguments]
    dtype = frame.dtype()
    options: dict[str, Any] = {} if dtype == "int64" else {"dtype": Many((f"torch.{dtype}",))}
    return fresh(
        frame,
        invoke("torch.arange", *(argument(frame, n, op.arguments[n]) for n in names), **options, **_device(frame)),
    )


def _near(frame: Frame, dtype: str) -> Any:
    """Return the code of a tensor of a data type among what the module is given."""
    ports = {id(var) for var in frame.module.ports}
    found = (value.storage for value in frame.values.values() if id(value.storage.code) in ports)
    return next((storage.code for storage in found if storage.dtype == dtype and dtype in FLOATS), None)


def _device(frame: Frame) -> dict[str, Any]:
    """Return the device of what the module is given."""
    var = frame.module.ports[0] if frame.module.ports else None
    return {} if var is None else {"device": code("{}.device", var)}


def resize(mode: str) -> Rule:
    """Return the rule of ``upsample_…``: ``F.interpolate``."""

    def rule(frame: Frame, op: Op) -> Value:
        value = given(frame)
        options: dict[str, Any] = {}
        scales = op.arguments.get("scale_factors")
        if scales is not None:
            options["scale_factor"] = Lit(tuple(float(scale) for scale in scales), "scale_factor")
        else:
            options["size"] = Lit(tuple(frame.out()[2:]), "size")
        options["mode"] = Lit(mode, "mode")
        if "nearest" not in mode:
            options["align_corners"] = Lit(bool(op.arguments.get("align_corners", False)), "align_corners")
        return fresh(frame, invoke("F.interpolate", frame.logical(value), **options))

    return rule


def copy(frame: Frame, op: Op) -> Value:
    """``copy(input, src)``."""
    source = frame.logical(frame.value(op.arguments["src"]))
    return fresh(frame, code("{}.expand({})", source, frame.sizes(frame.out(), hole=False)))


def dropout(frame: Frame, op: Op) -> Value:
    """``dropout`` and its like as a module."""
    value = given(frame)
    names = {"dropout": "Dropout", "feature_dropout": "Dropout2d", "alpha_dropout": "AlphaDropout"}
    mode, rate = frame.by_mode(op.arguments.get("train", True)), op.arguments.get("p", 0.5)
    rate = rate.training if isinstance(rate, ByMode) else rate
    if mode.training is False or rate == 0:
        return value
    feature = op.op == "feature_dropout"
    if mode.inference or op.op not in names or feature:
        frame.writer.draws.append(None)
    else:
        frame.writer.draws.append(drawn(value))
    if mode.inference or op.op not in names:
        return plain(frame, op)  # type: ignore[no-any-return]
    name = f"Dropout{value.rank - 2}d" if feature and value.rank in (3, 4, 5) else names[op.op]
    layer = frame.layer(invoke(f"nn.{name}", Lit(rate, "p")), name="dropout")
    if feature:
        return fresh(frame, invoke(layer, frame.logical(value)))
    return like(frame, value, invoke(layer, lies(frame, value)))


def broadcast_tensors(frame: Frame, op: Op) -> tuple[Value, ...]:
    """``broadcast_tensors(*tensors)``."""
    parts: list[Any] = []
    for each in op.arguments["tensors"]:
        made = argument(frame, "tensors", each)
        parts += [", ", made] if parts else [made]
    return several(frame, op, Many(("torch.broadcast_tensors(", *parts, ")")))


def index_put(frame: Frame, op: Op) -> Any:
    """``x[i, j] = y``; a number becomes a tensor first."""
    values = op.arguments["values"]
    made = argument(frame, "values", values)
    if not isinstance(made, Lit):
        return plain(frame, op)
    x = frame.logical(given(frame))
    number = code("torch.tensor({}, dtype={}.dtype, device={}.device)", made, x, x)
    rest = {n: argument(frame, n, v) for n, v in op.arguments.items() if n not in ("input", "values")}
    return fresh(frame, invoke("torch.index_put", x, values=number, **rest))


def refused(reason: str) -> Rule:
    """Return the rule of what torch itself cannot do."""

    def rule(frame: Frame, op: Op) -> Value:
        raise UnsupportedError(reason)

    return rule


SAME = (
    "relu gelu silu sigmoid tanh elu selu leaky_relu softplus hardswish hardsigmoid hardtanh mish celu relu6 softsign "
    "abs exp log log1p expm1 log2 log10 sqrt rsqrt sin cos tan asin acos atan sinh cosh asinh acosh atanh erf erfc "
    "floor ceil round sign square reciprocal isnan isinf isfinite neg logical_not bitwise_not trunc frac detach "
    "log_sigmoid erfinv hardshrink softshrink tanhshrink threshold zeros_like ones_like rand_like randn_like"
)
OPERATORS = {"add": "+", "sub": "-", "mul": "*", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
OPERATORS |= {"floor_divide": "//", "remainder": "%", "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^"}
OPERATORS |= {"__and__": "&", "__or__": "|", "__xor__": "^", "true_divide": "/", "divide": "/", "multiply": "*"}

OPS: dict[str, Rule] = {
    **dict.fromkeys((name for name in SAME.split() if name != "log_sigmoid"), unary),
    **{name: binary(f"{{}} {sign} {{}}") for name, sign in OPERATORS.items()},
    "div": division,
    "rsub": reverse,
    "pow": power,
    **dict.fromkeys(
        ("maximum", "minimum", "atan2", "logical_and", "logical_or", "logical_xor"), together("input", "other")
    ),
    "where": together("condition", "input", "other", by_place=True),
    "clamp": unary,
    **dict.fromkeys(("mean", "sum", "amax", "amin", "argmax", "argmin", "logsumexp", "any", "all", "prod"), reduction),
    **dict.fromkeys(("softmax", "log_softmax", "cumsum", "cumprod"), axial),
    **dict.fromkeys(("cat", "concat", "concatenate"), cat),
    **dict.fromkeys(("split", "chunk", "split_with_sizes", "tensor_split", "unbind"), split),
    "select": select,
    "slice": slice_,
    **dict.fromkeys(("pad", "constant_pad_nd"), pad),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to"), expand),
    "repeat": repeat,
    "broadcast_tensors": broadcast_tensors,
    "index_put": index_put,
    "repeat_interleave": repeat_interleave,
    "index": index,
    **dict.fromkeys(("to", "_to_copy", "type_as"), to),
    "by_mode": by_mode,
    **dict.fromkeys(("zeros", "ones", "empty", "full", "new_zeros", "new_ones", "new_empty", "new_full"), made_here),
    "arange": arange,
    **dict.fromkeys(("matmul", "mm", "bmm"), matmul),
    "einsum": einsum,
    "copy": copy,
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout"), dropout),
    "upsample_nearest1d": resize("nearest"),
    "upsample_nearest2d": resize("nearest"),
    "upsample_nearest3d": resize("nearest"),
    "_upsample_nearest_exact1d": resize("nearest-exact"),
    "_upsample_nearest_exact2d": resize("nearest-exact"),
    "_upsample_nearest_exact3d": resize("nearest-exact"),
    "upsample_linear1d": resize("linear"),
    "upsample_bilinear2d": resize("bilinear"),
    "upsample_bicubic2d": resize("bicubic"),
    "upsample_trilinear3d": resize("trilinear"),
}
