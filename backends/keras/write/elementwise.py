"""Elementwise: arithmetic, comparisons and activations as Keras writes them; operands are lined up by the writer."""

from typing import Any

from dualnet.backends.source.code import Lit, code, invoke
from dualnet.backends.source.form import Storage, Value, axes_of
from dualnet.backends.source.rules import Rule, given, lies, like
from dualnet.backends.source.writer import Frame
from dualnet.specs.program import ByMode, Held, Op, Ref, Sym

FLOATS = ("float16", "bfloat16", "float32", "float64")


def dtype_code(name: str) -> Any:
    """Return the code of a data type: floats are whatever the model computes in."""
    return "self.compute_dtype" if name == "float32" else Lit(name, "dtype")


def cast(frame: Frame, expression: Any, name: str) -> Any:
    """Return an expression cast to a data type."""
    return code("ops.cast({}, {})", expression, dtype_code(name))


def operand(frame: Frame, argument: Any, dtype: str) -> Value:
    """Return an operand in the data type in which the op computes."""
    if isinstance(argument, Sym):
        return Value((), Storage(cast(frame, frame.size(argument), dtype), (), dtype))
    if isinstance(argument, ByMode):
        frame.module.moody = True
        chosen = code("({} if training else {})", Lit(argument.training), Lit(argument.inference))
        return Value((), Storage(chosen, (), dtype))
    value = frame.value(argument)
    if not isinstance(argument, (Ref, Held)):
        kind = (
            float if dtype in FLOATS and isinstance(argument, (int, float)) and not isinstance(argument, bool) else None
        )
        return Value((), Storage(Lit(kind(argument) if kind else argument), (), dtype))
    if isinstance(value.storage.code, Lit) or value.dtype == dtype:
        return value
    return like(frame, frame.settled_weight(value), cast(frame, lies(frame, value), dtype), dtype=dtype)


def common(frame: Frame, *arguments: Any) -> str:
    """Return the data type in which an op on several operands computes: the widest of its tensors."""
    tensors = [frame.value(a) for a in arguments if isinstance(a, (Ref, Held))]
    ranked = [t for t in tensors if t.rank and not isinstance(t.storage.code, Lit)] or tensors
    found = max((t.dtype for t in ranked), key=_width, default="float32")
    others = [t.dtype for t in tensors if t.dtype in FLOATS]
    numbers = [a for a in arguments if isinstance(a, float)]
    return found if found in FLOATS or not (others or numbers) else max(others, key=_width, default="float32")


def _width(name: str) -> int:
    order = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")
    return order.index(name) if name in order else len(order)


def unary(target: str, layer: str = "") -> Rule:
    """Return the rule of a function of one tensor."""

    def rule(frame: Frame, op: Op) -> Value:
        value = given(frame)
        if value.dtype not in FLOATS and frame.dtype() in FLOATS:
            value = operand(frame, op.arguments["input"], frame.dtype())
        x = lies(frame, value)
        return like(frame, value, invoke(target, x), layer=code(layer) if layer else None)

    return rule


def formula(template: str, *parts: str, layer: str = "") -> Rule:
    """Return the rule of a template in which every ``{}`` is the tensor."""

    def rule(frame: Frame, op: Op) -> Value:
        value = given(frame)
        if value.dtype not in FLOATS and frame.dtype() in FLOATS:
            value = operand(frame, op.arguments["input"], frame.dtype())
        frame.writer.parts.update(parts)
        x = lies(frame, value)
        return like(frame, value, code(template, *[x] * template.count("{}")), layer=code(layer) if layer else None)

    return rule


def binary(template: str, names: tuple[str, str] = ("input", "other"), floats: bool = False) -> Rule:
    """Return the rule of a function of two operands that broadcast."""

    def rule(frame: Frame, op: Op) -> Value:
        one, other = (op.arguments[name] for name in names)
        dtype = common(frame, one, other)
        dtype = frame.dtype() if floats and dtype not in FLOATS else dtype
        values = [operand(frame, argument, dtype) for argument in (one, other)]
        (left, right), logical, physical = frame.aligned(values)
        scale = op.arguments.get("alpha", 1)
        if scale != 1:
            right = code("{} * {}", Lit(scale, "alpha"), right)
        return frame.made(code(template, left, right), logical, physical)

    return rule


def reverse(template: str) -> Rule:
    """Return the rule of ``rsub``: operands change places."""
    return binary(template, ("other", "input"))


def division(frame: Frame, op: Op) -> Value:
    """``div``, with its rounding."""
    mode = op.arguments.get("rounding_mode")
    whole = frame.dtype() not in FLOATS
    if mode == "floor":
        return binary("{} // {}")(frame, op)  # type: ignore[no-any-return]
    if mode == "trunc":
        frame.writer.parts.add("trunc_divide")
        return binary("trunc_divide({}, {})")(frame, op)  # type: ignore[no-any-return]
    return binary("{} / {}", floats=not whole)(frame, op)  # type: ignore[no-any-return]


