"""The course's FixedHiddenMLP: fixed weights, a layer used twice, a while loop; against its text on each framework."""

from typing import Any

import numpy as np
import pytest

import dualnet
from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.protocol import Arrays, Session
from dualnet.errors import UnsupportedError
from dualnet.specs import zoo
from tests.cases import CLOSE, arrays

SPEC = zoo.load("fixed_hidden_mlp")
# The loop runs a different number of times for each: not at all, once or twice, and often.
BATCHES = {size: {"input": size * arrays(SPEC.inputs, 90, 2)["input"]} for size in (1e-3, 1.0, 1e4)}
TRAINED = ["linear.weight", "linear.bias"]


def loaded(backend: Backend, shrunk: float = 1.0) -> Session:
    session = backend.session(SPEC, dtype="float64", seed=4)
    session.load({name: shrunk * array for name, array in session.weights().items()})
    return session


def by_torch(weights: Arrays, x: Any) -> tuple[float, Arrays]:
    """Return the output and the gradients of the book's PyTorch listing."""
    import torch
    from torch.nn import functional as F

    w, b, fixed = (torch.tensor(weights[n]) for n in (*TRAINED, "fixed.weight"))
    X = torch.tensor(x, requires_grad=True)
    w.requires_grad_(), b.requires_grad_()
    Y = F.linear(X, w, b)
    Y = F.relu(Y @ fixed.T + torch.tensor(weights["fixed.bias"]))
    Y = F.linear(Y, w, b)
    while Y.abs().sum() > 1:
        Y = Y / 2
    Y.sum().backward()
    return float(Y.detach().sum()), {TRAINED[0]: w.grad.numpy(), TRAINED[1]: b.grad.numpy(), "input": X.grad.numpy()}


def by_tensorflow(weights: Arrays, x: Any) -> tuple[float, Arrays]:
    """Return the output and the gradients of the book's TensorFlow listing."""
    import tensorflow as tf

    w, b, fixed, X = (tf.constant(each) for each in (*(weights[n] for n in (*TRAINED, "fixed.weight")), x))
    with tf.GradientTape() as tape:
        tape.watch([w, b, X])
        Y = X @ tf.transpose(w) + b
        Y = tf.nn.relu(Y @ tf.transpose(fixed) + weights["fixed.bias"])
        Y = Y @ tf.transpose(w) + b
        while tf.reduce_sum(tf.math.abs(Y)) > 1:
            Y = Y / 2
        total = tf.reduce_sum(Y)
    found = tape.gradient(total, [w, b, X])
    return float(total), {name: g.numpy() for name, g in zip([*TRAINED, "input"], found, strict=True)}


@pytest.mark.parametrize("listing", [by_torch, by_tensorflow])
@pytest.mark.parametrize("size", BATCHES)
def test_the_spec_is_the_books_listing(backend: Backend, listing: Any, size: float) -> None:
    session, inputs = loaded(backend), BATCHES[size]
    outputs = session.forward(inputs)["outputs"]
    found = session.gradients(inputs, None, [np.ones_like(outputs[0])])
    total, expected = listing(session.weights(), inputs["input"])
    np.testing.assert_allclose(outputs[0].sum(), total, rtol=0, atol=CLOSE)  # the loop leaves Σ|x| below 1
    for name, array in (found["parameters"] | found["inputs"]).items():
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=CLOSE * scale, err_msg=name)
    assert sorted({**found["parameters"], **found["inputs"]}) == sorted(expected)


def test_the_loop_ran_a_different_number_of_times(backend: Backend) -> None:
    counts = []
    for shrunk, size in ((1e-3, 1e-3), (1.0, 1.0), (1.0, 1e4)):
        layers = loaded(backend, shrunk).forward(BATCHES[size])["layers"]
        counts.append(float(np.log2(np.abs(layers["again"]).max() / np.abs(layers["halve"]).max())))
        assert np.abs(layers["halve"]).sum() <= 1
    assert counts[0] == 0.0  # not even once
    assert 1 <= counts[1] < counts[2]
    assert all(count == int(count) for count in counts)


def test_fixed_weights_stay_and_the_others_learn_alike(both: tuple[Backend, Backend]) -> None:
    ends = []
    for backend in both:
        session = loaded(backend)
        before = session.weights()
        session.hold("train", BATCHES[1.0], targets=np.ones((2, 1)))
        session.prepare(SPEC.training.loss, S.AdamW(0.01, weight_decay=0.1))
        losses = session.steps("train", np.tile(np.arange(2), (5, 1)), np.full(5, 0.01))["loss"]
        after = session.weights()
        assert session.trainable() == TRAINED
        assert [name for name in after if not np.array_equal(after[name], before[name])] == TRAINED
        assert {name.partition("/")[0] for name in session.slots()} == {*TRAINED, "step"}
        assert losses[-1] < losses[0]
        ends.append({**after, "losses": losses})
    for name, array in ends[0].items():
        np.testing.assert_allclose(ends[1][name], array, rtol=0, atol=CLOSE * np.abs(array).max(), err_msg=name)


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_what_is_not_finite_ends_the_loop(backend: Backend, value: float) -> None:
    x = np.array([[value, *range(19)]])
    np.testing.assert_array_equal(backend.session(SPEC, dtype="float64").layer("halve", [x]), x)


@pytest.mark.parametrize("to", ["torch", "keras"])
def test_as_source_the_loop_is_refused_by_name(to: str) -> None:
    with pytest.raises(
        UnsupportedError, match=r"fixed_hidden_mlp: Halve 'halve' cannot be written as source: it loops"
    ):
        dualnet.emit("fixed_hidden_mlp", to)


def test_source_keeps_fixed_weights_fixed() -> None:
    spec = S.Spec("net", S.Sequential(S.Linear(3, trainable=False), S.ReLU(), S.Linear(2)), (4,))
    program = dualnet.from_torch(dualnet.build(spec, "torch"), np.ones((2, 4), "float32"))
    torch, keras = (dualnet.build(program, name) for name in ("torch", "keras"))
    assert [parameter.requires_grad for parameter in torch.parameters()] == [False, False, True, True]
    assert [len(torch.state_dict()), len(keras.weights), len(keras.trainable_weights)] == [4, 4, 2]
