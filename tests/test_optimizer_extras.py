"""What every optimizer may have: groups, direction, accumulation, averages, each against both frameworks' own."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.protocol import Arrays, Session
from dualnet.errors import SpecError
from dualnet.specs.rates import factor
from tests.cases import weights
from tests.stock import LABELS, ORDER, SCHEDULE, SPEC, TRAIN, TorchRun, by_keras, trained
from tests.strategies import muons, optimizers

# As in test_stock_optimizers.py: 1e-15 a step, fifty steps with divisions by small roots.
CLOSE = 1e-11
STEPS = 50

NO_DECAY = S.Group(["*.bias"], 0.3, 0.0)
LAST = S.Group(["linear_3.*"], 2.0)
GROUPED = S.AdamW(0.01, weight_decay=0.2, groups=(NO_DECAY, LAST))
MEAN, SUM = S.Accumulate(4), S.Accumulate(4, "sum")


def close(found: Arrays, expected: Arrays) -> None:
    assert sorted(found) == sorted(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=CLOSE * np.abs(array).max(), err_msg=name)


def agreed(both: tuple[Backend, Backend], optimizer: S.Optimizer, clip: S.Clip | None = None) -> tuple[Arrays, Arrays]:
    """Return weights and slots of torch's side, once Keras's are held to be the same."""
    (torch, torchs, _), (keras, kerass, _) = (trained(backend, SPEC, optimizer, STEPS, clip) for backend in both)
    close(keras, torch)
    close(kerass, torchs)
    return torch, torchs


def test_the_names_in_the_groups_are_those_of_the_spec() -> None:
    assert {name.partition(".")[0] for name in SPEC.parameters} == {"linear", "linear_2", "linear_3"}


def test_groups_are_torchs_param_groups(both: tuple[Backend, Backend]) -> None:
    import torch

    run = TorchRun(both[0], SPEC)
    rules = {name: (0.3, 0.0) if name.endswith(".bias") else (2.0 if "3" in name else 1.0, 0.2) for name in run.named}
    parts: Any = [{"params": [p], "weight_decay": rules[name][1]} for name, p in run.named.items()]
    optimizer = torch.optim.AdamW(parts)
    for step, row in enumerate(ORDER[:STEPS]):
        for group, (share, _) in zip(optimizer.param_groups, rules.values(), strict=True):
            group["lr"] = 0.01 * share * factor(SCHEDULE, step)
        optimizer.zero_grad()
        run.backward(row)
        optimizer.step()
    close(agreed(both, GROUPED)[0], run.weights())


def test_groups_are_kerass_exclusion_from_decay(both: tuple[Backend, Backend]) -> None:
    optimizer = replace(S.optimizers.FLAVOURS["keras"]["AdamW"], weight_decay=0.2, groups=(S.Group(["*.bias"], 1, 0),))
    excluded = {"var_names": ["bias"]}
    expected = by_keras(both[1], SPEC, "AdamW", {"weight_decay": 0.2}, STEPS, exclude_from_weight_decay=excluded)
    close(agreed(both, optimizer)[0], expected)


@pytest.mark.parametrize("clip", [None, S.Clip("global_norm", 0.3)])
@pytest.mark.parametrize("rule", [MEAN, SUM])
def test_accumulation_is_torchs_backward_several_times(
    both: tuple[Backend, Backend], rule: S.Accumulate, clip: S.Clip | None
) -> None:
    import torch

    run, rates = TorchRun(both[0], SPEC), [0.1 * factor(SCHEDULE, step // 4) for step in range(STEPS)]
    optimizer = torch.optim.SGD(list(run.named.values()), 0.1, 0.9)
    for step, row in enumerate(ORDER[:STEPS]):
        run.backward(row)
        if (step + 1) % 4 == 0:
            for p in run.named.values():
                assert p.grad is not None
                p.grad /= 4 if rule.reduction == "mean" else 1
            if clip:
                torch.nn.utils.clip_grad_norm_(list(run.named.values()), clip.limit)
            optimizer.param_groups[0]["lr"] = rates[step]
            optimizer.step()
            optimizer.zero_grad()
    found, slots = agreed(both, S.SGD(0.1, 0.9, accumulate=rule), clip)
    close(found, run.weights())
    assert slots["step"] == STEPS
    assert "linear.bias/gathered" in slots  # of the last two batches


def test_accumulation_is_kerass(both: tuple[Backend, Backend]) -> None:
    own = S.Accumulate(4, schedule_counts="batches")
    optimizer = replace(S.optimizers.FLAVOURS["keras"]["Adam"], accumulate=own)
    close(agreed(both, optimizer)[0], by_keras(both[1], SPEC, "Adam", {"gradient_accumulation_steps": 4}, STEPS))


def averages(slots: Arrays) -> Arrays:
    return {name.removesuffix("/average"): mean for name, mean in slots.items() if name.endswith("/average")}


def test_averages_are_torchs(both: tuple[Backend, Backend]) -> None:
    import torch
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    run = TorchRun(both[0], SPEC)
    optimizer = torch.optim.SGD(list(run.named.values()))
    mean = AveragedModel(run.model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    for step, row in enumerate(ORDER[:STEPS]):
        optimizer.param_groups[0]["lr"] = 0.1 * factor(SCHEDULE, step)
        optimizer.zero_grad()
        run.backward(row)
        optimizer.step()
        mean.update_parameters(run.model)
    found, slots = agreed(both, S.SGD(0.1, average=S.WeightAverage(0.9)))
    close(found, run.weights())
    close(averages(slots), {name: tensor.numpy() for name, tensor in mean.module.state_dict().items()})


@pytest.mark.parametrize("every", [None, 7])
def test_averages_are_kerass(both: tuple[Backend, Backend], every: int | None) -> None:
    given: dict[str, Any] = {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": every}
    expected = by_keras(both[1], SPEC, "SGD", {"learning_rate": 0.1, **given}, STEPS)
    keras = replace(S.optimizers.FLAVOURS["keras"]["SGD"], learning_rate=0.1, average=S.WeightAverage(0.9, every))
    close(averages(agreed(both, keras)[1]), expected)  # Keras ends by putting the means into the weights


@pytest.mark.parametrize("name", S.Optimizer.registry)
def test_up_is_down_of_the_negative(both: tuple[Backend, Backend], name: str) -> None:
    """The loss of ``maximize`` must rise; that it is torch's, test_stock_optimizers.py holds."""
    made: Any = S.Optimizer.registry[name](learning_rate=0.01)
    made = replace(made, others=S.SGD(0.01)) if name == "Muon" else made
    down, up = (trained(both[0], SPEC, replace(made, maximize=way), 20)[2] for way in (False, True))
    assert up[-4:].mean() > down[-4:].mean()
    agreed(both, replace(made, maximize=True))