def pieces(*names: str, template: str, parts: tuple[str, ...] = ()) -> Rule:
    """Return the rule of a function of several tensors that broadcast, in the order of ``names``."""

    def rule(frame: Frame, op: Op) -> Value:
        frame.writer.parts.update(parts)
        dtype = frame.dtype()
        values = [operand(frame, op.arguments[name], dtype) for name in names]
        codes, logical, physical = frame.aligned(values)
        return frame.made(code(template, *codes), logical, physical)

    return rule


def extreme(name: str) -> Rule:
    """Return the rule of ``maximum`` or ``minimum``; equal floats share the gradient, integers have none."""

    def rule(frame: Frame, op: Op) -> Any:
        shared = frame.dtype() in FLOATS
        template = f"{name}({{}}, {{}})" if shared else f"ops.{name}({{}}, {{}})"
        return pieces("input", "other", template=template, parts=(name,) if shared else ())(frame, op)

    return rule


def scaled(plain: str, template: str) -> Rule:
    """Return the rule of ``addcmul`` and its like: input + value·(one with other)."""

    def rule(frame: Frame, op: Op) -> Value:
        values = [operand(frame, op.arguments[name], frame.dtype()) for name in ("input", "tensor1", "tensor2")]
        (x, one, other), logical, physical = frame.aligned(values)
        scale = op.arguments.get("value", 1)
        made = code(plain, x, one, other) if scale == 1 else code(template, x, Lit(scale, "scale"), one, other)
        return frame.made(made, logical, physical)

    return rule


def to(frame: Frame, op: Op) -> Value:
    """``to``, ``_to_copy``, ``type_as``: a cast, where the type changes."""
    value = frame.tensor("input")
    assert value is not None  # ATen's schema
    if value.dtype == frame.dtype():
        return value
    if isinstance(value.storage.code, Lit):
        kinds: dict[str, Any] = {"bool": bool, **dict.fromkeys(FLOATS, float)}
        number = kinds.get(frame.dtype(), int)(value.storage.code.value)
        return Value((), Storage(Lit(number), (), frame.dtype()))
    expression = lies(frame, value)
    if value.dtype in FLOATS and frame.dtype() not in (*FLOATS, "bool"):
        frame.writer.parts.add("truncate")
        return like(frame, value, code("truncate({}, {})", expression, Lit(frame.dtype(), "dtype")))
    return like(frame, value, cast(frame, expression, frame.dtype()))


def broadcast_tensors(frame: Frame, op: Op) -> tuple[Value, ...]:
    """``broadcast_tensors``: each to the shape of all."""
    values = [frame.settled_weight(frame.value(argument)) for argument in op.arguments["tensors"]]
    return tuple(broadcast(frame, value, frame.out(index)) for index, value in enumerate(values))


def copy(frame: Frame, op: Op) -> Value:
    """``copy(input, src)``: the source, broadcast to the input's shape, in its type."""
    source = operand(frame, op.arguments["src"], frame.dtype())
    return broadcast(frame, source, frame.out())


def expand(frame: Frame, op: Op) -> Value:
    """``expand``, ``expand_as``: the shape is what the program says comes out."""
    return broadcast(frame, given(frame), frame.out())


def broadcast(frame: Frame, value: Value, shape: Any) -> Value:
    """Return a value repeated along its axes of size 1 to a shape."""
    lead = len(shape) - value.rank
    if not lead and value.shape == tuple(shape):
        return value
    if isinstance(value.storage.code, Lit):
        made = code(
            "ops.full({}, {}, dtype={})", frame.sizes(shape, hole=False), value.storage.code, dtype_code(value.dtype)
        )
        axes = axes_of(shape)
        return frame.made(made, axes, axes, value.dtype)
    value = Value(((),) * lead + value.axes, value.storage) if value.rank else Value(((),) * lead, value.storage)
    if not value.placed or value.rank == lead:
        order = list(range(value.rank))
        x = frame.code(frame.form(value, value.logical)) if value.rank > lead else frame.code(value.storage)
    else:
        x, order = frame.whole(value)
    logical = tuple(atoms or axes_of((size,))[0] for atoms, size in zip(value.logical, shape, strict=True))
    sizes = frame.sizes(tuple(shape[axis] for axis in order), hole=False)
    return frame.made(
        code("ops.broadcast_to({}, {})", x, sizes), logical, tuple(logical[axis] for axis in order), value.dtype
    )


def power(frame: Frame, op: Op) -> Value:
    """``pow``."""
    exponent = op.arguments.get("exponent")
    base = op.arguments["input"]
    if exponent == 2 and not isinstance(exponent, bool):
        return unary("ops.square")(frame, op)  # type: ignore[no-any-return]
    if exponent == 0.5:
        return unary("ops.sqrt")(frame, op)  # type: ignore[no-any-return]
    dtype = frame.dtype()
    values = [operand(frame, argument, dtype) for argument in (base, exponent)]
    if isinstance(values[0].storage.code, Lit):
        values[0] = Value((), Storage(cast(frame, values[0].storage.code, dtype), (), dtype))
    (left, right), logical, physical = frame.aligned(values)
    return frame.made(code("{} ** {}", left, right), logical, physical)


