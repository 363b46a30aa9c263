"""Certify: the ladder on two live models that nobody described, from their weights to a few training steps."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dualnet.backends.draws import Array, Arrays, Draw
from dualnet.backends.live import CHANNELS, Inputs, Live, Run
from dualnet.backends.recipe import Recipe
from dualnet.compare.couple import Couple, Made
from dualnet.compare.located import locate
from dualnet.compare.noise import hush, settle
from dualnet.compare.report import Report
from dualnet.compare.stage import Stage, largest
from dualnet.compare.tolerance import SAME_AFTER_STEPS
from dualnet.compare.verdict import Finding
from dualnet.compare.weighed import lone, matters, numbers

TWICE = "numbers that differ when it is run twice"  # as a recording says it
PASSES = ("forward", "train mode", "gradients", "loss", "step", "state")
UNGIVEN = "Weights cannot be given across, for no pairs of them were found"
RANDOM = ("train mode", "gradients", "loss", "step", "state")


def given(inputs: Any) -> Inputs:
    """Return inputs by place and keyword: of one array, a sequence of them, or a mapping."""
    if isinstance(inputs, Mapping):
        return dict(inputs)
    return dict(enumerate(inputs)) if isinstance(inputs, (tuple, list)) else {0: inputs}


def certify(
    left: Callable[[str], Live],
    right: Callable[[str], Live],
    inputs: Any,
    name: str = "model",
    sides: tuple[str, str] = ("torch", "keras"),
    *,
    training: bool = True,
    steps: int = 5,
    weights_from: str | None = "left",
    strict: bool = True,
    note: str = "",
    layout: Callable[[str, Array], Array] = lambda name, array: array,
    recipes: tuple[Recipe, Recipe] | None = None,
    targets: Any = None,
) -> Report:
    """Return the report on two live models; ``left("float64")`` opens the left one in a precision.

    ``inputs`` are arrays in the left side's order: one, a tuple, or a dict by place and keyword. Both sides start from
    the weights of ``weights_from`` ("left" or "right", then constant ones are moved off 0 and 1), or each from its own
    (None). ``strict`` blames a trained weight without counterpart; else such weights are listed as not checked.
    ``recipes`` and ``targets`` are the sides' own training; without them they take a few steps of momentum.
    ``layout(name, array)`` returns a weight of the left side as PyTorch lays it, by which causes are sought.
    """
    labels = sides if sides[0] != sides[1] else (f"{sides[0]} (left)", f"{sides[1]} (right)")
    channels = CHANNELS[sides[0]], CHANNELS[sides[1]]
    couple = Couple((left, right), labels, given(inputs), weights_from, steps, 0.0, channels, recipes, targets)
    report = Report(name, list(labels))
    for stage, rule in RULES.items():
        if stage == "loss" and recipes is None:
            continue
        start = time.perf_counter()
        if stage in ("train mode", "loss", "step", "state") and not training:
            made = Stage(stage, skipped="not asked for")
        else:
            made = _tried(stage, lambda: rule(couple, training))  # noqa: B023 - called at once
        made.seconds = time.perf_counter() - start
        report.stages.append(made)
    _unpaired(report, couple, strict, note)
    _ungiven(report, couple)
    _unshared(report, couple)
    _unsteady(report, couple)
    settle(report, couple)
    hush(report, couple)
    locate(report, couple, layout)
    _explain(report)
    return report


def _tried(name: str, run: Callable[[], Stage]) -> Stage:
    """Return a stage; one that fails is not checked, with the reason."""
    try:
        stage = run()
    except Exception as error:  # a framework's own, of which there is no list
        return Stage(name, skipped=f"{type(error).__name__}: {_said(error)}")
    first = stage.first("divergent", "unstable")
    stage.where = stage.where or (first.name if first else "")
    stage.cause = stage.cause or (first.note if first else "")
    return stage


def _said(error: Exception) -> str:
    """Return the line of an error that says what is wrong; Keras says first where, and in bold what."""
    lines = [re.sub(r"\x1b\[\d*m", "", line).strip() for line in str(error).splitlines()]
    return next((line for line in lines if line and not line.startswith("Exception encountered when calling")), "")


def structure(couple: Couple, training: bool) -> Stage:
    """Compare which weights there are, their shapes and which of them train."""
    both = [couple.live(side, "float64") for side in couple.sides]
    weights, trained = [couple.own[side] for side in couple.sides], [set(live.trainable()) for live in both]
    stage = Stage("structure")
    for name in couple.paired:
        shapes, trains = [found[name].shape for found in weights], [name in found for found in trained]
        differs = f"shapes {shapes[0]} and {shapes[1]}" if shapes[0] != shapes[1] else ""
        if not differs and trains[0] != trains[1]:
            differs = f"trained by {couple.sides[trains[1]]} only"
        stage.findings.append(_fact(name, differs))
    numbers = sum(weights[0][name].size for name in trained[0])
    stage.figures = {"parameters": numbers, "weights": len(couple.paired)}
    stage.note = f"{len(couple.paired)} weights in pairs, {numbers:,} trained numbers"
    return stage


def values(couple: Couple, training: bool) -> Stage:
    """Compare the weights that both sides start from."""
    ours, theirs = (couple.fresh((side, "float64")).weights() for side in couple.sides)
    findings = [_fact(name, _off(ours[name], theirs[name])) for name in couple.paired]
    given = f", both given those of {couple.source}" if couple.source else ", each its own"
    return Stage("weights", findings, note=f"{len(findings)} weights{given}")


def _off(left: Array, right: Array) -> str:
    if np.array_equal(left, right, equal_nan=np.issubdtype(left.dtype, np.floating)):
        return ""
    if left.shape != right.shape:
        return f"shapes {left.shape} and {right.shape}"
    return f"off by up to {largest(left - right):.2g}, of {largest(left):.2g}"


def forward(couple: Couple, training: bool) -> Stage:
    """Compare the outputs in evaluation mode."""
    stage = Stage("forward", [*_draws(couple, couple.evaluated), *_outputs(couple, couple.evaluated)])
    stage.note = f"{_count(couple.evaluated)} in evaluation mode"
    return stage


def train_mode(couple: Couple, training: bool) -> Stage:
    """Compare the outputs in training mode, random draws shared."""
    made = {key: trained.first for key, trained in couple.trained.items()}
    stage = Stage("train mode", [*_draws(couple, made), *_outputs(couple, made)])
    drawn = len(made[couple.keys[0]]["draws"])
    stage.note = f"{_count(made)} in training mode, {drawn} random draws shared"
    return stage


def gradients(couple: Couple, training: bool) -> Stage:
    """Compare gradients with respect to every parameter and input, in both modes."""
    stage = Stage("gradients", _gradients(couple, couple.evaluated, "eval: "))
    stage.note = "of every parameter and input, eval mode"
    if training:
        try:
            made = {key: trained.first for key, trained in couple.trained.items()}
        except Exception as error:  # told in full by the stage of that mode
            stage.note += f"; train mode could not be run ({type(error).__name__})"
            return stage
        stage.findings += _gradients(couple, made, "train: ")
        stage.note += " and train mode"
    zeros = sorted({finding.name.partition(" parameter ")[2] for finding in stage.floors()} - {""})
    stage.note += f"; zero in theory: {', '.join(zeros)}" if zeros else ""
    return stage


def loss(couple: Couple, training: bool) -> Stage:
    """Compare the value of the recipes' losses, and their gradients."""
    first = {key: made[0] for key, made in couple.learned.items()}
    values: Made = {key: {"the loss": np.array([made.loss])} for key, made in first.items()}
    slopes: Made = {key: {n: a for n, a in made.raw.items() if n in couple.paired} for key, made in first.items()}
    findings = [*couple.judged(values), *couple.judged(slopes, "gradient of ")]
    return Stage("loss", findings, note="the loss that was given, in training mode, and its gradients")


