"""Activations: functions of one tensor with PyTorch's constants and gradients."""

from typing import Any

from dualnet.backends.keras.write.elementwise import ELEMENTWISE, operand
from dualnet.backends.source.code import Default, Lit, code, invoke
from dualnet.backends.source.form import Value
from dualnet.backends.source.rules import Rule, given, kept, lies, like
from dualnet.backends.source.writer import Frame
from dualnet.specs.program import Op


def hardtanh(frame: Frame, op: Op) -> Value:
    """``hardtanh``: the gradient at the bounds is 0, as PyTorch's."""
    value = given(frame)
    frame.writer.parts.add("hardtanh")
    low, high = (
        (0.0, 6.0) if op.op == "relu6" else (op.arguments.get("min_val", -1.0), op.arguments.get("max_val", 1.0))
    )
    return like(
        frame, value, code("hardtanh({}, {}, {})", lies(frame, value), Lit(float(low), "low"), Lit(float(high), "high"))
    )


def configured(part: str, **options: Any) -> Rule:
    """Return the rule of a part with numbers: keyword of the part = (ATen's name, default)."""

    def rule(frame: Frame, op: Op) -> Value:
        value = given(frame)
        frame.writer.parts.add(part)
        chosen = {key: op.arguments.get(name, default) for key, (name, default) in options.items()}
        made = invoke(part, lies(frame, value), **{k: Default(v, options[k][1]) for k, v in chosen.items()})
        return like(frame, value, made)

    return rule


def gelu(frame: Frame, op: Op) -> Value:
    """``gelu``, exact or by tanh."""
    value = given(frame)
    frame.writer.parts.add("gelu")
    tanh = op.arguments.get("approximate", "none") == "tanh"
    x = lies(frame, value)
    made = invoke("gelu", x, approximate=Default(tanh, False))
    layer = code("layers.Activation(gelu)") if not tanh else None
    return like(frame, value, made, layer)


def softmax(name: str) -> Rule:
    """Return the rule of ``softmax`` and its like, along an axis."""

    def rule(frame: Frame, op: Op) -> Value:
        value = operand(frame, op.arguments["input"], frame.dtype())
        if not value.rank:  # a scalar is the softmax of itself alone
            return like(frame, value, code(f"{{}} * 0.0{' + 1.0' if name == 'softmax' else ''}", lies(frame, value)))
        x, order = frame.whole(value)
        axis = order.index(op.arguments["dim"] % value.rank)
        axis = -1 if axis == value.rank - 1 else axis
        made = invoke(f"ops.{name}", x, axis=Default(axis, -1))
        layer = invoke("layers.Softmax", axis=Default(axis, -1)) if name == "softmax" else None
        return kept(frame, value, order, made, layer)

    return rule


def threshold(frame: Frame, op: Op) -> Value:
    """``threshold``: x above it, else a value."""
    value = given(frame)
    x = lies(frame, value)
    limit, other = (Lit(float(op.arguments[name]), name) for name in ("threshold", "value"))
    return like(frame, value, code("ops.where({} > {}, {}, {})", x, limit, x, other))


ACTIVATIONS: dict[str, Rule] = {
    "logit": configured("logit", eps=("eps", None)),
    "nan_to_num": configured("nan_to_num", nan=("nan", 0.0), posinf=("posinf", None), neginf=("neginf", None)),
    "hardtanh": hardtanh,
    "relu6": hardtanh,
    "softplus": configured("softplus", beta=("beta", 1.0), threshold=("threshold", 20.0)),
    "leaky_relu": configured("leaky_relu", slope=("negative_slope", 0.01)),
    "elu": configured("elu", alpha=("alpha", 1.0), scale=("scale", 1.0), input_scale=("input_scale", 1.0)),
    "celu": configured("celu", alpha=("alpha", 1.0)),
    "hardshrink": configured("hardshrink", lambd=("lambd", 0.5)),
    "softshrink": configured("softshrink", lambd=("lambd", 0.5)),
    "threshold": threshold,
    "gelu": gelu,
    "softmax": softmax("softmax"),
    "log_softmax": softmax("log_softmax"),
    "special_softmax": softmax("softmax"),
    "special_log_softmax": softmax("log_softmax"),
}
SPECIAL = "expit:sigmoid erf erfc erfinv expm1 log1p exp2 logit sinc xlogy softmax log_softmax round"
ACTIVATIONS |= {
    f"special_{name}": {**ELEMENTWISE, **ACTIVATIONS}[other or name]
    for name, _, other in (word.partition(":") for word in SPECIAL.split())
}