PLAIN = (
    "abs exp log log1p expm1 log2 log10 sqrt rsqrt sin cos tan asin:arcsin acos:arccos atan:arctan sinh cosh tanh "
    "asinh:arcsinh acosh:arccosh atanh:arctanh erf erfinv floor ceil round sign square sigmoid reciprocal isnan "
    "isinf isfinite softsign sgn:sign absolute:abs arctan arcsin arccos real imag conj"
)


def _plain() -> dict[str, Rule]:
    pairs = [word.partition(":") for word in PLAIN.split()]
    return {name: unary(f"ops.{other or name}") for name, _, other in pairs}


ELEMENTWISE: dict[str, Rule] = {
    **_plain(),
    "relu": unary("ops.relu", "layers.ReLU()"),
    "sigmoid": unary("ops.sigmoid", 'layers.Activation("sigmoid")'),
    "tanh": unary("ops.tanh", 'layers.Activation("tanh")'),
    "silu": unary("ops.silu", 'layers.Activation("silu")'),
    "mish": formula("mish({})", "mish"),
    "exp2": formula("ops.cast(2.0, {}.dtype) ** {}"),
    "neg": formula("-{}"),
    "rsqrt": unary("ops.rsqrt"),
    "reciprocal": formula("1.0 / {}"),
    "frac": formula("{} - ops.trunc({})"),
    "trunc": unary("ops.trunc"),
    "fix": unary("ops.trunc"),
    "erfc": formula("1.0 - ops.erf({})"),
    "deg2rad": formula("{} * math.pi / 180.0"),
    "rad2deg": formula("{} * 180.0 / math.pi"),
    "sinc": formula("sinc({})", "sinc"),
    "signbit": formula("{} < 0"),
    "angle": formula("ops.where({} < 0, math.pi * ops.ones_like({}), ops.zeros_like({}))"),
    "hardsigmoid": formula("hardsigmoid({})", "hardsigmoid"),
    "log_sigmoid": formula("-ops.softplus(-{})"),
    "hardswish": formula("{} * ops.clip({} + 3.0, 0.0, 6.0) / 6.0"),
    "selu": formula("selu({})", "selu"),
    "tanhshrink": formula("{} - ops.tanh({})"),
    "add": binary("{} + {}"),
    "sub": binary("{} - {}"),
    "subtract": binary("{} - {}"),
    "rsub": reverse("{} - {}"),
    "mul": binary("{} * {}"),
    "multiply": binary("{} * {}"),
    "div": division,
    "divide": division,
    "true_divide": binary("{} / {}", floats=True),
    "floor_divide": binary("{} // {}"),
    "remainder": binary("{} % {}"),
    "fmod": pieces("input", "other", template="fmod({}, {})", parts=("fmod",)),
    "pow": power,
    "float_power": power,
    "maximum": extreme("maximum"),
    "minimum": extreme("minimum"),
    "fmax": extreme("maximum"),
    "fmin": extreme("minimum"),
    "atan2": pieces("input", "other", template="ops.arctan2({}, {})"),
    "arctan2": pieces("input", "other", template="ops.arctan2({}, {})"),
    "hypot": pieces("input", "other", template="ops.sqrt(ops.square({}) + ops.square({}))"),
    "logaddexp": pieces("input", "other", template="ops.logaddexp({}, {})"),
    "xlogy": pieces("input", "other", template="xlogy({}, {})", parts=("xlogy",)),
    "special_xlogy": pieces("input", "other", template="xlogy({}, {})", parts=("xlogy",)),
    "copysign": pieces("input", "other", template="ops.abs({}) * ops.where({} < 0, -1.0, 1.0)"),
    "addcmul": scaled("{} + {} * {}", "{} + {} * {} * {}"),
    "addcdiv": scaled("{} + {} / {}", "{} + {} * {} / {}"),
    "heaviside": pieces("input", "values", template="heaviside({}, {})", parts=("heaviside",)),
    "lerp": pieces("input", "end", "weight", template="lerp({}, {}, {})", parts=("lerp",)),
    "isposinf": formula('ops.equal({}, float("inf"))'),
    "isneginf": formula('ops.equal({}, float("-inf"))'),
    "logaddexp2": pieces("input", "other", template="ops.logaddexp2({}, {})"),
    **{name: binary("ops.left_shift({}, {})") for name in ("__lshift__", "bitwise_left_shift")},
    **{name: binary("ops.right_shift({}, {})") for name in ("__rshift__", "bitwise_right_shift")},
    "to": to,
    "_to_copy": to,
    "type_as": to,
    "detach": unary("ops.stop_gradient"),
    "copy": copy,
    "broadcast_tensors": broadcast_tensors,
    "expand": expand,
    "expand_as": expand,
    "broadcast_to": expand,
}
