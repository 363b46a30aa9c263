"""Curves: two runs of one training, held against how far a few ulps at the start lead one of them astray."""

import math
from collections.abc import Sequence

import numpy as np

from dualnet.compare.tolerance import ACCURACY_MARGIN, CHAOTIC, CURVE_FACTOR, CURVE_FLOOR, NOISE_FACTOR, ROUNDOFF
from dualnet.compare.verdict import Finding, Verdict


def losses(
    name: str, left: Sequence[float], right: Sequence[float], nudged: Sequence[float], dtype: str = "float32"
) -> Finding:
    """Judge the loss of every step; ``nudged`` is the left side once more, some ulps of ``dtype`` off."""
    curves = [np.array(curve) for curve in (left, right, nudged)]
    if not all(np.isfinite(curve).all() for curve in curves):
        same = np.array_equal(np.isfinite(curves[0]), np.isfinite(curves[1]))
        return Finding(name, "unstable" if same else "divergent", noise=np.inf, note="NaN or infinity")
    gap, own = (_rms(curves[0] - other) / _rms(curves[0]) for other in curves[1:])
    note = f"rms gap {gap:.1e} of the loss; some ulps off at the start: {own:.1e}"
    gaps = {"gap64" if dtype == "float64" else "gap32": gap}
    return Finding(name, within(gap, own, dtype), noise=own, note=note, **gaps)


def accuracies(name: str, left: float, right: float, nudged: float, chaos: float) -> Finding:
    """Judge one accuracy of each run (fractions); ``chaos`` is the nudged run's rms gap of the loss."""
    gap, own = abs(left - right), abs(left - nudged)
    note = f"{100 * left:.2f} % and {100 * right:.2f} %, some ulps off {100 * nudged:.2f} %"
    if gap <= ACCURACY_MARGIN:
        verdict: Verdict = "equal" if gap <= own or gap == 0.0 else "rounding"
    elif gap <= NOISE_FACTOR * own:
        verdict = "rounding"
    else:
        verdict = "unstable" if chaos > CHAOTIC else "divergent"
        note += (
            "; this training amplifies rounding so far: float64 may decide (--dtype float64)" if chaos > CHAOTIC else ""
        )
    return Finding(name, verdict, noise=own, note=note)


def within(gap: float, own: float, dtype: str) -> Verdict:
    """Return equal up to the run's own noise, rounding up to a few times it, divergent beyond."""
    if gap <= max(own, ROUNDOFF[dtype]):
        return "equal"
    return "rounding" if gap <= max(CURVE_FACTOR * own, CURVE_FLOOR[dtype]) else "divergent"


def ulps(steps: int) -> int:
    """Return by how many units in the last place the start of the run is moved that the sides are held against."""
    return math.isqrt(steps - 1) + 1


def _rms(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    return float(np.sqrt((values**2).mean()))
