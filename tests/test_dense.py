"""A chain of dense layers trains by gradients written out, to the same bits as by autograd; other nets keep that."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from dualnet import specs as S
from dualnet.backends import backend
from dualnet.specs import losses as L

ROWS = 23
RNG = np.random.default_rng(0)


def net(*layers: S.Layer, shape: tuple[int, ...] = (5,)) -> S.Spec:
    return S.Spec("net", S.Sequential(*layers), shape)


def trained(spec: S.Spec, loss: L.Loss, optimizer: Any, by_hand: bool, dtype: str = "float32", **more: Any) -> Any:
    """Return losses, hits, weights and slots after some steps."""
    session = backend("torch").session(spec, dtype=dtype, seed=1)
    rng = np.random.default_rng(3)
    features = session.forward({"input": np.zeros((1, *spec.inputs["input"]), dtype)})["outputs"][0].shape[1]
    labels = rng.integers(0, features, ROWS)
    targets = labels if L.classifies(loss) else rng.normal(size=(ROWS, features)).astype(dtype)
    inputs = {"input": rng.normal(size=(ROWS, *spec.inputs["input"])).astype(dtype)}
    soft = rng.dirichlet(np.ones(features), ROWS).astype(dtype) if isinstance(loss, L.Distillation) else None
    session.hold("data", inputs, targets, labels, soft)
    session.prepare(loss, optimizer, **more)
    assert session.trainer.dense is not None
    if not by_hand:
        session.trainer.dense = None
    batches = np.array([rng.permutation(ROWS)[:7] for _ in range(6)])
    made = session.steps("data", batches, np.full(6, optimizer.learning_rate))
    return made, session.weights(), session.slots()


def assert_same_bits(spec: S.Spec, loss: L.Loss, optimizer: Any, dtype: str = "float32", **more: Any) -> None:
    hand, auto = (trained(spec, loss, optimizer, by_hand, dtype, **more) for by_hand in (True, False))
    for ours, theirs in zip(hand, auto, strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


SQUASHES = (S.ReLU, S.Sigmoid, S.Tanh)


@st.composite
def chains(draw: Any) -> S.Spec:
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    layers: list[S.Layer] = [S.Flatten()] if len(shape) > 1 or draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            layers.append(S.Linear(draw(st.integers(1, 40)), bias=draw(st.booleans())))
        else:
            layers.append(draw(st.sampled_from(SQUASHES))())
    return net(*layers, S.Linear(draw(st.integers(2, 9)), bias=draw(st.booleans())), shape=shape)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    spec=chains(),
    loss=st.sampled_from(
        [L.CrossEntropy(), L.CrossEntropy(ignore_index=1), L.CrossEntropy(0.1), S.MeanSquaredError(target="given")]
    ),
    dtype=st.sampled_from(["float32", "float64"]),
    optimizer=st.sampled_from([S.Adam(1e-2), S.SGD(0.1, momentum=0.9), S.RMSprop(1e-2)]),
)
def test_every_chain_moves_to_the_same_bits(spec: S.Spec, loss: L.Loss, dtype: str, optimizer: Any) -> None:
    assert_same_bits(spec, loss, optimizer, dtype)


MLP = net(S.Linear(9), S.ReLU(), S.Linear(4))


@pytest.mark.parametrize(
    ("loss", "optimizer", "more"),
    [
        (L.Distillation(temperature=2.0, alpha=0.3), S.Adam(1e-2), {}),
        (L.CrossEntropy(), S.AdamW(1e-2, weight_decay=0.1), {"clip": S.Clip("global_norm", 0.01)}),
        (L.CrossEntropy(), S.Adam(1e-2, average=S.WeightAverage(0.9)), {"clip": S.Clip("value", 0.01)}),
    ],
    ids=["soft targets", "a clipped norm", "an average and clipped values"],
)
def test_what_reads_the_gradients_reads_the_same(loss: L.Loss, optimizer: Any, more: dict[str, Any]) -> None:
    assert_same_bits(MLP, loss, optimizer, **more)


@pytest.mark.parametrize(
    "other",
    [
        net(S.Linear(9), S.Dropout(0.5), S.Linear(4)),
        net(S.Linear(9), S.ReLU(shift=0.5), S.Linear(4)),
        net(S.Linear(9), S.GELU(), S.Linear(4)),
        net(S.Linear(9, trainable=False), S.ReLU(), S.Linear(4)),
        net(S.Linear(5, name="one"), S.Shared("one"), S.Linear(4)),
        net(S.Linear(5, name="one"), S.Add(inputs=("one", "input")), S.Linear(4)),
        net(S.Sequential(S.Linear(5), S.ReLU()), S.Linear(4)),
        net(S.Linear(6), S.Flatten(), S.Linear(4), shape=(3, 2)),
        net(S.Conv2d(3, 2), S.Flatten(), S.Linear(4), shape=(1, 4, 4)),
    ],
    ids=lambda spec: " ".join(type(step.layer).__name__ for step in spec.graph.leaves()),
)
def test_other_nets_keep_autograd(other: S.Spec) -> None:
    session = backend("torch").session(other)
    session.prepare(L.CrossEntropy(), S.Adam(1e-2))
    assert session.trainer.dense is None
    assert "written out" not in session.speed()


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_bfloat16"])
def test_sixteen_bits_keep_autograd(dtype: str) -> None:
    session = backend("torch").session(MLP, dtype=dtype)
    session.prepare(L.CrossEntropy(), S.Adam(1e-2))
    assert session.trainer.dense is None


def test_gathered_gradients_keep_autograd_and_a_chain_says_its_way() -> None:
    session = backend("torch").session(MLP)
    session.prepare(L.CrossEntropy(), S.Adam(1e-2))
    assert session.trainer.dense is not None and "the gradients of a dense chain written out" in session.speed()
    session.prepare(L.CrossEntropy(), replace(S.Adam(1e-2), accumulate=S.Accumulate(2)))
    assert session.trainer.dense is None
