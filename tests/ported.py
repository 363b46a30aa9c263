"""What comes of porting one sample of a framework's own tests: equal, refused or wrong, with the gap and the reason."""

from dataclasses import dataclass
from typing import Any

import numpy as np

import dualnet
from dualnet.compare.certificate import certificate_of
from dualnet.errors import DualnetError
from tests.keras_samples import Sample

# Two float64 runs of one function, one layer deep: the sums of a recurrent layer or an attention round some 1e-13.
SAME = 1e-10


@dataclass
class Outcome:
    """A verdict, why it is not "equal", and the largest relative gap that was seen."""

    verdict: str
    why: str = ""
    gap: float = 0.0


def outcome(model: Any, inputs: dict[int | str, Any], to: str, training: bool = False) -> Outcome:
    """Port a model, and compare outputs and gradients in float64; in training mode, too, if asked for."""
    if not inputs:
        return Outcome("refused", "it has no inputs")
    try:
        made = dualnet.port(model, inputs if to == "keras" else tuple(inputs.values()), to=to, certificate=False)
    except DualnetError as error:
        return Outcome("refused", _reason(str(error)))
    report = certificate_of(model, made, inputs if to == "keras" else tuple(inputs.values()), training=training)
    stages = [report.stage(name) for name in ("forward", *(["train mode"] * training), "gradients")]
    failed = next((each for each in stages if _fails(each)), None)
    gap = max((each.gap64 for each in stages if not np.isnan(each.gap64)), default=0.0)
    why = "" if failed is None else f"{failed.name}: {failed.where or failed.skipped}"
    if failed is None and any("no value is finite" in finding.note for finding in report.stage("forward").findings):
        why = "NaN for NaN: its input is a logarithm of what is negative"
    return Outcome("equal" if failed is None else "wrong", why, gap)


def _fails(stage: Any) -> bool:
    """Return whether a stage differs or could not be run; one of integers alone has no gradients.

    A finding without a gap is one of facts, or of numbers none of which is finite on either side.
    """
    return bool(stage.skipped) or any(not _close(finding) for finding in stage.findings)


def _close(finding: Any) -> bool:
    return finding.verdict != "divergent" if np.isnan(finding.gap64) else bool(finding.gap64 <= SAME)


def _reason(text: str) -> str:
    """Return the line of a refusal that says why, without the place, which differs from sample to sample."""
    lines = [line.strip() for line in text.splitlines()]
    line = lines[1] if len(lines) > 1 and lines[0].endswith(":") else lines[-2 if "partial port" in text else 0]
    return line.partition(": ")[2] if len(lines) > 1 and lines[0].endswith("program:") else line


def keras_outcome(sample: Sample) -> Outcome:
    """Return the outcome of a sample of Keras; one whose arguments Keras itself turns down is "refused by Keras"."""
    try:
        model, inputs = sample.model()
    except Exception as error:  # whatever the test expects to be raised
        return Outcome("refused by Keras", f"{type(error).__name__}: {str(error).splitlines()[0]}")
    return outcome(model, dict(enumerate(inputs)), "torch", training=True)
