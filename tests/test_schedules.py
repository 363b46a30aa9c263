"""Schedules against both originals over 10,000 steps, and the rules of a plateau against both.

torch's schedulers run as they are, on Python's doubles. Keras's give float32, whatever their arguments; what runs here
is Keras's own code with its ``ops`` replaced by NumPy's float64.
"""

import math
from collections.abc import Callable
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualnet import specs as S
from dualnet.errors import SpecError
from dualnet.specs import text
from dualnet.specs.rates import learning_rates, plateau
from tests.strategies import schedules

STEPS, RATE = 10_000, 0.1

# torch multiplies the last rate by a quotient at each step: 10,000 roundings of 1.1e-16 come to 1e-12 at the very most.
CLOSE = 1e-12
# Where a rate passes through zero, the rounding of a cosine or a difference near 1 is all that is left of it.
NOTHING = 1e-16 * RATE * 10

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


@pytest.mark.parametrize("name", TORCH)
def test_a_schedule_is_torchs_at_every_step(name: str) -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1)], RATE)
    scheduler, expected = TORCH[name][0](torch.optim.lr_scheduler, optimizer), []
    for _ in range(STEPS):
        (rate,) = scheduler._get_closed_form_lr() if name in CLOSED_FORM else scheduler.get_last_lr()
        expected.append(rate)
        optimizer.step()
        scheduler.step()
    found = learning_rates(S.SGD(RATE), TORCH[name][1], 0, STEPS)
    np.testing.assert_allclose(found, expected, rtol=CLOSE, atol=NOTHING)


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
def _scope(name: str) -> Any:
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


@pytest.mark.parametrize("name", KERAS)
def test_a_schedule_is_kerass_formula_at_every_step(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keras = pytest.importorskip("keras")
    from keras.src.optimizers.schedules import learning_rate_schedule as page

    monkeypatch.setattr(page, "ops", _numpy_ops())
    original = KERAS[name][0](keras.optimizers.schedules)
    steps = np.arange(STEPS)
    expected = np.array([original(np.float64(step)) for step in steps])
    found = learning_rates(S.SGD(RATE), KERAS[name][1], 0, STEPS)
    np.testing.assert_allclose(found, expected, rtol=CLOSE, atol=NOTHING)


@given(schedules, st.integers(0, 40), st.integers(0, 20), st.integers(1, 7))
def test_rates_do_not_depend_on_where_the_count_begins(
    schedule: S.Schedule, first: int, count: int, epoch: int
) -> None:
    whole = learning_rates(S.SGD(0.1), schedule, 0, first + count, epoch)
    assert np.array_equal(learning_rates(S.SGD(0.1), schedule, first, count, epoch), whole[first:])
    assert whole.dtype == np.float64
    assert np.all((whole >= 0) & np.isfinite(whole))


def test_a_schedule_per_epoch_keeps_its_rate_within_one() -> None:
    per_epoch = learning_rates(S.SGD(1.0), S.ExponentialDecay(0.5, per="epoch"), 0, 7, epoch_steps=3)
    assert per_epoch.tolist() == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    assert learning_rates(S.SGD(1.0), S.ExponentialDecay(0.5, per="epoch"), 5, 2).tolist() == [1, 1]


@pytest.mark.parametrize(("counts", "expected"), [("updates", [1, 1, 0.5, 0.5]), ("batches", [1, 0.5, 0.25, 0.125])])
def test_what_a_schedule_counts_under_accumulation(counts: Any, expected: list[float]) -> None:
    optimizer = S.SGD(1.0, accumulate=S.Accumulate(2, schedule_counts=counts))
    assert learning_rates(optimizer, S.ExponentialDecay(0.5), 0, 4).tolist() == expected


def test_torchs_change_and_kerass_boundary_are_a_step_apart() -> None:
    change = learning_rates(S.SGD(1.0), S.MultiStepDecay([3], 0.5), 0, 5)
    boundary = learning_rates(S.SGD(1.0), S.PiecewiseConstant([3], [1, 0.5]), 0, 5)
    assert (change.tolist(), boundary.tolist()) == ([1, 1, 1, 0.5, 0.5], [1, 1, 1, 1, 0.5])


# Losses that improve, stall, improve by less than the threshold, turn negative and rise.
SEEN = [
    5,
    4,
    3.9999,
    3.9999,
    4.2,
    4.1,
    3,
    3,
    3,
    3,
    3,
    2.99995,
    2,
    2.5,
    2.5,
    2.5,
    2.5,
    2.5,
    -1,
    -1,
    -1.00005,
    -0.5,
    -2,
    0,
]
SEEN += [*np.sin(np.arange(60)).tolist(), math.nan, *[0.5] * 30]
PLATEAUS = [
    {"factor": 0.5, "patience": 2},
    {"factor": 0.1, "patience": 0},
    {"factor": 0.5, "patience": 1, "cooldown": 2},
    {"factor": 0.7, "patience": 3, "cooldown": 1},
    {"factor": 0.5, "patience": 1, "floor": 0.05},
]


@pytest.mark.parametrize("row", PLATEAUS)
@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold", ["rel", "abs"])
def test_a_plateau_is_torchs_after_every_epoch(row: dict[str, Any], mode: str, threshold: str) -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1)], RATE)
    given = {name: value for name, value in row.items() if name != "floor"} | {"min_lr": row.get("floor", 0) * RATE}
    original = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode=mode, threshold_mode=threshold, **given)
    words: Any = {"min": "lower", "max": "higher", "rel": "relative", "abs": "absolute"}
    schedule = S.Plateau(better=words[mode], threshold_mode=words[threshold], **row)
    for epoch, value in enumerate(SEEN):
        original.step(value)
        assert plateau(schedule, RATE, SEEN[: epoch + 1]) == pytest.approx(optimizer.param_groups[0]["lr"], rel=CLOSE)