def lossless(report: Report) -> None:
    """List the stage of the loss as not checked: none was given."""
    at = [stage.name for stage in report.stages].index("step")
    report.stages.insert(at, Stage("loss", skipped="no loss was given: training is by a few steps of momentum"))


def step(couple: Couple, training: bool) -> Stage:
    """Compare parameters and buffers after one update."""
    made = {key: trained.one for key, trained in couple.taught.items()}
    return Stage("step", _after(couple, made), note=f"weights and buffers after one update{_by(couple)}")


def _by(couple: Couple) -> str:
    given = couple.recipes is not None and couple.recipes[0].optimizer is not None
    return " of the optimizers that were given" if given else ""


def state(couple: Couple, training: bool) -> Stage:
    """Compare parameters and buffers after a few updates."""
    made = {key: trained.last for key, trained in couple.taught.items()}
    return Stage("state", _after(couple, made), note=f"weights and buffers after {couple.count} updates{_by(couple)}")


def _after(couple: Couple, made: Mapping[tuple[str, str], Arrays]) -> list[Finding]:
    kept = {key: {name: found[name] for name in couple.paired} for key, found in made.items()}
    return couple.judged(kept, same=SAME_AFTER_STEPS, balanced=False)


def _outputs(couple: Couple, made: Mapping[tuple[str, str], Run]) -> list[Finding]:
    """Judge outputs; those that are not floats by exact equality."""
    first = made[couple.keys[0]]["outputs"]
    exact = {f"output {i}" for i, array in enumerate(first) if array.dtype.kind not in "fc"}
    named = {key: {f"output {i}": _plain(a) for i, a in enumerate(run["outputs"])} for key, run in made.items()}
    floats: Made = {key: {n: a for n, a in found.items() if n not in exact} for key, found in named.items()}
    others: Made = {key: {n: a for n, a in found.items() if n in exact} for key, found in named.items()}
    return [*couple.judged(floats), *couple.judged(others, same=0.0, balanced=False)]


