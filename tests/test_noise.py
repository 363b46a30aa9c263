"""Noise without shared draws: what each framework's own generator gives; and models that hold it, saved and loaded."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dualnet
import tests.sequence_cases
import tests.transform_cases  # noqa: F401 - enters its rows
from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.protocol import Array
from tests.cases import CASES, inputs

SHAPE = (6, 20, 10)
X = np.random.default_rng(0).normal(size=(50, *SHAPE))
SIGMAS = 6.0  # strays further once in 5e8


def noisy(backend: Backend, layer: S.Layer) -> Array:
    """Return what a layer makes of X in training, by the framework's own draws."""
    session = backend.session(S.Spec("noise", layer, SHAPE), dtype="float64", shared_masks=False)
    return session.forward({"input": X}, training=True)["outputs"][0]


@pytest.mark.parametrize("layer", [S.AlphaDropout(0.3), S.FeatureAlphaDropout(0.3)], ids=str)
def test_alpha_dropout_keeps_mean_and_variance(backend: Backend, layer: Any) -> None:
    fallen, scale, shift = layer.affine()
    made = noisy(backend, layer)
    dropped = np.isclose(made, scale * fallen + shift)
    np.testing.assert_allclose(made[~dropped], (scale * X + shift)[~dropped], atol=1e-12)
    whole = dropped.reshape(*dropped.shape[:2], -1)
    count = whole[..., 0].size if isinstance(layer, S.FeatureAlphaDropout) else whole.size
    assert abs(dropped.mean() - 0.3) < SIGMAS * np.sqrt(0.21 / count)
    assert (whole.all(-1) == whole.any(-1)).all() == isinstance(layer, S.FeatureAlphaDropout)
    assert abs(made.mean()) < SIGMAS * 1.5 / np.sqrt(count)
    assert abs(made.var() - 1) < SIGMAS * 2.5 / np.sqrt(count)


def test_gaussian_noise_is_added_and_gaussian_dropout_multiplied(backend: Backend) -> None:
    added = noisy(backend, S.GaussianNoise(0.4)) - X
    times = noisy(backend, S.GaussianDropout(0.2)) / X
    for found, mean, std in ((added, 0.0, 0.4), (times, 1.0, 0.5)):
        assert abs(found.mean() - mean) < SIGMAS * std / np.sqrt(found.size)
        assert abs(found.std() - std) < SIGMAS * std / np.sqrt(2 * found.size)


def test_the_slopes_of_rrelu_are_drawn_evenly(backend: Backend) -> None:
    slopes = (noisy(backend, S.RReLU(0.1, 0.5)) / X)[X < 0]
    assert 0.1 <= slopes.min() < 0.101
    assert 0.499 < slopes.max() <= 0.5
    assert abs(slopes.mean() - 0.3) < SIGMAS * 0.4 / np.sqrt(12 * slopes.size)


@pytest.mark.parametrize("layer", [S.LSTM(5, layers=2, dropout=0.5, bias="one"), S.MultiheadAttention(2, dropout=0.5)])
def test_dropout_inside_a_layer_is_drawn_anew(backend: Backend, layer: S.Layer) -> None:
    session = backend.session(S.Spec("inside", layer, (4, 6)), dtype="float64", shared_masks=False)
    x = {"input": X[:, :4, :6, 0]}
    first, second = (session.forward(x, training=True)["outputs"][0] for _ in range(2))
    still = [session.forward(x)["outputs"][0] for _ in range(2)]
    assert (first != second).mean() > 0.9
    np.testing.assert_array_equal(still[0], still[1])


SAVED = ("embedding_padding", "bag_mean_padding", "lstm_dropout_both_ways", "gru_before", "multihead_cross_sizes",
         "attention_concat_cross", "feature_alpha_dropout-image", "gaussian_noise-image", "gaussian_dropout-sequence",
         "rrelu-image", "prelu_channels-image", "rms_3", "glu_3", "softmin_1", "unit_1", "normalization_columns",
         "dot_cosine-sequence", "distance-sequence", "bilinear")  # fmt: skip


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")  # Keras's own
@pytest.mark.parametrize("name", SAVED)
def test_a_saved_keras_model_is_the_same_one(both: tuple[Backend, Backend], name: str, tmp_path: Path) -> None:
    import keras

    spec = CASES[name]
    model = dualnet.build(spec, "keras", dtype="float64")
    x = [np.moveaxis(array, 1, -1) if array.ndim == 4 else array for array in inputs(spec, 1).values()]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    given = x if len(x) > 1 else x[0]
    for left, right in zip(keras.tree.flatten(again(given)), keras.tree.flatten(model(given)), strict=True):
        np.testing.assert_array_equal(np.asarray(left), np.asarray(right))
