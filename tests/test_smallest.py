"""The smallest pair of layers that differs, as a script that stands by itself."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

import keras
import torch
from keras import layers as K
from torch import nn

from dualnet import check
from dualnet.backends.keras import alone as of_keras
from dualnet.backends.torch import alone as of_torch
from dualnet.errors import UnsupportedError

X = np.random.default_rng(0).normal(size=(2, 3, 6, 5)).astype("float32")


def found(script: Path) -> float:
    """Run a script where dualnet cannot be imported; return the difference that it prints."""
    command = [sys.executable, "-P", str(script)]
    run = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/", timeout=120)
    assert run.returncode == 0, run.stderr
    return float(re.search(r"largest difference (\S+), of", run.stdout)[1])  # type: ignore[index]


def test_it_runs_by_itself_and_shows_the_difference(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2))
    model = keras.Sequential(
        [K.Input((6, 5, 3)), K.Conv2D(4, 3), K.BatchNormalization(), K.ReLU(), K.Flatten(), K.Dense(2)]
    )
    report = check(module, model, X, weights_from="left")
    assert report.smallest is not None
    written = report.smallest.save(tmp_path)
    assert [each.name for each in written] == ["smallest.py", "smallest.npz"]
    text = written[0].read_text()
    assert "torch.nn.BatchNorm2d(num_features=4, eps=1e-05" in text
    assert "Likely cause: epsilon: torch computes with 1e-05, keras with 0.001" in text
    assert "dualnet" not in text
    gap = report.stage("forward").gap64
    assert gap / 10 < found(written[0]) < gap * 10  # that of the layer, not of the outputs


def test_an_activation_that_a_layer_applies_is_a_layer_by_itself(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 4), nn.GELU())
    model = keras.Sequential([K.Input((5,)), K.Dense(4, activation=lambda x: keras.activations.gelu(x, True))])
    report = check(module, model, X[0, 0], weights_from="left")
    assert report.smallest is None  # no line of code makes a lambda
    model = keras.Sequential([K.Input((5,)), K.Dense(4, activation="silu")])
    report = check(module, model, X[0, 0], weights_from="left")
    assert report.smallest is not None
    assert found(report.smallest.save(tmp_path)[0]) > 0.01


def test_sound_models_have_none() -> None:
    assert check(nn.Linear(5, 4), nn.Linear(5, 4), X[0, 0], weights_from="left").smallest is None


MODULES: list[Any] = [
    nn.Linear(3, 4, bias=False), nn.Conv2d(2, 4, 3, 2, 1, groups=2, padding_mode="reflect"),
    nn.LSTM(3, 4, batch_first=True),
    nn.GRU(3, 4, 2, bidirectional=True), nn.MultiheadAttention(4, 2, batch_first=True),
    nn.Embedding(5, 3, padding_idx=1),
    nn.LayerNorm((4, 3), eps=1e-3), nn.BatchNorm2d(3, affine=False), nn.MaxPool2d(3, 2, 1, ceil_mode=True),
    nn.AvgPool2d(2, count_include_pad=False), nn.GELU("tanh"), nn.LeakyReLU(0.3), nn.Softmax(1), nn.Dropout(0.25),
    nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), nn.PReLU(3), nn.GroupNorm(2, 4), nn.Flatten(),
    nn.ConvTranspose1d(2, 3, 4, output_padding=1, stride=2),
]  # fmt: skip


@pytest.mark.parametrize("module", MODULES, ids=lambda module: type(module).__name__)
def test_the_line_makes_the_same_module(module: nn.Module) -> None:
    made = eval(of_torch.written(module), {"torch": torch})
    assert repr(made) == repr(module)
    assert {n: t.shape for n, t in made.state_dict().items()} == {n: t.shape for n, t in module.state_dict().items()}


LAYERS: list[Any] = [
    K.Dense(4, activation="relu", use_bias=False), K.Conv2D(4, 3, 2, "same", groups=2),
    K.LSTM(4, return_sequences=True),
    K.GRU(3, reset_after=False), K.MultiHeadAttention(2, 3), K.Embedding(5, 3, mask_zero=True), K.LayerNormalization(1),
    K.BatchNormalization(momentum=0.9, scale=False), K.MaxPooling2D(3, 2, "same"), K.LeakyReLU(0.1), K.Softmax(1),
    K.UpSampling2D(3, interpolation="bilinear"), K.ZeroPadding2D(((1, 0), (0, 2))), K.Activation("gelu"), K.PReLU(),
    K.Conv2DTranspose(3, 3, 2, output_padding=1), K.Dropout(0.2, seed=3),
]  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_the_line_makes_the_same_layer(layer: Any) -> None:
    told = [eval(of_keras.written(layer), {"keras": keras}).get_config(), layer.get_config()]
    for config in told:
        for name in ("name", "dtype", "seed"):
            config.pop(name, None)
    assert told[0] == told[1]


def test_a_class_of_ones_own_is_refused() -> None:
    class Own(nn.Module):
        pass

    class Layer(K.Layer):
        pass

    for page, made in ((of_torch, Own()), (of_keras, Layer())):
        with pytest.raises(UnsupportedError, match="is no class of"):
            page.written(made)
