"""Losses inside a model: element by element as formulas, of classes along whichever axis memory has them."""

import re
from typing import Any

from dualnet.backends.keras.write.elementwise import FLOATS, operand
from dualnet.backends.source.code import Default, Expression, Lit, Many, code, invoke
from dualnet.backends.source.form import Value
from dualnet.backends.source.rules import Rule, fresh, given
from dualnet.backends.source.writer import Frame
from dualnet.specs.program import Op

REDUCTIONS = {0: "none", 1: "mean", 2: "sum"}


def filled(template: str, codes: dict[str, Any]) -> Many:
    """Return a template with each ``{name}`` replaced by an expression."""
    parts = re.split(r"\{(\w+)\}", template)
    return Many(tuple(codes[part] if index % 2 else part for index, part in enumerate(parts) if index % 2 or part))


def reduced(frame: Frame, op: Op, made: Any, logical: Any, physical: Any) -> Value:
    """Enter a loss, reduced as the op asks."""
    reduction = REDUCTIONS[op.arguments.get("reduction", 1)]
    if reduction == "none":
        return frame.made(made, logical, physical)
    return frame.made(code(f"ops.{reduction}({{}})", made), (), ())


def formula(template: str, tensors: str, numbers: str = "", part: str = "") -> Rule:
    """Return the rule of a loss of tensors that broadcast; ``numbers`` are options with their defaults."""

    def rule(frame: Frame, op: Op) -> Value:
        values = [operand(frame, op.arguments[name], frame.dtype()) for name in tensors.split()]
        codes, logical, physical = frame.aligned(values)
        given_codes = dict(zip(tensors.split(), codes, strict=True)) | _numbers(op, numbers)
        frame.writer.parts.update({part} - {""})
        return reduced(frame, op, filled(template, given_codes), logical, physical)

    return rule


def _numbers(op: Op, listed: str) -> dict[str, Expression]:
    pairs = [word.split("=") for word in listed.split()]
    return {name: Lit(op.arguments.get(name, _value(text)), name) for name, text in pairs}


def _value(text: str) -> Any:
    return {"True": True, "False": False}[text] if text in ("True", "False") else float(text)


def smooth_l1(frame: Frame, op: Op) -> Value:
    """``smooth_l1_loss``: Huber's over beta; the absolute value where beta is 0."""
    beta = float(op.arguments.get("beta", 1.0))
    if not beta:
        return formula("ops.abs({input} - {target})", "input target")(frame, op)  # type: ignore[no-any-return]
    scale = "" if beta == 1.0 else " / {beta}"
    template = "squared_then_linear({input} - {target}, {beta})" + scale
    return formula(template, "input target", "beta=1.0", "squared_then_linear")(frame, op)  # type: ignore[no-any-return]


def binary(frame: Frame, op: Op) -> Value:
    """``binary_cross_entropy``, of probabilities or of logits, by weights."""
    logits = op.op.endswith("logits")
    part = "logit_cross_entropy" if logits else "binary_cross_entropy"
    names = [name for name in ("input", "target", "pos_weight", "weight") if op.arguments.get(name) is not None]
    template = f"{part}({{input}}, {{target}}{', {pos_weight}' if 'pos_weight' in names else ''})"
    template += " * {weight}" if "weight" in names else ""
    return formula(template, " ".join(names), part=part)(frame, op)  # type: ignore[no-any-return]


def along_last(part: str, tensors: str, numbers: str = "") -> Rule:
    """Return the rule of a loss that a part works out of tensors in the program's own order, over the last axis."""

    def rule(frame: Frame, op: Op) -> Value:
        frame.writer.parts.add(part)
        values = [frame.value(op.arguments[name]) for name in tensors.split()]
        options: dict[str, Any] = {
            name: Default(op.arguments.get(name, _value(text)), _value(text))
            for name, text in (word.split("=") for word in numbers.split())
        }
        if op.arguments.get("weight") is not None:
            options["weight"] = frame.logical(given(frame, "weight"))
        made = invoke(part, *(frame.logical(value) for value in values), **options)
        reduction = REDUCTIONS[op.arguments.get("reduction", 1)]
        return fresh(frame, made if reduction == "none" else code(f"ops.{reduction}({{}})", made))

    return rule


