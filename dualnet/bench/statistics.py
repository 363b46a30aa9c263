"""Statistics of timings: medians, intervals over processes first and rounds second, and the A/A control.

Two identical processes differ by ten percent for as long as they live, and more rounds do not change that. So a process
is one draw: an interval is wide enough for other processes, and a ratio counts only if it is beyond what the same side
shows against itself.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Resamples behind an interval: its ends are then known to a few percent of its width.
RESAMPLES = 1000
LEVEL = 0.95  # of every interval
NONE = "no difference"


@dataclass(frozen=True)
class Interval:
    """An estimate and the ends of its interval; without ends where one process cannot give any."""

    value: float
    low: float = -math.inf
    high: float = math.inf

    @property
    def width(self) -> float:
        """Return half the width, as a fraction of the value."""
        return (self.high - self.low) / (2 * self.value)


@dataclass(frozen=True)
class Ratio:
    """Speed of one side over that of another, its interval, and the control: a factor within which lies noise."""

    speed: Interval
    control: float
    verdict: str

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        found = {"ratio": self.speed.value, "low": self.speed.low, "high": self.speed.high}
        return found | {"control": self.control, "verdict": self.verdict}


def medians(times: Sequence[Sequence[float]]) -> Array:
    """Return the logarithm of the median time of each process."""
    return np.array([np.median(np.log(rounds)) for rounds in times])


def middle(times: Sequence[Sequence[float]]) -> float:
    """Return the time of a side: the median over processes of their medians over rounds."""
    return float(np.exp(np.median(medians(times))))


def ratio(left: Sequence[Sequence[float]], right: Sequence[Sequence[float]], *, seed: int = 0) -> Ratio:
    """Return how many times as fast ``left`` is as ``right``, from the times of each: rounds of each process.

    The verdict is "faster" or "slower" if the interval leaves out 1 and the ratio is beyond the control, else
    "no difference".
    """
    value = _shift(medians(left), medians(right))
    low, high = _ends(left, right, value, seed)
    spread = max(control(left), control(right))
    clear = (low > 0 or high < 0) and abs(value) > spread
    verdict = ("faster" if value > 0 else "slower") if clear else NONE
    return Ratio(Interval(math.exp(value), math.exp(low), _exp(high)), _exp(spread), verdict)


def control(times: Sequence[Sequence[float]]) -> float:
    """Return how far a side is from itself: the largest log ratio of one half of its processes to the other.

    Of all ways to halve them, so that no lucky one is shown. Halves hold fewer processes than a side and so differ more
    than sides do; the log ratio is scaled to sides, by the standard deviations of such differences.
    """
    found = medians(times)
    if len(found) < 2:
        return math.inf
    everyone = set(range(len(found)))
    halves: Iterable[tuple[int, ...]] = itertools.combinations(range(len(found)), len(found) // 2)
    if len(found) > 9:  # 10 processes can be halved in 252 ways, 20 in 184,756: a seeded hundred says as much
        generator = np.random.default_rng(0)
        halves = [tuple(generator.permutation(len(found))[: len(found) // 2].tolist()) for _ in range(100)]
    largest = max(abs(_shift(found[list(half)], found[list(everyone - set(half))])) for half in halves)
    few, many = len(found) // 2, len(found) - len(found) // 2
    return largest * math.sqrt(2 / len(found)) / math.sqrt(1 / few + 1 / many)


def own(times: Sequence[Sequence[float]], *, seed: int = 0) -> Interval:
    """Return a side's time with its interval."""
    centre = math.log(middle(times))
    drawn = np.median(_drawn(times, np.random.default_rng(seed)), axis=1) - centre
    low, high = np.quantile(drawn, _tails()) * _widened(len(times), len(times) - 1)
    return Interval(math.exp(centre), _exp(centre + low), _exp(centre + high))


def spreads(times: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return as fractions how far processes are from each other, and rounds from each other within a process.

    Standard deviations of logarithms, those of rounds by the middle half, which stragglers do not move.
    """
    between = float(np.std(medians(times), ddof=1)) if len(times) > 1 else math.nan
    within = [np.subtract(*np.percentile(np.log(rounds), [75, 25])) / 1.349 for rounds in times]
    return between, float(np.median(within))


def settled(times: Sequence[Sequence[float]]) -> bool:
    """Return whether more rounds would not help: what is left is between processes.

    A median of n rounds has a variance of about π/2 of theirs over n; it is settled at a tenth of that of processes.
    """
    between, within = spreads(times)
    rounds = min(len(each) for each in times)
    return bool(math.pi / 2 * within**2 / rounds <= between**2 / 10)


def _shift(left: Array, right: Array) -> float:
    """Return the median over all pairs of processes of log time right - log time left (Hodges & Lehmann 1963).

    Of five processes a plain median is one of five numbers, and its resamples too; this has no such steps.
    """
    return float(np.median(right[None, :] - left[:, None]))


def _drawn(times: Sequence[Sequence[float]], generator: np.random.Generator) -> Array:
    """Return resampled log medians (RESAMPLES, processes): processes drawn first, and rounds within each.

    The middle one of n rounds drawn with replacement is number ⌊n·U⌋ of them in order, with U the middle one of n
    uniform draws, which has a beta distribution: so no n rounds need be drawn and sorted to have their median.
    """
    rounds = min(len(each) for each in times)
    table = np.sort(np.log(np.array([list(each)[:rounds] for each in times])), axis=1)
    processes = generator.integers(0, len(table), (RESAMPLES, len(table)))
    at = (rounds + 1) // 2
    below = generator.beta(at, rounds - at + 1, processes.shape)
    found: Array = table[processes, (rounds * below).astype(np.int64)]
    if rounds % 2:
        return found
    above = 1 - (1 - below) * generator.random(processes.shape) ** (1 / (rounds - at))  # the next one in order
    found += table[processes, (rounds * above).astype(np.int64)]
    return found / 2


def _ends(
    left: Sequence[Sequence[float]], right: Sequence[Sequence[float]], value: float, seed: int
) -> tuple[float, float]:
    """Return the ends of the interval of a log ratio."""
    least = min(len(left), len(right))
    if least < 2:
        return -math.inf, math.inf
    generator = np.random.default_rng(seed)
    ours, theirs = _drawn(left, generator), _drawn(right, generator)
    pairs = (theirs[:, None, :] - ours[:, :, None]).reshape(RESAMPLES, -1)
    low, high = np.quantile(np.median(pairs, axis=1) - value, _tails())
    wider = _widened(least, len(left) + len(right) - 2)
    return value + float(low) * wider, value + float(high) * wider


def _tails() -> tuple[float, float]:
    return (1 - LEVEL) / 2, (1 + LEVEL) / 2


def _widened(count: int, freedom: int) -> float:
    """Return by how much a bootstrap of few draws must be widened (Hesterberg 2015, "expanded percentile interval").

    Resamples of n vary by (n - 1) / n of what draws do, and their spread is itself a guess: t instead of normal.
    """
    if count < 2:
        return math.inf
    from scipy.stats import norm, t

    tail = _tails()[1]
    return math.sqrt(count / (count - 1)) * float(t.ppf(tail, freedom) / norm.ppf(tail))


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf
