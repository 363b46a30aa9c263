"""Rates: the learning rate of every step, float64: what a schedule's formulas come to."""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualnet.specs import schedules as S
from dualnet.specs.optimizers import Optimizer


def learning_rates(
    optimizer: Optimizer,
    schedule: S.Schedule | None,
    first: int,
    count: int,
    epoch_steps: int | None = None,
    seen: Sequence[float] = (),
) -> NDArray[np.float64]:
    """Return the learning rates of ``count`` batches from batch ``first`` (from 0), float64.

    ``epoch_steps`` is the number of steps in an epoch, for schedules per epoch; None means all are of the first epoch.
    ``seen`` is what a ``Plateau`` watches, after each epoch so far.
    """
    rate = optimizer.learning_rate
    if schedule is None or isinstance(schedule, S.Plateau):
        return np.full(count, rate if schedule is None else plateau(schedule, rate, seen))
    gathers = optimizer.accumulate
    unit = gathers.steps if gathers and gathers.schedule_counts == "updates" else 1
    if schedule.per == "epoch":
        unit = epoch_steps or first + count + 1
    return np.array([rate * factor(schedule, step // unit) for step in range(first, first + count)], dtype=np.float64)


def factor(schedule: S.Schedule, t: int) -> float:
    """Return the factor of a schedule at step or epoch ``t``."""
    return FACTORS[type(schedule)](schedule, t)


def _powers(s: Any, t: int) -> float:
    return float(s.factor ** (t // s.every if getattr(s, "staircase", True) else t / s.every))


def _multi_step(s: S.MultiStepDecay, t: int) -> float:
    return s.factor ** bisect_right(s.at, t)


def _piecewise(s: S.PiecewiseConstant, t: int) -> float:
    return float(s.factors[sum(t > boundary for boundary in s.boundaries)])


def _constant(s: S.ConstantFactor, t: int) -> float:
    return s.factor if t < s.steps else 1.0


def _ramp(s: S.LinearRamp, t: int) -> float:
    return s.start + (s.end - s.start) * min(t, s.steps) / s.steps


def _inverse_time(s: S.InverseTimeDecay, t: int) -> float:
    return 1.0 / (1.0 + s.factor * (t // s.every if s.staircase else t / s.every))


def _polynomial(s: S.PolynomialDecay, t: int) -> float:
    steps = s.steps * max(1, math.ceil(t / s.steps)) if s.cycle else s.steps
    return float(s.end + (1.0 - s.end) * (1.0 - min(t / steps, 1.0)) ** s.power)


def _cosine(s: S.CosineDecay, t: int) -> float:
    part = min(t / s.steps, 1.0) if s.beyond == "hold" else t / s.steps
    return s.floor + (1 - s.floor) * (1 + math.cos(math.pi * part)) / 2


def _restarts(s: S.CosineRestarts, t: int) -> float:
    begin, length, height = 0.0, float(s.steps), 1.0
    if s.stretch == 1:
        begin, height = float(t // s.steps * s.steps), s.height ** (t // s.steps)
    while t >= begin + length:
        begin, length, height = begin + length, length * s.stretch, height * s.height
    return s.floor + (1 - s.floor) * height * (1 + math.cos(math.pi * (t - begin) / length)) / 2


def _one_cycle(s: S.OneCycle, t: int) -> float:
    ends, last = s.phases(), s.start * s.end
    levels = (s.start, 1.0, s.start, last) if s.three_phase else (s.start, 1.0, last)
    t = min(t, s.steps - 1)
    phase = next(number for number, end in enumerate(ends) if t <= end)
    begin = ends[phase - 1] if phase else 0.0
    part = (t - begin) / (ends[phase] - begin)
    low, high = levels[phase], levels[phase + 1]
    if s.curve == "linear":
        return (high - low) * part + low
    return high + (low - high) / 2.0 * (math.cos(math.pi * part) + 1)


def _cyclic(s: S.Cyclic, t: int) -> float:
    cycle, at = divmod(t, s.up + s.down)
    part = at / s.up if at <= s.up else 1.0 - (at - s.up) / s.down
    height = {"constant": 1.0, "halved": 0.5**cycle, "exponential": s.factor**t}[s.height]
    return s.low + (1.0 - s.low) * part * height


def _chain(s: S.Chain, t: int) -> float:
    number = bisect_right(s.at, t)
    return factor(s.schedules[number], t - (s.at[number - 1] if number else 0))


def _product(s: S.Product, t: int) -> float:
    return math.prod(factor(each, t) for each in s.schedules)


FACTORS: dict[type[S.Schedule], Callable[[Any, int], float]] = {
    S.StepDecay: _powers,
    S.ExponentialDecay: _powers,
    S.MultiStepDecay: _multi_step,
    S.PiecewiseConstant: _piecewise,
    S.ConstantFactor: _constant,
    S.LinearRamp: _ramp,
    S.InverseTimeDecay: _inverse_time,
    S.PolynomialDecay: _polynomial,
    S.CosineDecay: _cosine,
    S.CosineRestarts: _restarts,
    S.OneCycle: _one_cycle,
    S.Cyclic: _cyclic,
    S.Chain: _chain,
    S.Product: _product,
}


def plateau(s: S.Plateau, rate: float, seen: Sequence[float]) -> float:
    """Return the rate after epochs that were seen to come to these values."""
    floor, sign = s.floor * rate, 1.0 if s.better == "lower" else -1.0
    best, bad, cooling = math.inf, 0, 0
    for value in (sign * each for each in seen):
        bar = best
        if best < math.inf:
            bar = best * (1.0 - sign * s.threshold) if s.threshold_mode == "relative" else best - s.threshold
        best, bad = (value, 0) if value < bar else (best, bad + 1)
        cooled, cooling = cooling > 0, max(cooling - 1, 0)
        bad = 0 if (cooled if s.cooldown_rule == "whole" else cooling) else bad
        if bad > (s.patience if s.patience_rule == "exceeded" else max(s.patience - 1, 0)):
            lower = max(rate * s.factor, floor)
            rate, cooling, bad = lower if rate - lower > s.least_change else rate, s.cooldown, 0
    return rate