def _plain(array: Array) -> Array:
    if array.dtype.kind == "c":
        return np.stack([array.real, array.imag], -1)
    if array.dtype.kind in "iu" and array.size and max(int(array.max()), -int(array.min())) > 1 << 53:
        return np.stack([array >> 32, array & 0xFFFFFFFF], -1).astype(np.float64)  # float64 would round them
    return array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float64)


def _draws(couple: Couple, made: Mapping[tuple[str, str], Run]) -> list[Finding]:
    """Compare what the sides drew: how many numbers, and at which rate they drop."""
    ours, theirs = (made[side, "float64"]["draws"] for side in couple.sides)
    found = [_fact(f"draw {i}", _apart(a, b)) for i, (a, b) in enumerate(zip(ours, theirs, strict=False))]
    if len(ours) != len(theirs):
        found.append(_fact("draws", f"{len(ours)} and {len(theirs)} random draws"))
    return found


def _apart(left: Draw, right: Draw) -> str:
    if int(np.prod(left.shape)) != int(np.prod(right.shape)):
        return f"{list(left.shape)} and {list(right.shape)} random numbers"
    known = left.rate is not None and right.rate is not None
    # 1 - p costs a rounding
    return f"rates {left.rate:g} and {right.rate:g}" if known and abs(left.rate - right.rate) > 1e-9 else ""  # type: ignore[operator]


def _gradients(couple: Couple, made: Mapping[tuple[str, str], Run], prefix: str) -> list[Finding]:
    one = made[couple.keys[0]]
    reference = max((largest(a) for part in (one["inputs"], one["parameters"]) for a in part.values()), default=0.0)
    alike: Made = {key: {n: a for n, a in run["parameters"].items() if n in couple.paired} for key, run in made.items()}
    # the source's own: it may refuse to differentiate by one, as torch does by a loss's target
    inputs: Made = {key: {n: a for n, a in run["inputs"].items() if n in one["inputs"]} for key, run in made.items()}
    return [
        *couple.judged(alike, f"{prefix}parameter ", reference=reference),
        *couple.judged(inputs, f"{prefix}input ", reference=reference),
    ]


def _fact(name: str, differs: str) -> Finding:
    return Finding(name, "divergent" if differs else "equal", note=differs)


def _count(made: Mapping[tuple[str, str], Run]) -> str:
    count = len(next(iter(made.values()))["outputs"])
    return f"{count} output{'s' if count != 1 else ''}"


