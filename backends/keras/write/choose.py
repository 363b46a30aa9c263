"""Choose: comparisons, masks, bounds and casts."""

import math
from typing import Any

from dualnet.backends.keras.write.elementwise import FLOATS, binary, cast, common, operand
from dualnet.backends.source.code import Lit, code, invoke
from dualnet.backends.source.form import Value
from dualnet.backends.source.rules import Rule, lies, like
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import Held, Op, Ref


def isclose(frame: Frame, op: Op) -> Value:
    """``isclose``."""
    values = [operand(frame, op.arguments[name], _wider(frame, op)) for name in ("input", "other")]
    (x, y), logical, physical = frame.aligned(values)
    far, share = (Lit(op.arguments.get(name, default), name) for name, default in (("atol", 1e-8), ("rtol", 1e-5)))
    return frame.made(code("ops.abs({} - {}) <= {} + {} * ops.abs({})", x, y, far, share, y), logical, physical)


def _wider(frame: Frame, op: Op) -> str:
    return common(frame, op.arguments["input"], op.arguments["other"])


def where(frame: Frame, op: Op) -> Value:
    """``where(condition, input, other)``."""
    if "other" not in op.arguments and "input" not in op.arguments:
        msg = "where(condition) alone gives a shape that depends on values"
        raise UnsupportedError(msg)
    dtype = frame.dtype()
    names = ("input", "other")
    values = [operand(frame, op.arguments["condition"], "bool")]
    values += [operand(frame, op.arguments[name], dtype) for name in names]
    codes, logical, physical = frame.aligned(values)
    codes = [
        cast(frame, c, dtype) if isinstance(c, Lit) and all(isinstance(x, Lit) for x in codes[1:]) else c for c in codes
    ]
    return frame.made(code("ops.where({}, {}, {})", *codes), logical, physical)


def masked_fill(frame: Frame, op: Op) -> Value:
    """``masked_fill(input, mask, value)``."""
    dtype = frame.dtype()
    values = [operand(frame, op.arguments["mask"], "bool")]
    values += [operand(frame, op.arguments[name], dtype) for name in ("value", "input")]
    codes, logical, physical = frame.aligned(values)
    return frame.made(code("ops.where({}, {}, {})", *codes), logical, physical)


def clamp(frame: Frame, op: Op) -> Value:
    """``clamp(input, min, max)``: the gradient at the bounds is 1, as PyTorch's."""
    low, high = op.arguments.get("min"), op.arguments.get("max")
    if isinstance(low, (Ref, Held)) or isinstance(high, (Ref, Held)):
        bounds = [name for name in ("min", "max") if op.arguments.get(name) is not None]
        dtype = frame.dtype()
        values = [operand(frame, op.arguments[name], dtype) for name in ("input", *bounds)]
        codes, logical, physical = frame.aligned(values)
        text = "{}"
        for name in bounds:
            text = f"ops.{'maximum' if name == 'min' else 'minimum'}({text}, {{}})"
        return frame.made(code(text, *codes), logical, physical)
    value = operand(frame, op.arguments["input"], frame.dtype())
    x = lies(frame, value)
    low = Lit(-math.inf if low is None else low, "low")
    high = Lit(math.inf if high is None else high, "high")
    if value.dtype not in FLOATS:
        text = "{}"
        parts: list[Any] = [x]
        if low.value != -math.inf:
            text, parts = f"ops.maximum({text}, {{}})", [*parts, low]
        if high.value != math.inf:
            text, parts = f"ops.minimum({text}, {{}})", [*parts, high]
        return like(frame, value, code(text, *parts))
    if op.op in ("relu6", "hardtanh"):
        frame.writer.parts.add("hardtanh")
        return like(frame, value, code("hardtanh({}, {}, {})", x, low, high))
    frame.writer.parts.add("clamp")
    return like(frame, value, code("clamp({}, {}, {})", x, low, high))


def by_mode(frame: Frame, op: Op) -> Value:
    """One wire in training, another in evaluation."""
    frame.module.moody = True
    values = [frame.value(op.arguments[name]) for name in ("training", "inference")]
    values = [frame.settled_weight(value) for value in values]
    (one, other), logical, physical = frame.aligned(values)
    return frame.made(code("{} if training else {}", one, other), logical, physical)


def _logical(name: str) -> Rule:
    def rule(frame: Frame, op: Op) -> Value:
        values = [operand(frame, op.arguments[key], "bool") for key in ("input", "other")]
        codes, logical, physical = frame.aligned(values)
        return frame.made(code(f"ops.logical_{name}({{}}, {{}})", *codes), logical, physical)

    return rule


def bitwise(name: str) -> Rule:
    """Return the rule of a bitwise op; on booleans it is the logical one."""

    def rule(frame: Frame, op: Op) -> Value:
        if frame.dtype() == "bool":
            return _logical(name)(frame, op)  # type: ignore[no-any-return]
        return binary(f"ops.bitwise_{name}({{}}, {{}})")(frame, op)  # type: ignore[no-any-return]

    return rule


def negation(frame: Frame, op: Op) -> Value:
    """``bitwise_not``, ``logical_not``."""
    dtype = "bool" if op.op == "logical_not" else frame.dtype()
    value = operand(frame, op.arguments["input"], dtype)
    name = "logical_not" if dtype == "bool" else "bitwise_not"
    return like(frame, value, invoke(f"ops.{name}", lies(frame, value)))


COMPARE = {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}


SIGNS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}


CHOOSE: dict[str, Rule] = {
    **{
        name: binary(f"{{}} {SIGNS[name]} {{}}" if name in SIGNS else f"ops.{word}({{}}, {{}})")
        for name, word in COMPARE.items()
    },
    "logical_and": _logical("and"),
    "logical_or": _logical("or"),
    "logical_xor": _logical("xor"),
    "bitwise_and": bitwise("and"),
    "bitwise_or": bitwise("or"),
    "bitwise_xor": bitwise("xor"),
    "__and__": bitwise("and"),
    "__or__": bitwise("or"),
    "__xor__": bitwise("xor"),
    "bitwise_not": negation,
    "logical_not": negation,
    "isclose": isclose,
    "where": where,
    "masked_fill": masked_fill,
    "clamp": clamp,
    "clip": clamp,
    "clamp_min": clamp,
    "clamp_max": clamp,
    "by_mode": by_mode,
}
