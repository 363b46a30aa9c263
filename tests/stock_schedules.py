"""Stock schedules: both originals of every schedule at work over 10,000 steps, beside the spec that means the same.

torch's schedulers run as they are, on Python's doubles. Keras's give float32, whatever their arguments; what runs here
is Keras's own code with its ``ops`` replaced by NumPy's float64.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from dualnet import specs as S
from dualnet.backends.protocol import Array

STEPS, RATE = 10_000, 0.1

# name: what makes torch's scheduler of (torch's module, optimizer), and the spec
TORCH: dict[str, tuple[Callable[[Any, Any], Any], S.Schedule]] = {
    "step": (lambda m, o: m.StepLR(o, 700, 0.7), S.StepDecay(700, 0.7)),
    "multi_step": (
        lambda m, o: m.MultiStepLR(o, [1, 500, 2500, 7777], 0.3),
        S.MultiStepDecay([1, 500, 2500, 7777], 0.3),
    ),
    "constant": (lambda m, o: m.ConstantLR(o, 0.25, 40), S.ConstantFactor(0.25, 40)),
    "linear": (lambda m, o: m.LinearLR(o, 0.01, 0.5, 9000), S.LinearRamp(9000, 0.01, 0.5)),
    "linear_defaults": (lambda m, o: m.LinearLR(o), S.LinearRamp(5)),
    "exponential": (lambda m, o: m.ExponentialLR(o, 0.9995), S.ExponentialDecay(0.9995)),
    "polynomial": (lambda m, o: m.PolynomialLR(o, 9999, 2.5), S.PolynomialDecay(9999, 2.5)),
    "polynomial_line": (lambda m, o: m.PolynomialLR(o, 8000), S.PolynomialDecay(8000)),
    "cosine": (lambda m, o: m.CosineAnnealingLR(o, 10_000, 0.001), S.CosineDecay(10_000, 0.01)),
    "cosine_beyond": (lambda m, o: m.CosineAnnealingLR(o, 1500, 0.02), S.CosineDecay(1500, 0.2, "rise")),
    "restarts": (lambda m, o: m.CosineAnnealingWarmRestarts(o, 300), S.CosineRestarts(300)),
    "restarts_stretched": (
        lambda m, o: m.CosineAnnealingWarmRestarts(o, 70, 2, 0.01),
        S.CosineRestarts(70, 2, floor=0.1),
    ),
    "one_cycle": (lambda m, o: m.OneCycleLR(o, RATE, 10_000, cycle_momentum=False), S.OneCycle(10_000)),
    "one_cycle_lines": (
        lambda m, o: m.OneCycleLR(
            o, RATE, 10_000, pct_start=0.21, anneal_strategy="linear", cycle_momentum=False, div_factor=5
        ),
        S.OneCycle(10_000, 0.21, 1 / 5, curve="linear"),
    ),
    "one_cycle_three": (
        lambda m, o: m.OneCycleLR(
            o, RATE, 10_000, pct_start=0.4, cycle_momentum=False, final_div_factor=30, three_phase=True
        ),
        S.OneCycle(10_000, 0.4, end=1 / 30, three_phase=True),
    ),
    "cyclic": (lambda m, o: m.CyclicLR(o, 0.02, RATE, 130, 170, cycle_momentum=False), S.Cyclic(0.2, 130, 170)),
    "cyclic_halved": (
        lambda m, o: m.CyclicLR(o, 0.02, RATE, 500, mode="triangular2", cycle_momentum=False),
        S.Cyclic(0.2, 500, 500, "halved"),
    ),
    "cyclic_exponential": (
        lambda m, o: m.CyclicLR(o, 0.02, RATE, 50, mode="exp_range", gamma=0.999, cycle_momentum=False),
        S.Cyclic(0.2, 50, 50, "exponential", 0.999),
    ),
    "chain": (
        lambda m, o: m.SequentialLR(
            o, [m.LinearLR(o, 0.1, 1.0, 100), m.CosineAnnealingLR(o, 9000), m.ConstantLR(o, 0.5, 50)], [100, 9100]
        ),
        S.Chain([S.LinearRamp(100, 0.1), S.CosineDecay(9000), S.ConstantFactor(0.5, 50)], [100, 9100]),
    ),
    "product": (
        lambda m, o: m.ChainedScheduler([m.ConstantLR(o, 0.1, 20), m.ExponentialLR(o, 0.9995)]),
        S.Product([S.ConstantFactor(0.1, 20), S.ExponentialDecay(0.9995)]),
    ),
    "inverse_time": (lambda m, o: m.LambdaLR(o, lambda t: 1 / (1 + 0.01 * t)), S.InverseTimeDecay(0.01)),
}


# Past its bottom torch goes on from a number of which the bottom's rounding is 1e-11 (quotients of 1 + cos near 0), so
# that it parts from its own closed form by as much; the latter is what is meant.
CLOSED_FORM = {"cosine_beyond"}


def by_torch(name: str) -> Array:
    """Return the rates of torch's scheduler in a row of the table."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1)], RATE)
    scheduler, found = TORCH[name][0](torch.optim.lr_scheduler, optimizer), []
    for _ in range(STEPS):
        (rate,) = scheduler._get_closed_form_lr() if name in CLOSED_FORM else scheduler.get_last_lr()
        found.append(rate)
        optimizer.step()
        scheduler.step()
    return np.array(found)


