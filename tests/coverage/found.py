"""Found: what one measurement came to, and how far two sets of arrays lie apart."""

from dataclasses import dataclass

import numpy as np

from dualnet.backends.protocol import Array, Arrays

# float64 rounds at 1e-16, some hundred terms and a division or two reach 1e-13; a constant in float32 is 1e-8.
EXACT = 1e-10


@dataclass(frozen=True)
class Found:
    """A status, "yes" or "refused" with its reason; and the largest relative gaps, None where there is nothing."""

    status: str
    note: str = ""
    forward: float | None = None
    gradient: float | None = None
    step: float | None = None
    close: float = EXACT

    @property
    def gaps(self) -> tuple[float | None, float | None, float | None]:
        """The three gaps."""
        return self.forward, self.gradient, self.step

    @property
    def exact(self) -> bool:
        """Whether no gap is more than rounding."""
        return all(each <= self.close for each in self.gaps if each is not None)


def gap(left: Arrays, right: Arrays, together: bool = False) -> float:
    """Return the largest difference, relative to its array's largest entry, or to the largest of all ``together``.

    Infinite where names, shapes, or the places of NaN and infinity differ.
    """
    if left.keys() != right.keys() or any(left[name].shape != right[name].shape for name in left):
        return float("inf")
    whole = max((largest(array) for array in left.values()), default=0.0) if together else 0.0
    return max((_apart(left[name], right[name], whole) for name in left), default=0.0)


def _apart(left: Array, right: Array, scale: float) -> float:
    if not np.array_equal(np.isfinite(left), np.isfinite(right)):
        return float("inf")
    if left.dtype.kind != "f":
        return 0.0 if np.array_equal(left, right) else float("inf")
    finite = np.isfinite(left)
    off, scale = largest(left[finite] - right[finite]), scale or largest(left[finite])
    return off / scale if scale else off


def largest(array: Array) -> float:
    """Return the largest magnitude."""
    return float(np.abs(array).max(initial=0.0))
