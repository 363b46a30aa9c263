"""Verdicts, and how one is drawn from a tensor: both sides in float32 and in float64."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dualnet.compare.tolerance import ROUNDOFF, SAME, SHRINKS_TO, alone, loud

Verdict = Literal["equal", "rounding", "not checked", "unstable", "divergent"]
WORST: tuple[Verdict, ...] = ("equal", "rounding", "unstable", "divergent")
LOWER = "in the lower precision only"
Array = NDArray[Any]


@dataclass(frozen=True)
class Four:
    """One tensor of both sides in both precisions; "32" is the lower one, of unit roundoff ``roundoff``."""

    left32: Array
    right32: Array
    left64: Array
    right64: Array
    roundoff: float = ROUNDOFF["float32"]

    @cached_property
    def sizes(self) -> tuple[float, ...]:
        """The largest magnitude of each."""
        return tuple(_size(each) for each in (self.left32, self.right32, self.left64, self.right64))

    @cached_property
    def finite(self) -> bool:
        """Whether no value is NaN or infinite."""
        return bool(np.isfinite(self.sizes).all())


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


def judge(name: str, four: Four, reference: float = 0.0, same: float = SAME, *, balanced: bool = True) -> Finding:
    """Return the verdict on one tensor; ``reference`` is the magnitude of its kind, by which a zero is told.

    ``balanced`` asks that both sides be about as exact in float32: true of one pass, not of many steps.
    """
    shapes = {array.shape for array in (four.left32, four.right32, four.left64, four.right64)}
    if len(shapes) > 1:
        return Finding(name, "divergent", np.inf, np.inf, note=f"shapes {four.left64.shape} and {four.right64.shape}")
    if not four.finite and not (_alike(four.left32, four.right32) and _alike(four.left64, four.right64)):
        return Finding(name, "divergent", np.inf, np.inf, note="NaN or infinity on one side only")
    if not four.finite and not np.isfinite(four.left64).any():
        return Finding(name, "unstable", note="no value is finite")
    left32, right32, left64, right64 = four.sizes
    if _vanishes(left32, left64, reference, four.roundoff) and _vanishes(right32, right64, reference, four.roundoff):
        size = max(left64, right64)
        return Finding(name, "equal", 0.0, 0.0, size, "zero in theory: judged by the noise floor" if size else "")
    return (_measured if four.finite else _partly)(name, four, same, balanced)


def _measured(name: str, four: Four, same: float, balanced: bool) -> Finding:
    """Judge by the gaps."""
    scale = max(four.sizes[2:])
    gap64, gap32 = relative(four.left64, four.right64, scale), relative(four.left32, four.right32, scale)
    noises = sorted((relative(four.left32, four.left64, scale), relative(four.right32, four.right64, scale)))
    verdict, note = _verdict(gap32, gap64, noises, same, balanced, four.roundoff)
    return Finding(name, verdict, gap32, gap64, noises[1], note)


def _partly(name: str, four: Four, same: float, balanced: bool) -> Finding:
    """Judge by the gaps: float64 on all that is finite there, float32 on what is finite in both."""
    known = np.isfinite(four.left64)
    both = known & np.isfinite(four.left32)
    left32, right32, left64, right64 = (array[both] for array in (four.left32, four.right32, four.left64, four.right64))
    scale = max(_size(four.left64[known]), _size(four.right64[known]))
    gap64, gap32 = relative(four.left64[known], four.right64[known], scale), relative(left32, right32, scale)
    noises = sorted((relative(left32, left64, scale), relative(right32, right64, scale)))
    verdict, note = _verdict(gap32, gap64, noises, same, balanced, four.roundoff)
    if not both.all():
        verdict = "rounding" if verdict == "equal" else verdict
        note = f"{int((~both).sum())} of {both.size} values are not finite on both sides; {note}".removesuffix("; ")
    return Finding(name, verdict, gap32, gap64, noises[1], note)


def _verdict(
    gap32: float, gap64: float, noises: list[float], same: float, balanced: bool, roundoff: float
) -> tuple[Verdict, str]:
    """Return a verdict and a note. A side that is far less exact than the other is no alibi for itself."""
    less, more = noises
    if balanced and lone(less, more, roundoff):
        return "divergent", f"one side is off by {more:.0e} {LOWER}, the other by {less:.0e}"
    if gap64 > same:
        if gap64 <= SHRINKS_TO * gap32:
            return "rounding", f"amplified rounding: the gap shrinks from {gap32:.0e} to {gap64:.0e} in float64"
        return "divergent", ""
    return ("equal" if gap32 <= more + 2 * roundoff else "rounding"), ""


def lone(less: float, more: float, roundoff: float = ROUNDOFF["float32"]) -> bool:
    """Return whether a side that is off by ``more`` in the lower precision is alone in that, the other by ``less``."""
    return more > loud(roundoff) and more > alone(roundoff) * max(less, roundoff)


def zero(in32: Array, in64: Array, reference: float = 0.0, roundoff: float = ROUNDOFF["float32"]) -> bool:
    """Return whether a tensor is zero in exact arithmetic: its values shrink with the unit roundoff."""
    return _vanishes(_size(in32), _size(in64), reference, roundoff)


def _vanishes(large: float, small: float, reference: float, roundoff: float) -> bool:
    if not (np.isfinite(large) and np.isfinite(small)):
        return False
    if large == 0.0:
        return small <= SHRINKS_TO * roundoff * reference
    return small <= SHRINKS_TO * large


def relative(left: Array, right: Array, scale: float) -> float:
    """Return max |left - right| / scale; 0 for two equal arrays of zeros."""
    gap = _size(np.subtract(left, right, dtype=np.result_type(left, right, np.float64)))
    return 0.0 if gap == 0.0 else gap / scale if scale else np.inf


def _size(array: Array) -> float:
    """Return the largest magnitude; NaN if there is one."""
    if not array.size or array.dtype.kind != "f":
        return float(np.abs(array).max(initial=0.0))
    return float(max(array.max(), -array.min()))  # half the passes of abs, and no copy


def _alike(left: Array, right: Array) -> bool:
    """Return whether NaN and infinities stand at the same places."""
    ours, theirs = (np.where(np.isfinite(array), 0.0, array) for array in (left, right))
    return np.array_equal(ours, theirs, equal_nan=True)
