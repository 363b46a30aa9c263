"""A stage of the ladder: its findings and the verdict drawn from them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from operator import itemgetter
from typing import Any, Protocol

import numpy as np

from dualnet.compare.tolerance import SAME
from dualnet.compare.verdict import Finding, Four, Verdict, judge, worst


class Sides(Protocol):
    """What is compared: a ``Pair`` of specs, or a ``Couple`` of live models."""

    def four(self, made: Mapping[tuple[str, str], Any], pick: Callable[[Any], Any]) -> Four:
        """Return one tensor of both sides in both precisions, of what was made by (side, precision)."""


@dataclass
class Stage:
    """What one stage compared and concluded.

    ``where`` names the first divergence, ``origin`` says whether it begins there, ``cause`` what explains it.
    """

    name: str
    findings: list[Finding] = field(default_factory=list)
    note: str = ""
    where: str = ""
    origin: str = ""
    cause: str = ""
    skipped: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """The worst finding's verdict; "not checked" without findings: nothing compared is never green."""
        return worst([finding.verdict for finding in self.findings])

    @property
    def gap32(self) -> float:
        """The largest float32 gap; NaN if none was taken."""
        return _largest(finding.gap32 for finding in self.findings)

    @property
    def gap64(self) -> float:
        """The largest float64 gap, the smallest tolerance that would pass; NaN if none was taken."""
        return _largest(finding.gap64 for finding in self.findings)

    def first(self, *verdicts: Verdict) -> Finding | None:
        """Return the first finding with one of the verdicts."""
        return next((finding for finding in self.findings if finding.verdict in verdicts), None)

    def floors(self) -> list[Finding]:
        """Return the findings that were judged by a noise floor."""
        return [finding for finding in self.findings if "noise floor" in finding.note]

    def to_json(self) -> dict[str, Any]:
        """Return the stage as plain data."""
        own = {key: value for key, value in asdict(self).items() if key != "findings"}
        findings = [{key: _plain(value) for key, value in asdict(finding).items()} for finding in self.findings]
        return {
            "verdict": self.verdict,
            "gap32": _plain(self.gap32),
            "gap64": _plain(self.gap64),
            **own,
            "findings": findings,
        }


def largest(array: Any) -> float:
    """Return the largest finite magnitude of an array, 0 if there is none."""
    whole = float(max(array.max(), -array.min())) if array.size and array.dtype.kind == "f" else np.nan
    return whole if np.isfinite(whole) else float(np.abs(array[np.isfinite(array)]).max(initial=0.0))


def _largest(gaps: Iterable[float]) -> float:
    return max((gap for gap in gaps if not np.isnan(gap)), default=np.nan)


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold: infinity as a word, NaN (not measured) as nothing."""
    if not isinstance(value, float) or np.isfinite(value):
        return value
    return None if np.isnan(value) else str(value)


def judged(
    pair: Sides,
    made: Mapping[tuple[str, str], Mapping[str, Any]],
    prefix: str = "",
    same: float = SAME,
    *,
    reference: float = 0.0,
    balanced: bool = True,
) -> list[Finding]:
    """Return a finding for each named tensor of what both sides gave, in its order.

    ``reference`` raises the magnitude by which a zero is told above the largest of these tensors.
    """
    names = dict.fromkeys(name for found in made.values() for name in found)
    alone = {name: [label for (label, _), found in made.items() if name in found] for name in names}
    fours = {name: pair.four(made, itemgetter(name)) for name in names if len(alone[name]) == len(made)}
    reference = max([reference, *(largest(four.left64) for four in fours.values())])
    return [
        judge(prefix + name, fours[name], reference, same, balanced=balanced)
        if name in fours
        else Finding(prefix + name, "divergent", np.inf, np.inf, note=f"only {alone[name][0]} has it")
        for name in names
    ]