def classes(frame: Frame, op: Op) -> Value:
    """``cross_entropy_loss``, ``nll_loss``: the class axis stays where memory has it."""
    value, target = frame.settled_weight(given(frame)), frame.settled_weight(given(frame, "target"))
    x, order = frame.whole(value)
    at = min(1, value.rank - 1)
    soft = target.dtype in FLOATS
    y = frame.ordered(target, order if soft else [axis - (axis > at) for axis in order if axis != at])
    part = "soft_cross_entropy" if soft else "cross_entropy" if op.op == "cross_entropy_loss" else "nll"
    frame.writer.parts.add(part)
    reduction = REDUCTIONS[op.arguments.get("reduction", 1)]
    options: dict[str, Any] = {"reduction": Default(reduction, "mean"), "axis": Default(order.index(at), 1)}
    if op.arguments.get("weight") is not None:
        options["weight"] = frame.logical(given(frame, "weight"))
    if not soft:
        options["ignore_index"] = Default(op.arguments.get("ignore_index", -100), -100)
    if part != "nll":
        options["smoothing"] = Default(float(op.arguments.get("label_smoothing", 0.0)), 0.0)
    if reduction != "none":
        return frame.made(invoke(part, x, y, **options), (), ())
    logical = tuple(atoms for axis, atoms in enumerate(value.logical) if axis != at)
    lying = tuple(value.logical[axis] for axis in order if axis != at)
    return frame.made(invoke(part, x, y, **options), logical, lying)


def ctc(frame: Frame, op: Op) -> Value:
    """``ctc_loss``."""
    frame.writer.parts.add("ctc_loss")
    lengths = [op.arguments[name] for name in ("input_lengths", "target_lengths")]
    codes = [
        Lit(list(each), "lengths") if isinstance(each, tuple) else frame.logical(frame.value(each)) for each in lengths
    ]
    made = invoke(
        "ctc_loss", frame.logical(given(frame, "log_probs")), frame.logical(given(frame, "targets")), *codes,
        blank=Default(op.arguments.get("blank", 0), 0),
        zero_infinity=Default(op.arguments.get("zero_infinity", False), False),
        reduction=Default(REDUCTIONS[op.arguments.get("reduction", 1)], "mean"),
    )  # fmt: skip
    return fresh(frame, made)


LOSSES: dict[str, Rule] = {
    "mse_loss": formula("ops.square({input} - {target})", "input target"),
    "l1_loss": formula("ops.abs({input} - {target})", "input target"),
    "smooth_l1_loss": smooth_l1,
    "huber_loss": formula(
        "squared_then_linear({input} - {target}, {delta})", "input target", "delta=1.0", "squared_then_linear"
    ),
    "binary_cross_entropy": binary,
    "binary_cross_entropy_with_logits": binary,
    "kl_div": formula("divergence({input}, {target}, {log_target})", "input target", "log_target=False", "divergence"),
    "hinge_embedding_loss": formula(
        "hinge_embedding({input}, {target}, {margin})", "input target", "margin=1.0", "hinge_embedding"
    ),
    "margin_ranking_loss": formula(
        "ops.maximum({margin} - {target} * ({input1} - {input2}), 0.0)", "input1 input2 target", "margin=0.0"
    ),
    "soft_margin_loss": formula("ops.softplus(-{target} * {input})", "input target"),
    "poisson_nll_loss": formula(
        "poisson({input}, {target}, {log_input}, {full}, {eps})",
        "input target",
        "log_input=True full=False eps=1e-8",
        "poisson",
    ),
    "cosine_embedding_loss": along_last("cosine_embedding", "input1 input2 target", "margin=0.0"),
    "triplet_margin_loss": along_last("triplet", "anchor positive negative", "margin=1.0 p=2.0 eps=1e-6 swap=False"),
    "multi_margin_loss": along_last("multi_margin", "input target", "p=1.0 margin=1.0"),
    "multilabel_margin_loss": along_last("multilabel_margin", "input target"),
    **dict.fromkeys(("cross_entropy_loss", "nll_loss", "nll_loss_nd", "nll_loss2d"), classes),
    "ctc_loss": ctc,
}