@pytest.mark.parametrize("row", PLATEAUS)
@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_plateau_is_kerass_after_every_epoch(row: dict[str, Any], mode: str) -> None:
    keras = pytest.importorskip("keras")
    given = {name: value for name, value in row.items() if name != "floor"} | {"min_lr": row.get("floor", 0) * RATE}
    original = keras.callbacks.ReduceLROnPlateau(monitor="seen", mode=mode, **given)
    # A callback reads and sets the rate of its model's optimizer; a plain number keeps it in float64.
    model = SimpleNamespace(optimizer=SimpleNamespace(learning_rate=RATE))
    original.set_model(model)
    original.on_train_begin()
    better: Any = {"min": "lower", "max": "higher"}[mode]
    keras_rules: Any = {"patience_rule": "reached", "cooldown_rule": "but_last", "least_change": 0.0}
    schedule = S.Plateau(better=better, threshold_mode="absolute", **keras_rules, **row)
    for epoch, value in enumerate(SEEN):
        original.on_epoch_end(epoch, {"seen": value})
        rate = float(model.optimizer.learning_rate)
        assert plateau(schedule, RATE, SEEN[: epoch + 1]) == pytest.approx(rate, rel=CLOSE)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: S.MultiStepDecay([5, 5]), r"MultiStepDecay: at must be a rising list.*Received: at=\(5, 5\)"),
        (lambda: S.PiecewiseConstant([5], [1.0]), r"factors must be 2 numbers .* Received: factors=\(1\.0,\)"),
        (lambda: S.CosineRestarts(5, 0.5), r"stretch must be at least 1.* Received: stretch=0\.5"),
        (lambda: S.OneCycle(5, 0.1), r"rise must leave every phase a step.* Received: rise=0\.1"),
        (
            lambda: S.OneCycle(50, cycle_momentum=True),
            r"cycle_momentum must be false: .* Received: cycle_momentum=True",
        ),
        (lambda: S.Chain([S.StepDecay(5)], [3]), r"Chain: at must be 0 steps.* Received: at=\(3,\)"),
        (lambda: S.Chain([S.StepDecay(5), S.Plateau()], [3]), r"a Plateau depends on what was seen and stands alone"),
        (lambda: S.Product([S.StepDecay(5, per="epoch")]), r"say per='epoch' on the Product itself"),
        (lambda: S.Product([0.5]), r"schedules must be a list of schedules.* Received: \[0\.5\]"),
        (lambda: S.Plateau(per="step"), r"per must be 'epoch'.* Received: per='step'"),
        (lambda: S.Plateau(factor=1.0), r"factor must be a number from 0 up to, not including, 1"),
    ],
)
def test_a_schedule_without_meaning_is_refused(make: Callable[[], S.Schedule], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make()


@pytest.mark.parametrize(
    ("op", "message"),
    [
        ("LambdaLR", "A spec holds no code"),
        ("OneCycleLR", "Here it is called 'OneCycle'"),
        ("ReduceLROnPlateau", "Here it is called 'Plateau'"),
        ("CosineDecays", "Did you mean"),
    ],
)
def test_a_schedule_by_another_name_is_told(op: str, message: str) -> None:
    spec = f'name="a"\ninputs=[3]\nlayers=[{{op="Linear",features=2}}]\n[training]\nschedule={{op="{op}"}}'
    with pytest.raises(SpecError, match=message):
        text.loads(spec)


def test_all_schedules_meet_an_original() -> None:
    met = {type(schedule) for table in (TORCH, KERAS) for _, schedule in table.values()}
    assert met | {S.Plateau} == {*S.Schedule.registry.values()}