def _unpaired(report: Report, couple: Couple, strict: bool, note: str) -> None:
    """Blame, or list, the weights without counterpart; one that no output depends on is listed."""
    try:
        alone = [(side, name) for side, names in couple.alone.items() for name in names]
        matter = {each for each in alone if strict and matters(couple, *each)} or set(lone(couple))
    except Exception:
        return
    structure = report.stage("structure")
    structure.findings += [_fact(name, f"only {side} has it") for side, name in alone if (side, name) in matter]
    listed = [f"{name} ({side})" for side, name in alone if (side, name) not in matter]
    if listed:
        report.stages.append(Stage("unpaired", skipped=f"weights without counterpart: {', '.join(listed)}"))
    first = structure.first("divergent")
    structure.where, structure.cause = (first.name, first.note) if first else ("", "")
    structure.note += f"; {note}" if note else ""


def _ungiven(report: Report, couple: Couple) -> None:
    """Take back what was said of passes where both sides hold as many numbers that could not be given across."""
    if couple.source is None or report.stage("forward").verdict != "divergent":
        return
    left = {side: dict(numbers(couple, side)) for side in couple.sides}
    counts = [sum(found.values()) for found in left.values()]
    if counts[0] and counts[0] == counts[1]:
        names = "; ".join(f"{', '.join(found)} ({side})" for side, found in left.items())
        why = f"{UNGIVEN}: {names}. Name them in a table"
        for index, stage in enumerate(report.stages):
            if stage.name in PASSES:
                report.stages[index] = Stage(stage.name, skipped=why if stage.name == "forward" else "as forward")


def _unshared(report: Report, couple: Couple) -> None:
    """Take back what was said of training mode where a side draws numbers that could not be shared."""
    if not any(stage.first("divergent") for stage in report.stages if stage.name in RANDOM):
        return
    why = _own_draws(couple)
    for index, stage in enumerate(report.stages):
        if why and stage.name in RANDOM and stage.first("divergent"):
            kept = [finding for finding in stage.findings if finding.name.startswith("eval: ")]
            report.stages[index] = Stage(stage.name, kept, note=why, skipped="" if kept else why)


def _unsteady(report: Report, couple: Couple) -> None:
    """Say of a side that gives other numbers each time, even in evaluation mode, that it cannot be judged."""
    if "evaluated" not in vars(couple):
        return
    for side in couple.sides:
        if TWICE in couple.evaluated[side, "float64"]["lost"] or not couple.lasting(side):
            note = f"{side}: gives other numbers when run twice in evaluation mode"
            found = Finding("outputs", "unstable", note=note)
            stage = report.stage("forward")
            stage.findings, stage.where, stage.cause = [found], found.name, note
            for kept in (stage for stage in report.stages if stage.name in RANDOM):
                kept.findings, kept.where, kept.cause, kept.skipped = [], "", "", kept.skipped or note
            return


def _own_draws(couple: Couple) -> str:
    """Return why the sides' random draws are not the same numbers, or nothing."""
    if "trained" not in vars(couple):
        return ""
    for side in couple.sides:
        lost = couple.trained[side, "float64"].first["lost"]
        if lost:
            return f"{side}: random draws that could not be shared: {', '.join(dict.fromkeys(lost))}"
        if not couple.steady(side):
            return f"{side}: gives other numbers when run twice in training mode"
    return ""


def _explain(report: Report) -> None:
    """Point the stages that know no cause to the first one that does."""
    divergent = [stage for stage in report.stages if stage.verdict == "divergent"]
    known = next((stage for stage in divergent if stage.cause not in ("", "unknown")), None)
    for stage in divergent:
        if known and stage is not known and stage.cause in ("", "unknown"):
            stage.cause = f"{known.where}: {known.cause}, as {known.name} says"


RULES: dict[str, Callable[[Couple, bool], Stage]] = {
    "structure": structure,
    "weights": values,
    "forward": forward,
    "train mode": train_mode,
    "gradients": gradients,
    "loss": loss,
    "step": step,
    "state": state,
}
