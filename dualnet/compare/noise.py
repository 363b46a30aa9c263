"""Noise: a gap that one ulp in the weights opens in one side alone says nothing about the other one."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dualnet.backends.draws import Arrays
from dualnet.backends.live import Run
from dualnet.compare.couple import Couple, Trained
from dualnet.compare.report import Report
from dualnet.compare.stage import Stage, largest
from dualnet.compare.tolerance import NOISE_FACTOR
from dualnet.compare.verdict import LOWER, Finding, lone, relative
from dualnet.errors import UnsupportedError, WeightsError

NUDGES = 3  # runs from weights that are an ulp off: what is loud in all of them is so by more than chance


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


def hush(report: Report, couple: Couple) -> None:
    """Take back the blame of a side that is loud in float32 alone, if an ulp silences it or makes the other as loud.

    A ReLU whose input float32 rounds to the other sign is an event, and in a deep net a common one; float32 that is
    not float32 is loud each time.
    """
    for training, names in ((False, ("forward", "gradients")), (True, ("train mode", "gradients"))):
        prefix = f"{'train' if training else 'eval'}: "
        blamed = [
            (stage, index, finding)
            for stage in report.stages
            if stage.name in names
            for index, finding in enumerate(stage.findings)
            if LOWER in finding.note and (stage.name != "gradients" or finding.name.startswith(prefix))
        ]
        if blamed:
            _hush(couple, blamed, training, prefix)
        for stage in {id(stage): stage for stage, _, _ in blamed}.values():
            first = stage.first("divergent", "unstable")
            stage.where, stage.cause = (first.name, first.note) if first else ("", "")


def _hush(couple: Couple, blamed: list[tuple[Stage, int, Finding]], training: bool, prefix: str) -> None:
    try:
        heard = {side: _heard(couple, side, training, prefix) for side in couple.sides}
    except (WeightsError, UnsupportedError):  # a recording holds no such runs
        heard = {}
    for stage, index, finding in blamed:
        if not heard:
            note = f"one side is off by {finding.noise:.0e} in float32; whether by chance, only live models can tell"
            stage.findings[index] = replace(finding, verdict="unstable", note=note)
            continue
        less, more = sorted((heard[side][finding.name] for side in couple.sides), key=max)
        if not lone(max(less), min(more)):
            note = f"one side is off by {finding.noise:.0e} in float32, as an ulp makes it or not"
            stage.findings[index] = replace(finding, verdict="rounding", note=note)


def _heard(couple: Couple, side: str, training: bool, prefix: str) -> dict[str, list[float]]:
    """Return by how much a side's float32 is off its float64, of every output and slope: as it is, then nudged."""
    made = {key: each.first for key, each in couple.trained.items()} if training else couple.evaluated
    runs = [made[side, "float32"], *(couple.strayed(side, training, number) for number in range(NUDGES))]
    exact, *rough = (_outputs(run) | _slopes(run, prefix) for run in (made[side, "float64"], *runs))
    return {name: [relative(each[name], array, largest(array)) for each in rough] for name, array in exact.items()}


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
