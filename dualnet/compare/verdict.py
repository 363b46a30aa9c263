"""Verdicts, and how one is drawn from a tensor: both sides in float32 and in float64."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dualnet.compare.tolerance import ROUNDOFF, SAME, SHRINKS_TO

Verdict = Literal["equal", "rounding", "not checked", "unstable", "divergent"]
WORST: tuple[Verdict, ...] = ("equal", "rounding", "unstable", "divergent")
Array = NDArray[Any]


@dataclass(frozen=True)
class Four:
    """One tensor of both sides in both precisions."""

    left32: Array
    right32: Array
    left64: Array
    right64: Array


@dataclass(frozen=True)
class Finding:
    """What was found for one thing. Gaps: max |left - right| over the larger side's max; NaN where none was taken."""

    name: str
    verdict: Verdict
    gap32: float = np.nan
    gap64: float = np.nan
    noise: float = 0.0
    note: str = ""


def worst(verdicts: list[Verdict]) -> Verdict:
    """Return the worst of several verdicts; "not checked" if none was drawn."""
    drawn = [verdict for verdict in verdicts if verdict != "not checked"]
    return max(drawn, key=WORST.index, default="not checked")


def judge(name: str, four: Four, reference: float = 0.0, same: float = SAME) -> Finding:
    """Return the verdict on one tensor; ``reference`` is the magnitude of its kind, by which a zero is told."""
    shapes = {array.shape for array in (four.left32, four.right32, four.left64, four.right64)}
    if len(shapes) > 1:
        return Finding(name, "divergent", np.inf, np.inf, note=f"shapes {four.left64.shape} and {four.right64.shape}")
    if not (_alike(four.left32, four.right32) and _alike(four.left64, four.right64)):
        return Finding(name, "divergent", np.inf, np.inf, note="NaN or infinity on one side only")
    four, dropped = _finite(four)
    zeros = [zero(four.left32, four.left64, reference), zero(four.right32, four.right64, reference)]
    if all(zeros):
        size = max(_size(four.left64), _size(four.right64))
        return Finding(name, "equal", 0.0, 0.0, size, "zero in theory: judged by the noise floor" if size else dropped)
    scale = max(_size(four.left64), _size(four.right64))
    gap32, gap64 = relative(four.left32, four.right32, scale), relative(four.left64, four.right64, scale)
    noise = max(relative(four.left32, four.left64, scale), relative(four.right32, four.right64, scale))
    return Finding(name, _verdict(gap32, gap64, noise, same), gap32, gap64, noise, dropped)


def _verdict(gap32: float, gap64: float, noise: float, same: float) -> Verdict:
    if gap64 > same:
        return "divergent"
    return "equal" if gap32 <= noise + 2 * ROUNDOFF["float32"] else "rounding"


def zero(in32: Array, in64: Array, reference: float = 0.0) -> bool:
    """Return whether a tensor is zero in exact arithmetic: its values shrink with the unit roundoff."""
    small, large = _size(in64), _size(in32)
    if large == 0.0:
        return small <= SHRINKS_TO * ROUNDOFF["float32"] * reference
    return small <= SHRINKS_TO * large


def relative(left: Array, right: Array, scale: float) -> float:
    """Return max |left - right| / scale; 0 for two equal arrays of zeros."""
    gap = _size(left.astype(np.float64) - right.astype(np.float64))
    return 0.0 if gap == 0.0 else gap / scale if scale else np.inf


def _size(array: Array) -> float:
    return float(np.abs(array).max(initial=0.0))


def _alike(left: Array, right: Array) -> bool:
    """Return whether NaN and infinities stand at the same places."""
    ours, theirs = (np.where(np.isfinite(array), 0.0, array) for array in (left, right))
    return np.array_equal(ours, theirs, equal_nan=True)


def _finite(four: Four) -> tuple[Four, str]:
    """Return the values that are finite everywhere, and a note if some are not."""
    arrays = (four.left32, four.right32, four.left64, four.right64)
    keep = np.logical_and.reduce([np.isfinite(array) for array in arrays])
    if keep.all():
        return four, ""
    return Four(
        *(array[keep] for array in arrays)
    ), f"{int((~keep).sum())} of {keep.size} values are not finite on both sides"
