"""Step and state: parameters, slots and buffers after optimizer steps, and BatchNorm's statistics without any."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from dualnet.backends.protocol import Array, Arrays, Session
from dualnet.compare.pair import DTYPES, Pair
from dualnet.compare.stage import Stage, judged
from dualnet.compare.stages.gradients import run as gradients_of
from dualnet.compare.tolerance import NOISE_FACTOR, SAME_AFTER_STEPS, SHRINKS_TO
from dualnet.compare.verdict import Finding, relative, zero
from dualnet.run.feed import first_output
from dualnet.run.train import classifies
from dualnet.specs.losses import BinaryCrossEntropy, MeanSquaredError
from dualnet.specs.optimizers import SGD, learning_rates


@dataclass(frozen=True)
class Batches:
    """Random examples and the rows that make the batches of k steps."""

    inputs: Arrays
    targets: Array
    rows: Array


def trainable(pair: Pair) -> str:
    """Return why a spec's own loss cannot be trained on random examples, or nothing."""
    shape = first_output(pair.spec)
    if len(shape) != 1 and not isinstance(pair.spec.training.loss, (MeanSquaredError, BinaryCrossEntropy)):
        return f"the loss takes class scores [K]; the first output has shape {list(shape)}"
    return ""


def step(pair: Pair, steps: int = 20) -> Stage:
    """Compare parameters, buffers and slots after 1, 3 and ``steps`` steps, with a perturbed run for the noise."""
    if trainable(pair):
        return Stage("step", skipped=trainable(pair))
    data = _batches(pair, steps)
    silent = silent_parameters(pair)
    stage, counts = Stage("step"), sorted({1, min(3, steps), steps})
    for count in counts:
        made = pair.each(partial(trained, pair, data, count))
        found = judged(pair, made, f"step {count}: ", SAME_AFTER_STEPS)
        parted = any(finding.verdict == "divergent" for finding in found)
        stage.findings += _settled(pair, found, _perturbed(pair, data, count), silent) if parted else found
    first = stage.first("divergent", "unstable")
    stage.where = first.name if first else ""
    floors = sorted({finding.name.partition(": ")[2] for finding in stage.floors()})
    by_floor = f"; judged by the noise floor: {', '.join(floors)}" if floors else ""
    stage.note = f"after {', '.join(map(str, counts))} steps of {type(pair.spec.training.optimizer).__name__}{by_floor}"
    return stage


def state(pair: Pair, steps: int = 5) -> Stage:
    """Compare buffers after batches in training mode at learning rate 0, so that nothing but the buffers moves."""
    buffers = [name for name, parameter in pair.spec.parameters.items() if not parameter.trainable]
    if not buffers:
        return Stage("state", skipped="the model has no buffers")
    if trainable(pair):
        return Stage("state", skipped=trainable(pair))
    data = _batches(pair, steps)

    def run(session: Session, dtype: str) -> Arrays:
        session.load(pair.weights)
        _hold(pair, session, data)
        session.prepare(pair.spec.training.loss, SGD(0.0))
        session.steps("random", data.rows[:steps], np.zeros(steps))
        found = session.weights()
        session.load(pair.weights)
        return {name: found[name] for name in buffers}

    stage = Stage("state", judged(pair, pair.each(run), f"{steps} batches: "))
    first = stage.first("divergent")
    stage.where = first.name if first else ""
    stage.note = f"{len(buffers)} buffers after {steps} batches"
    return stage


def _batches(pair: Pair, steps: int) -> Batches:
    count = 3 * pair.size
    inputs, shape = pair.batch(count, "examples"), first_output(pair.spec)
    loss = pair.spec.training.loss
    targets: Array = pair.labels(count, shape[0])
    if isinstance(loss, (MeanSquaredError, BinaryCrossEntropy)):
        images = next(iter(inputs.values()))
        targets = images if loss.target == "input" else np.eye(shape[0])[targets]
    rows = (np.arange(steps)[:, None] * 5 + np.arange(pair.size) * 2) % count
    return Batches(inputs, targets, rows)


def _hold(pair: Pair, session: Session, data: Batches) -> None:
    session.hold(
        "random",
        data.inputs,
        data.targets,
        data.targets if classifies(pair.spec.training.loss) and data.targets.ndim == 1 else None,
    )


def trained(
    pair: Pair, data: Batches, steps: int, session: Session, dtype: str = "", start: Arrays | None = None
) -> Arrays:
    """Return parameters, buffers and slots after ``steps``; the session has the pair's weights again afterwards."""
    training = pair.spec.training
    session.load(pair.weights if start is None else start)
    _hold(pair, session, data)
    session.prepare(training.loss, training.optimizer, training.clip)
    session.steps("random", data.rows[:steps], learning_rates(training.optimizer, training.schedule, 0, steps))
    found = session.weights() | {name: array for name, array in session.slots().items() if "/" in name}
    session.load(pair.weights)
    return found


def _perturbed(pair: Pair, data: Batches, steps: int) -> dict[str, float]:
    """Return by how much a one-ulp change of all weights moves each tensor of the left side, relative, float64."""
    session = pair.session(pair.left, "float64")
    base = trained(pair, data, steps, session)
    other = trained(pair, data, steps, session, start=pair.perturbed("float64"))
    return {name: relative(base[name], other[name], float(np.abs(base[name]).max(initial=0.0))) for name in base}


def silent_parameters(pair: Pair) -> set[str]:
    """Return the parameters whose gradient is zero in theory: a bias in front of BatchNorm, above all."""
    found = {dtype: gradients_of(pair, pair.session(pair.left, dtype))["parameters"] for dtype in DTYPES}
    reference = max((float(np.abs(g).max(initial=0.0)) for g in found["float64"].values()), default=0.0)
    return {name for name, g in found["float64"].items() if zero(found["float32"][name], g, reference)}


def _settled(pair: Pair, findings: list[Finding], moved: dict[str, float], silent: set[str]) -> list[Finding]:
    """Return findings, those told apart that rounding explains.

    A gap that shrinks with the unit roundoff from float32 to float64 is amplified rounding. Noise that an optimizer
    makes of a zero gradient, and the running mean behind it, is listed and judged by the noise floor. Where a one-ulp
    change moves a tensor as much as the gap, no verdict is possible: unstable.
    """
    return [
        _settle(pair, each, moved[each.name.partition(": ")[2]], silent) if each.verdict == "divergent" else each
        for each in findings
    ]


def _settle(pair: Pair, finding: Finding, moved: float, silent: set[str]) -> Finding:
    own = finding.name.partition(": ")[2].partition("/")[0]
    shrinks = bool(np.isfinite(finding.gap32)) and finding.gap64 <= SHRINKS_TO * finding.gap32
    if not shrinks and not finding.gap64 <= NOISE_FACTOR * moved:
        return finding
    if own in silent or (silent and not pair.spec.parameters[own].trainable):
        note = f"noise floor: its gradient is zero in theory, a one-ulp change of the weights moves it by {moved:.0e}"
        return replace(finding, verdict="rounding", gap32=0.0, gap64=0.0, noise=finding.gap64, note=note)
    if shrinks:
        note = f"amplified rounding: the gap shrinks from {finding.gap32:.0e} to {finding.gap64:.0e} in float64"
        return replace(finding, verdict="rounding", note=note)
    return replace(finding, verdict="unstable", note=f"a one-ulp change of the weights moves it by {moved:.0e}")
