"""Deciding: where trainings part in a low precision, they run once more in float64, and what stays there is real."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dualnet.compare.pair import Pair
from dualnet.compare.stage import Stage
from dualnet.compare.tolerance import SHRINKS_TO
from dualnet.compare.verdict import Finding


def decided(run: Callable[[Pair], Stage], pair: Pair) -> Stage:
    """Return a stage on data; float64 decides what the pair's own precision could not show to be rounding."""
    stage = run(pair)
    parted = stage.first("divergent", "unstable")
    if parted is None or pair.dtype == "float64":
        return stage
    again = run(replace(pair, dtype="float64"))
    before = {finding.name: finding.gap32 for finding in stage.findings}
    again.findings = [_settled(finding, before.get(finding.name, np.nan)) for finding in again.findings]
    first = again.first("divergent", "unstable")
    again.where = first.name if first else ""
    again.note = f"{pair.dtype} could not tell ({parted.name}: {parted.note}), float64 decides: {again.note}"
    return again


def _settled(finding: Finding, gap32: float) -> Finding:
    """Return a float64 finding with the gap of the lower precision; one that shrinks with the roundoff is rounding."""
    finding = replace(finding, gap32=gap32)
    if finding.verdict == "divergent" and finding.gap64 <= SHRINKS_TO * gap32:
        note = f"amplified rounding: the gap shrinks from {gap32:.0e} to {finding.gap64:.0e} in float64"
        return replace(finding, verdict="rounding", note=note)
    return replace(finding, verdict="rounding") if finding.verdict == "equal" else finding
