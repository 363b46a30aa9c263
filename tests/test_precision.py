"""Sixteen bits: both frameworks in bfloat16, float16 and mixed precision, judged by float64; the scale of the loss."""

from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import dualnet
import tests.sequence_cases  # noqa: F401 - enters its rows
from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.precision import PRECISIONS, precision
from dualnet.compare.ladder import QUICK, Climb, climb
from dualnet.compare.pair import Pair, Side
from dualnet.errors import SpecError, WeightsError
from tests.cases import CASES, inputs, weights
from tests.stock import LABELS, ORDER, SPEC, TRAIN

SIXTEEN = ("bfloat16", "float16", "mixed_bfloat16", "mixed_float16")
NET = S.Spec(
    "net",
    S.Sequential(
        S.Conv2d(5, 3, padding=1, name="conv"),
        S.BatchNorm2d(name="norm"),
        S.ReLU(),
        S.MaxPool2d(2),
        S.Flatten(),
        S.Linear(9, name="hidden"),
        S.GELU(),
        S.LayerNorm(),
        S.Dropout(0.3),
        S.Linear(4, name="head"),
    ),
    (2, 8, 6),
    training=S.Training(optimizer=S.AdamW(0.01), clip=S.Clip("global_norm", 1.0)),
)


@pytest.mark.parametrize(
    "name", [each if each == "bfloat16" else pytest.param(each, marks=pytest.mark.slow) for each in SIXTEEN]
)
def test_the_ladder_in_sixteen_bits(name: str) -> None:
    sides = (Side(each, each, NET) for each in ("torch", "keras"))
    report = climb(Pair(*sides, dtype=name), Climb(QUICK, steps=5, dtype=name))
    assert report.agrees, str(report)
    assert report.precision == name
    forward = report.stage("forward")
    # The coarser numbers show: a gap of some roundoffs, where float64 has none.
    assert precision(name).roundoff / 4 < forward.gap32 < 0.1
    assert forward.gap64 < 1e-12
    trains = {"verdict": "not checked", "why": "float16 alone trains nothing"} if name == "float16" else None
    assert (report.stage("step").verdict == "not checked") == (trains is not None)
    if trains:
        assert report.stage("step").skipped.startswith(trains["why"])


def test_a_fault_shows_through_sixteen_bits() -> None:
    other = replace(NET, model=S.Sequential(*(_twice(each) for each in NET.model.layers)))
    report = climb(Pair(Side("a", "torch", NET), Side("b", "keras", other), dtype="bfloat16"), Climb(("forward",)))
    assert report.verdict == "divergent"
    assert report.stage("forward").where == "norm (eval mode)"


def _twice(layer: S.Layer) -> S.Layer:
    return replace(layer, epsilon=1e-3) if isinstance(layer, S.BatchNorm2d) else layer


def test_a_side_that_loses_half_of_its_value_in_bfloat16_alone_is_told() -> None:
    from dualnet.compare.verdict import Four, judge

    values = np.linspace(-1.0, 1.0, 40)
    roundoff = PRECISIONS["bfloat16"].roundoff
    noisy = values * (1 + roundoff)
    assert judge("x", Four(noisy, values * 1.3, values, values, roundoff)).verdict in ("equal", "rounding")
    assert judge("x", Four(noisy, values * 0.2, values, values, roundoff)).verdict == "divergent"


