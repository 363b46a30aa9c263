"""Noise: a gap that one ulp in the weights opens in the left side alone says nothing about the right one: unstable."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dualnet.backends.draws import Arrays
from dualnet.backends.live import Run
from dualnet.compare.couple import Couple, Trained
from dualnet.compare.report import Report
from dualnet.compare.stage import Stage, largest
from dualnet.compare.tolerance import NOISE_FACTOR
from dualnet.compare.verdict import Finding, relative


def settle(report: Report, couple: Couple) -> None:
    """Take back, where rounding explains them, the divergences of the stages that training amplifies."""
    parted = [stage for stage in report.stages if stage.name in TOLD and any(map(_plain, stage.findings))]
    if not parted or "trained" not in vars(couple):
        return
    side = couple.sides[0]
    usual = (couple.evaluated[side, "float64"], couple.taught[side, "float64"])
    astray = couple.astray
    for stage in parted:
        _settle(stage, side, TOLD[stage.name](*usual), TOLD[stage.name](*astray))


def _plain(finding: Finding) -> bool:
    """Return whether a finding is divergent by its gap in float64, and nothing else."""
    return finding.verdict == "divergent" and not finding.note


def _settle(stage: Stage, side: str, usual: Arrays, astray: Arrays) -> None:
    moved = {name: relative(array, astray[name], largest(array)) for name, array in usual.items()}
    # Which tensor a switching ReLU hits is chance: one is told by its own movement, or by what is usual in the stage.
    usually = float(np.median(list(moved.values()) or [0.0]))
    for index, finding in enumerate(stage.findings):
        own = max(moved.get(finding.name, 0.0), usually)
        if _plain(finding) and finding.gap64 <= NOISE_FACTOR * own:
            note = f"one ulp in the weights moves {side} alone by {own:.0e}, the gap is {finding.gap64:.0e}"
            stage.findings[index] = replace(finding, verdict="unstable", note=note)
    first = stage.first("divergent") or stage.first("unstable")
    stage.where, stage.cause = (first.name, first.note) if first else ("", "")


def _outputs(run: Run) -> Arrays:
    return {f"output {index}": array for index, array in enumerate(run["outputs"]) if array.dtype.kind == "f"}


def _slopes(run: Run, prefix: str) -> Arrays:
    both = (("parameter", run["parameters"]), ("input", run["inputs"]))
    return {f"{prefix}{kind} {name}": array for kind, found in both for name, array in found.items()}


# What each stage judged, by the names of its findings.
TOLD: dict[str, Callable[[Run, Trained], Arrays]] = {
    "train mode": lambda run, trained: _outputs(trained.first),
    "gradients": lambda run, trained: _slopes(run, "eval: ") | _slopes(trained.first, "train: "),
    "step": lambda run, trained: trained.one,
    "state": lambda run, trained: trained.last,
}
