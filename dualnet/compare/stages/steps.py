"""Step: parameters, buffers and optimizer slots after one update, after three, and after many."""

from dataclasses import replace
from functools import partial

import numpy as np

from dualnet.compare.curves import ulps
from dualnet.compare.pair import Pair
from dualnet.compare.stage import Stage, judged
from dualnet.compare.stages.gradients import run as gradients_of
from dualnet.compare.tolerance import NOISE_FACTOR, SAME_AFTER_STEPS
from dualnet.compare.trial import Examples, examples, refusal, trained
from dualnet.compare.verdict import Finding, relative, zero
from dualnet.run.train import nudged


def step(pair: Pair, steps: int = 20) -> Stage:
    """Compare after 1, 3 and ``steps`` steps; where they part, a run some ulps off tells how much is noise."""
    if refusal(pair.spec):
        return Stage("step", skipped=refusal(pair.spec))
    data = examples(pair, steps)
    silent = silent_parameters(pair)
    stage, counts = Stage("step"), sorted({1, min(3, steps), steps})
    for count in counts:
        made = pair.each(partial(trained, pair, data, count))
        found = judged(pair, made, f"step {count}: ", SAME_AFTER_STEPS, balanced=False)
        parted = any(finding.verdict == "divergent" or finding.note.startswith("amplified") for finding in found)
        stage.findings += _settled(pair, found, _moved(pair, data, count), silent) if parted else found
    first = stage.first("divergent", "unstable")
    stage.where = first.name if first else ""
    floors = sorted({finding.name.partition(": ")[2] for finding in stage.floors()})
    by_floor = f"; judged by the noise floor: {', '.join(floors)}" if floors else ""
    stage.note = f"after {', '.join(map(str, counts))} steps of {type(pair.spec.training.optimizer).__name__}{by_floor}"
    return stage


def _moved(pair: Pair, data: Examples, steps: int) -> dict[str, float]:
    """Return by how much √steps ulps in all weights move each tensor of the left side, relative, float64."""
    session = pair.session(pair.left, "float64")
    base = trained(pair, data, steps, pair.left, session)
    other = trained(pair, data, steps, pair.left, session, nudged(pair.weights, pair.seed, ulps(steps)))
    return {name: relative(base[name], other[name], float(np.abs(base[name]).max(initial=0.0))) for name in base}


def silent_parameters(pair: Pair) -> set[str]:
    """Return the parameters whose gradient is zero in theory: a bias in front of BatchNorm, above all."""
    found = {
        dtype: gradients_of(pair, pair.left, pair.session(pair.left, dtype))["parameters"] for dtype in pair.dtypes
    }
    reference = max((float(np.abs(g).max(initial=0.0)) for g in found["float64"].values()), default=0.0)
    low, roundoff = found[pair.dtypes[0]], pair.precision.roundoff
    return {name for name, g in found["float64"].items() if zero(low[name], g, reference, roundoff)}


def _settled(pair: Pair, findings: list[Finding], moved: dict[str, float], silent: set[str]) -> list[Finding]:
    """Return findings, those told apart that rounding explains.

    Noise that an optimizer makes of a zero gradient, and the running mean behind it, is listed and judged by the noise
    floor. Where as few ulps move a tensor as much as the gap, no verdict is possible: unstable.
    """
    loudest = max((moved.get(name, 0.0) for name in silent), default=0.0)
    return [_settle(pair, each, moved.get(each.name.partition(": ")[2], 0.0), silent, loudest) for each in findings]


def _settle(pair: Pair, finding: Finding, moved: float, silent: set[str], loudest: float) -> Finding:
    own = finding.name.partition(": ")[2].partition("/")[0]
    amplified = finding.verdict == "rounding" and finding.note.startswith("amplified")
    if finding.verdict != "divergent" and not amplified:
        return finding
    parameter = pair.spec.parameters.get(own)
    if own in silent or (silent and parameter is not None and not parameter.trainable):
        floor = max(moved, loudest)
        if amplified or finding.gap64 <= NOISE_FACTOR * floor:
            note = f"noise floor: its gradient is zero in theory, √steps ulps in the weights move it by {floor:.0e}"
            return replace(finding, verdict="rounding", gap32=np.nan, gap64=np.nan, noise=finding.gap64, note=note)
    if amplified or not finding.gap64 <= NOISE_FACTOR * moved:
        return finding
    return replace(finding, verdict="unstable", note=f"√steps ulps in the weights move it by {moved:.0e}")
