"""Schedules against both originals over 10,000 steps, and the rules of a plateau against both."""

import math
from collections.abc import Callable
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
from tests.stock_schedules import KERAS, RATE, STEPS, TORCH, by_keras, by_torch
from tests.strategies import schedules

# torch multiplies the last rate by a quotient at each step: 10,000 roundings of 1.1e-16 come to 1e-12 at the very most.
CLOSE = 1e-12
# Where a rate passes through zero, the rounding of a cosine or a difference near 1 is all that is left of it.
NOTHING = 1e-16 * RATE * 10


@pytest.mark.parametrize("name", TORCH)
def test_a_schedule_is_torchs_at_every_step(name: str) -> None:
    pytest.importorskip("torch")
    found = learning_rates(S.SGD(RATE), TORCH[name][1], 0, STEPS)
    np.testing.assert_allclose(found, by_torch(name), rtol=CLOSE, atol=NOTHING)


@pytest.mark.parametrize("name", KERAS)
def test_a_schedule_is_kerass_formula_at_every_step(name: str) -> None:
    pytest.importorskip("keras")
    found = learning_rates(S.SGD(RATE), KERAS[name][1], 0, STEPS)
    np.testing.assert_allclose(found, by_keras(name), rtol=CLOSE, atol=NOTHING)


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