@pytest.mark.parametrize("name", ["bfloat16", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize(
    "case",
    [
        "lstm",
        "multihead_memory",
        "conv_groups_all",
        "depthwise_stride_pair",
        "avg_ceil_padding-False",
        "adaptive_4x5",
        "groupnorm-image",
    ],
)
def test_layers_compute_in_sixteen_bits(backend: Backend, name: str, case: str) -> None:
    near(backend, case, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", SIXTEEN)
@pytest.mark.parametrize("case", CASES)
def test_every_layer_computes_in_sixteen_bits(backend: Backend, name: str, case: str) -> None:
    near(backend, case, name)


def near(backend: Backend, case: str, name: str) -> None:
    """Hold a session of 16 bits to one of float64 on numbers that both can hold."""
    spec, own = CASES[case], PRECISIONS[PRECISIONS[name].computes]
    x = {each: own.rounded(a) if a.dtype.kind == "f" else a for each, a in inputs(spec, 1).items()}
    w = {each: own.rounded(array) for each, array in weights(spec, 2).items()}
    found = []
    for dtype in (name, "float64"):
        session = backend.session(spec, dtype=dtype, seed=3)
        session.load(w)
        made = session.forward(x, training=True)
        targets = [np.random.default_rng(5).normal(size=output.shape) for output in made["outputs"]]
        found.append(made["layers"] | session.gradients(x, None, targets, training=True)["parameters"])
    for each, array in found[1].items():
        # Sums of some hundred roundings: sixty roundoffs of the largest entry. A pixel at the edge of a threshold may
        # fall on its other side, so what counts is the mean.
        assert np.abs(found[0][each] - array).mean() < 60 * own.roundoff * max(np.abs(array).max(), 1.0), each


@pytest.mark.parametrize("name", SIXTEEN)
def test_the_weights_are_kept_as_the_precision_says(backend: Backend, name: str) -> None:
    own, w = PRECISIONS[name], weights(NET, 4)
    session = backend.session(NET, dtype=name)
    session.load(w)
    model = backend.build(NET, dtype=name, seed=3)
    for each, array in session.weights().items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, own.rounded(w[each]), each)
    variable = next(iter(model.parameters())) if backend.name == "torch" else model.weights[0]
    assert str(variable.dtype).removeprefix("torch.") == own.stores


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_live_models_of_sixteen_bits_give_and_take_weights(backend: Backend, name: str) -> None:
    one, other = (backend.build(NET, dtype=name, seed=seed) for seed in (1, 2))
    held = dualnet.weights(one, NET)
    dualnet.load_weights(other, held, NET)
    for each, array in dualnet.weights(other, NET).items():
        np.testing.assert_array_equal(array, held[each])
    with pytest.raises(WeightsError, match=f"conv.weight is held in {name}, which cannot keep every digit of float64"):
        dualnet.load_weights(other, {each: array + np.pi for each, array in weights(NET, 1).items()}, NET)


def test_numbers_are_rounded_once() -> None:
    halfway = 1 + 2.0**-11 + 2.0**-40  # by way of float32 it would be half way, and fall to 1
    assert PRECISIONS["float16"].rounded(halfway) == 1 + 2.0**-10
    assert np.dtype(ml_dtypes.bfloat16) == np.dtype("bfloat16")


LINE = S.Spec("line", S.Linear(3), (5,))
LOUD = 100 * TRAIN["input"]  # gradients of some tens: scaled by 2¹²⁷ they overflow, by 2¹²⁰ they do not
RATE = 1e-5


def scaled(backend: Backend, rule: S.LossScale, steps: int, **more: Any) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    session = backend.session(LINE, seed=0)
    session.load(weights(LINE, 6))
    session.hold("train", {"input": LOUD}, LABELS, LABELS)
    session.prepare(LINE.training.loss, replace(S.SGD(RATE, 0.9), loss_scale=rule, **more))
    session.steps("train", ORDER[:steps], np.full(steps, RATE))
    return session, session.weights(), session.slots()


BOLD = S.LossScale(2.0**130, interval=7)  # no float32: the first updates overflow


def test_the_scale_is_torchs(both: tuple[Backend, Backend]) -> None:
    import torch

    start = 2.0**126  # what a float32 scale can be; gradients times it overflow
    rule = S.LossScale(start, interval=7)
    model = both[0].build(LINE, seed=None)
    dualnet.load_weights(model, {n: a.astype(np.float32) for n, a in weights(LINE, 6).items()}, LINE)
    optimizer = torch.optim.SGD(model.parameters(), RATE, 0.9)
    scaler = torch.amp.GradScaler("cpu", init_scale=start, growth_interval=7)
    inputs, labels = torch.tensor(LOUD, dtype=torch.float32), torch.tensor(LABELS)
    for row in ORDER[:40]:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs[row]), labels[row])
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    expected = dualnet.weights(model, LINE)
    for backend in both:
        _, found, slots = scaled(backend, rule, 40)
        assert slots["loss_scale/scale"] == scaler.get_scale() < start
        assert 0 < slots["loss_scale/skipped"] < 20
        for name, array in expected.items():
            # float32 over forty steps; the scale is a power of two, and changes nothing else
            np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-5 * np.abs(array).max(), err_msg=name)