# name: what makes Keras's schedule of its module, and the spec
KERAS: dict[str, tuple[Callable[[Any], Any], S.Schedule]] = {
    "exponential": (lambda m: m.ExponentialDecay(RATE, 300, 0.7), S.ExponentialDecay(0.7, 300)),
    "staircase": (lambda m: m.ExponentialDecay(RATE, 300, 0.7, True), S.ExponentialDecay(0.7, 300, True)),
    "step": (lambda m: m.ExponentialDecay(RATE, 300, 0.7, True), S.StepDecay(300, 0.7)),
    "piecewise": (
        lambda m: m.PiecewiseConstantDecay([10, 500, 8000], [RATE, RATE / 2, RATE / 8, RATE]),
        S.PiecewiseConstant([10, 500, 8000], [1, 0.5, 0.125, 1]),
    ),
    "polynomial": (lambda m: m.PolynomialDecay(RATE, 9000, 0.01, 1.5), S.PolynomialDecay(9000, 1.5, 0.1)),
    "polynomial_up": (lambda m: m.PolynomialDecay(RATE, 9000, 0.3), S.PolynomialDecay(9000, 1, 3)),
    "polynomial_cycle": (
        lambda m: m.PolynomialDecay(RATE, 700, 0.01, 2.0, True),
        S.PolynomialDecay(700, 2, 0.1, cycle=True),
    ),
    "inverse_time": (lambda m: m.InverseTimeDecay(RATE, 50, 0.4), S.InverseTimeDecay(0.4, 50)),
    "inverse_time_staircase": (
        lambda m: m.InverseTimeDecay(RATE, 50, 0.4, True),
        S.InverseTimeDecay(0.4, 50, True),
    ),
    "cosine": (lambda m: m.CosineDecay(RATE, 7000, 0.1), S.CosineDecay(7000, 0.1)),
    "cosine_warm": (
        lambda m: m.CosineDecay(0.004, 7000, 0.1, warmup_target=RATE, warmup_steps=500),
        S.Chain([S.LinearRamp(500, 0.04), S.CosineDecay(7000, 0.1)], [500]),
    ),
    "restarts": (
        lambda m: m.CosineDecayRestarts(RATE, 256, 2.0, 0.8, 0.1),
        S.CosineRestarts(256, 2, 0.8, 0.1),
    ),
    "restarts_alike": (
        lambda m: m.CosineDecayRestarts(RATE, 256, 1.0, 0.9, 0.1),
        S.CosineRestarts(256, 1, 0.9, 0.1),
    ),
}


@contextmanager
def _scope(name: str) -> Iterator[None]:
    yield


def _numpy_ops() -> SimpleNamespace:
    """Return what Keras's schedules call, in float64."""
    number = np.float64
    own = {name: getattr(np, name) for name in ("floor", "ceil", "cos", "log", "multiply", "subtract", "add", "equal")}
    own |= {name: getattr(np, name) for name in ("divide", "power", "minimum", "where")}
    return SimpleNamespace(
        name_scope=_scope,
        convert_to_tensor=number,
        cast=lambda x, dtype: number(x),
        array=lambda x, dtype=number: number(x),
        cond=lambda which, yes, no: yes() if which else no(),
        **own,
    )


def by_keras(name: str) -> Array:
    """Return the rates of Keras's schedule in a row of the table."""
    import keras
    from keras.src.optimizers.schedules import learning_rate_schedule as page

    inexact, page.ops = page.ops, _numpy_ops()
    try:
        original = KERAS[name][0](keras.optimizers.schedules)
        return np.array([original(np.float64(step)) for step in np.arange(STEPS)])
    finally:
        page.ops = inexact
