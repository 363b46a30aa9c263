"""Scales: where a number stands on an axis, and which numbers are written beside it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

LEAST, LARGEST = 1e-250, 1e250
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Scale:
    """An axis from ``low`` to ``high``, drawn from ``start`` to ``end``. Logarithmic ones hold the logarithms."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    whole: bool = False  # only whole numbers stand beside it: epochs, steps, layers

    def at(self, value: float) -> float:
        """Return where a value stands; NaN if it can stand nowhere."""
        if not drawable(value, self.log):
            return math.nan
        value = math.log10(value) if self.log else value
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, many: int = 6) -> list[tuple[float, str]]:
        """Return about so many round values and their labels."""
        found = (_decades if self.log else _steps)(self.low, self.high, many)
        if self.whole and not self.log and self.high - self.low < many:
            found = [(value, f"{value:,}") for value in range(math.ceil(self.low), math.floor(self.high) + 1)]
        return [(value, label) for value, label in found if drawable(value, self.log)]


def drawable(value: float, log: bool = False) -> bool:
    """Return whether a value can stand on an axis: a number, and not so large or small that a ratio of two is none."""
    return LEAST < value < LARGEST if log else -LARGEST < value < LARGEST


def scale(values: Iterable[float], start: float, end: float, log: bool = False, zero: bool = False) -> Scale:
    """Return the axis that holds all finite values, and 0 if asked. One without positive values is not logarithmic."""
    finite = [value for value in values if drawable(value)]
    positive = [math.log10(value) for value in finite if drawable(value, True)]
    log = log and bool(positive)
    low, high = _ends(positive, 0.5) if log else _ends([*finite, *([0.0] if zero or not finite else [])])
    room = 0.04 * (high - low)
    keeps = zero and not log  # bars stand on 0 itself
    low, high = low if keeps and low == 0 else low - room, high if keeps and high == 0 else high + room
    return Scale(low, high, start, end, log, whole=all(float(value).is_integer() for value in finite))


def _ends(values: list[float], pad: float = 0.0) -> tuple[float, float]:
    """Return the least and the largest; if they are one, ``pad`` or its half to either side of it."""
    low, high = min(values), max(values)
    least = max(abs(low), abs(high)) * 1e-9
    if high - low > max(least, 1e-290):
        return low, high
    pad = pad or (abs(low) / 2 if abs(low) > 1e-290 else 0.5)
    return low - pad, high + pad


def _steps(low: float, high: float, many: int) -> list[tuple[float, str]]:
    rough = (high - low) / many
    power = math.floor(math.log10(rough))
    step = next(part * 10.0**power for part in (1, 2, 5, 10) if part * 10.0**power >= 0.999 * rough)
    found = [index * step for index in range(math.ceil(low / step), math.floor(high / step) + 1)]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    largest = max(abs(low), abs(high))
    if 1e-4 <= largest < 1e7:
        return [(value, f"{value + 0.0:,.{digits}f}") for value in found]
    digits = max(0, math.floor(math.log10(largest)) - math.floor(math.log10(step) + 1e-9))
    return [(value, f"{value:.{digits}e}" if value else "0") for value in found]


def _decades(low: float, high: float, many: int) -> list[tuple[float, str]]:
    powers = range(math.ceil(low), math.floor(high) + 1)
    if len(powers) >= 2:
        return [(10.0**power, _power(power)) for power in powers[:: -(-len(powers) // many)]]
    near = range(math.floor(low), math.ceil(high) + 1)
    inside = [(part, power) for power in near for part in (1, 2, 5) if low <= math.log10(part) + power <= high]
    if len(inside) >= 2:
        return [(part * 10.0**power, _power(power, part)) for part, power in inside]
    return _steps(10.0**low, 10.0**high, many)


def _power(power: int, part: int = 1) -> str:
    if -3 <= power <= 3:
        return f"{part * 10.0**power:,g}"
    raised = "10" + str(power).translate(RAISED)
    return raised if part == 1 else f"{part}·{raised}"