def test_the_scale_is_kerass(both: tuple[Backend, Backend]) -> None:
    import keras
    import tensorflow as tf

    start = 2.0**126
    model = both[1].build(LINE, seed=None)
    dualnet.load_weights(model, {n: a.astype(np.float32) for n, a in weights(LINE, 6).items()}, LINE)
    inner = keras.optimizers.SGD(RATE, 0.9)
    outer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=start, dynamic_growth_steps=7)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for row in ORDER[:40]:
        with tf.GradientTape() as tape:
            loss = loss_of(LABELS[row], model(tf.constant(LOUD[row], tf.float32)))
            big = outer.scale_loss(loss)
        outer.apply(tape.gradient(big, [v.value for v in model.trainable_variables]), model.trainable_variables)
    _, found, slots = scaled(both[1], S.LossScale(start, interval=7), 40, velocity="update")
    assert slots["loss_scale/scale"] == float(outer.dynamic_scale.numpy())
    for name, array in dualnet.weights(model, LINE).items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-5 * np.abs(array).max(), err_msg=name)


@pytest.mark.parametrize("more", [{}, {"accumulate": S.Accumulate(2)}, {"average": S.WeightAverage(0.9)}])
def test_an_update_that_overflows_is_left_out_of_everything(backend: Backend, more: dict[str, Any]) -> None:
    _, found, slots = scaled(backend, BOLD, 2, **more)
    for name, array in weights(LINE, 6).items():
        np.testing.assert_array_equal(found[name], array.astype(np.float32), name)
    assert slots["loss_scale/skipped"] == (1 if "accumulate" in more else 2)
    assert slots["loss_scale/scale"] == 2.0 ** (129 if "accumulate" in more else 128)
    assert not any(name.endswith("/average") for name in slots)


@pytest.mark.parametrize("more", [{}, {"accumulate": S.Accumulate(2)}, {"average": S.WeightAverage(0.9)}])
def test_both_sides_scale_alike_and_go_on_from_their_slots(both: tuple[Backend, Backend], more: dict[str, Any]) -> None:
    made = [scaled(backend, BOLD, 40, **more) for backend in both]
    (_, left, ours), (_, right, theirs) = made
    assert sorted(ours) == sorted(theirs)
    for name in ("scale", "run", "skipped"):
        assert ours[f"loss_scale/{name}"] == theirs[f"loss_scale/{name}"]
    for name, array in left.items():
        np.testing.assert_allclose(right[name], array, rtol=0, atol=1e-5 * np.abs(array).max(), err_msg=name)
    for backend, (_, whole, slots) in zip(both, made, strict=True):
        _, half, kept = scaled(backend, BOLD, 20, **more)
        again = backend.session(LINE, seed=0)
        again.load(half)
        again.hold("train", {"input": LOUD}, LABELS, LABELS)
        again.prepare(LINE.training.loss, replace(S.SGD(RATE, 0.9), loss_scale=BOLD, **more))
        again.load_slots(kept)
        again.steps("train", ORDER[20:40], np.full(20, RATE))
        for name, array in whole.items():
            np.testing.assert_array_equal(again.weights()[name], array, name)
        assert again.slots()["loss_scale/run"] == slots["loss_scale/run"]


@pytest.mark.parametrize("name", ["mixed_float16", "mixed_bfloat16", "bfloat16"])
def test_networks_learn_in_sixteen_bits(backend: Backend, name: str) -> None:
    session = backend.session(SPEC, dtype=name, seed=0)
    labels = TRAIN["input"][:, :3].argmax(1)  # there is something to learn
    session.hold("train", TRAIN, labels, labels)
    session.prepare(SPEC.training.loss, replace(S.Adam(0.01), loss_scale=S.LossScale()))
    losses = session.steps("train", np.resize(ORDER, (120, ORDER.shape[1])), np.full(120, 0.01))["loss"]
    assert losses[-20:].mean() < 0.7 * losses[:5].mean()


def test_malformed_scales_are_refused() -> None:
    with pytest.raises(SpecError, match=r"growth must be at least 1 and backoff above 0. Received: growth=0.5"):
        S.LossScale(growth=0.5)