EVERYTHING = S.NAdam(
    0.01, weight_decay=0.1, groups=(NO_DECAY,), accumulate=S.Accumulate(3), average=S.WeightAverage(0.9, 4)
)


@pytest.mark.parametrize("interrupted", [24, 25])
@pytest.mark.parametrize("side", [0, 1])
def test_a_run_resumed_in_the_midst_goes_on_bit_by_bit(
    both: tuple[Backend, Backend], side: int, interrupted: int
) -> None:
    whole, first, second = (fresh(both[side], EVERYTHING) for _ in range(3))
    rates = np.full(STEPS, 0.01)
    whole.steps("train", ORDER[:STEPS], rates)
    first.steps("train", ORDER[:interrupted], rates[:interrupted])
    second.load(first.weights())
    second.load_slots(first.slots())
    second.steps("train", ORDER[interrupted:STEPS], rates[interrupted:])
    for found, expected in ((second.weights(), whole.weights()), (second.slots(), whole.slots())):
        assert sorted(found) == sorted(expected)
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array, strict=True, err_msg=name)


def fresh(backend: Backend, optimizer: S.Optimizer) -> Session:
    session = backend.session(SPEC, dtype="float64")
    session.load(weights(SPEC, 33))
    session.hold("train", TRAIN, targets=LABELS, labels=LABELS)
    session.prepare(S.CrossEntropy(), optimizer)
    return session


# A few: each is traced anew by TensorFlow, which takes a second.
@settings(max_examples=25, deadline=None)
@given(
    optimizers | muons, st.none() | st.builds(S.Clip, st.sampled_from(["global_norm", "norm", "value"]), st.just(0.1))
)
def test_any_settings_agree_for_as_long_as_they_do_not_explode(
    both: tuple[Backend, Backend], optimizer: S.Optimizer, clip: S.Clip | None
) -> None:
    (torch, torchs, _), (keras, kerass, _) = (trained(backend, SPEC, optimizer, 12, clip) for backend in both)
    moved, _, _ = trained(
        both[0], SPEC, replace(optimizer, learning_rate=optimizer.learning_rate * (1 + 1e-13)), 12, clip
    )
    for name, array in torch.items():
        # what a rate some ulps off moves is how far rounding may lead where a sign turns or a root vanishes
        room = CLOSE * np.abs(array).max() + 100 * np.abs(moved[name] - array).max()
        np.testing.assert_allclose(keras[name], array, rtol=0, atol=room, err_msg=f"{name}: {optimizer.brief()}")
    assert sorted(kerass) == sorted(torchs)


def test_a_group_that_fits_nothing_is_refused() -> None:
    optimizer = S.SGD(groups=(S.Group(["*.biases"]),))
    with pytest.raises(SpecError, match=r"match '\*\.biases' fits no trained parameter\. There are: linear\.weight"):
        replace(SPEC, training=S.Training(optimizer=optimizer))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: S.Group([]), r"match must name a pattern or more"),
        (lambda: S.Group(["*"], -1), r"rate_factor must be a finite number of at least 0\. Received: rate_factor=-1"),
        (lambda: S.SGD(groups=["*.bias"]), r"groups must be a list of groups, such as \[Group"),
        (lambda: S.Accumulate(0), r"steps must be a positive integer\. Received: steps=0"),
        (lambda: S.Accumulate(2, "total"), r"reduction must be 'mean' or 'sum'"),
        (lambda: S.WeightAverage(1.0), r"momentum must be a number from 0 up to, not including, 1"),
        (lambda: S.WeightAverage(0.9, 0), r"overwrite_every must be a positive integer, or left out"),
    ],
)
def test_an_extra_without_meaning_is_refused(make: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make()
