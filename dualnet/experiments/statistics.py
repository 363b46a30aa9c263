"""Statistics of experiments over seeds: means with confidence intervals, and paired differences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dualnet.backends.protocol import Array

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Mean:
    """A mean over seeds and its two-sided 95 % t-interval; the interval of one value is that value alone."""

    value: float
    low: float
    high: float
    count: int

    def percent(self) -> str:
        """Return it as a percentage, with half the interval's width where there are several values."""
        if self.count < 2:
            return f"{100 * self.value:.2f}"
        return f"{100 * self.value:.2f} ± {50 * (self.high - self.low):.2f}"

    def points(self) -> str:
        """Return a difference in points, with its interval where there are several values."""
        if self.count < 2:
            return f"{100 * self.value:+.2f}"
        return f"{100 * self.value:+.2f} [{100 * self.low:+.2f}, {100 * self.high:+.2f}]"


def mean(values: Sequence[float]) -> Mean:
    """Return the mean of values over seeds with its 95 % interval (Student's t)."""
    from scipy import stats  # a second to load: not before something has been said

    array = np.array(values, dtype=np.float64)
    middle = float(array.mean())
    if len(array) < 2:
        return Mean(middle, middle, middle, len(array))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array)))
    return Mean(middle, middle - reach, middle + reach, len(array))


def difference(after: Sequence[float], before: Sequence[float]) -> Mean:
    """Return the mean paired difference with its 95 % interval."""
    return mean([a - b for a, b in zip(after, before, strict=True)])


def relative_gap(left: Array, right: Array) -> float:
    """Return the largest difference of two arrays over the largest value of either; 0 where both are all zero."""
    largest = max(float(np.abs(left).max()), float(np.abs(right).max()))
    return float(np.abs(left - right).max()) / largest if largest else 0.0
