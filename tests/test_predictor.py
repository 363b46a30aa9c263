"""A predictor gives what the model gives in evaluation mode, however it is fed, and leaves the model as it was."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

import keras
import torch
from keras import layers as K
from torch import nn

import dualnet
from dualnet.errors import SpecError, UnsupportedError

X = np.random.default_rng(0).normal(size=(7, 6)).astype("float32")


class Two(nn.Module):
    """Two inputs, a dictionary of outputs; it drops and normalises, so that the modes differ."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(0.5))
        self.frozen = nn.Dropout(0.5).eval()

    def forward(self, x: Any, scale: Any) -> Any:
        made = self.frozen(self.body(x)) * scale
        return {"sum": made.sum(1, keepdim=True), "all": (made, made.argmax(1))}


@keras.saving.register_keras_serializable("tests")
class TwoInKeras(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense, self.norm, self.drop = K.Dense(5), K.BatchNormalization(), K.Dropout(0.5)

    def call(self, x: Any, scale: Any, training: bool = False) -> Any:
        made = self.drop(self.norm(self.dense(x), training=training), training=training) * scale
        return {"sum": keras.ops.sum(made, 1, keepdims=True), "all": (made, keras.ops.argmax(made, 1))}


class Sized(keras.Model):
    """A model that reads its batch size as a number, as code of one's own may."""

    def call(self, x: Any) -> Any:
        return x * float(1 / int(x.shape[0]))


def made(framework: str) -> Any:
    torch.manual_seed(3)
    keras.utils.set_random_seed(3)
    return Two() if framework == "torch" else TwoInKeras()


def plainly(model: Any, x: Any, scale: Any) -> Any:
    """Return what the model gives, called by hand."""
    if isinstance(model, nn.Module):
        twin = Two()
        twin.load_state_dict(model.state_dict())
        with torch.no_grad():
            found = twin.eval()(torch.tensor(x), torch.tensor(scale))
    else:
        found = model(x, scale, training=False)
    return {"sum": np.asarray(found["sum"]), "all": tuple(np.asarray(each) for each in found["all"])}


def assert_same(ours: Any, theirs: Any) -> None:
    # A compiled graph may fuse what single ops round apart: some ulps of numbers near 1.
    np.testing.assert_allclose(ours["sum"], theirs["sum"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours["all"][0], theirs["all"][0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(ours["all"][1], theirs["all"][1])
    assert ours["all"][1].dtype.kind == "i"


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_it_gives_what_the_model_gives(framework: str) -> None:
    model, scale = made(framework), X[:, :1]
    predict = dualnet.predictor(model)
    found = predict((X, scale))
    assert_same(found, plainly(model, X, scale))
    assert_same(predict({"x": X, "scale": scale}) if framework == "torch" else found, found)
    assert_same(predict((X.astype("float64"), scale)), found)  # in the model's own precision
    assert found["sum"].dtype == np.float32
    for size in (1, 3, 7, 100):
        assert_same(predict((X, scale), batch_size=size), found)


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_it_sees_weights_that_change_and_leaves_the_modes(framework: str) -> None:
    model, scale = made(framework), X[:, :1]
    predict = dualnet.predictor(model)
    before = predict((X, scale))
    if framework == "torch":
        with torch.no_grad():
            model.body[0].weight.mul_(2)
        assert model.training and model.body[1].training and not model.frozen.training
        assert model.body[1].num_batches_tracked == 0
    else:
        model.dense.kernel.assign(2 * model.dense.kernel)
    after = predict((X, scale))
    assert not np.allclose(before["sum"], after["sum"])
    assert_same(after, plainly(model, X, scale))


def test_a_read_only_array_is_not_written_to() -> None:
    model = nn.ReLU(inplace=True)
    given = X.copy()
    given.flags.writeable = False
    assert (dualnet.predictor(model)(given) >= 0).all()
    np.testing.assert_array_equal(given, X)


def test_an_array_is_not_written_to() -> None:
    given = X.copy()
    dualnet.predictor(nn.ReLU(inplace=True))(given)
    np.testing.assert_array_equal(given, X)


def test_a_model_of_a_failing_forward_keeps_its_modes() -> None:
    model = nn.Sequential(nn.Dropout(), nn.Linear(3, 2))
    with pytest.raises(RuntimeError):
        dualnet.predictor(model)(X)
    assert model[0].training


def test_keras_compiles_once_for_each_kind_of_input() -> None:
    traced = []

    @keras.saving.register_keras_serializable("tests")
    class Counting(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            traced.append(x.shape)
            return x

    predict = dualnet.predictor(keras.Sequential([keras.Input((None,)), Counting()]))
    traced.clear()
    for rows in (1, 5, 7, 1):
        assert predict(X[:rows]).shape == (rows, 6)
    assert len(traced) == 1  # whatever the size of the batch
    predict(X[:, :2])
    assert len(traced) == 2


def test_keras_code_that_needs_a_batch_size_gets_it() -> None:
    predict = dualnet.predictor(Sized())
    for rows in (2, 4):
        np.testing.assert_allclose(predict(X[:rows]), X[:rows] / rows, rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "size", "message"),
    [
        (X, 0, r"batch_size must be at least 1\. Received: 0"),
        ((X, X[:3]), 2, "Received lengths: 3, 7"),
        (X[:0], 2, "Received lengths: 0"),
        (3, 2, "Received lengths: no arrays"),
    ],
)
def test_batches_that_cannot_be_cut(given: Any, size: int, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        dualnet.predictor(nn.Identity())(given, batch_size=size)


def test_batches_that_cannot_be_joined() -> None:
    class Mean(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.mean()

    assert dualnet.predictor(Mean())(X) == pytest.approx(X.mean(), rel=1e-5)
    with pytest.raises(SpecError, match="without a batch axis"):
        dualnet.predictor(Mean())(X, batch_size=3)


def test_what_is_no_model() -> None:
    with pytest.raises(UnsupportedError, match="Received: function"):
        dualnet.predictor(plainly)
