"""Port the other way: Keras models of every kind become torch modules, and come back as they were."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import dualnet
from dualnet.backends import backend
from dualnet.errors import TraceError

backend("keras")  # which decides how TensorFlow starts

import keras  # noqa: E402
from keras import layers, ops  # noqa: E402

STAGES = ["structure", "weights", "forward", "train mode", "gradients", "step", "state"]


def sequential() -> Any:
    return keras.Sequential(
        [
            keras.Input((12, 10, 3)),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(5, activation="softmax"),
        ]
    )


def residual() -> Any:
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.SeparableConv2D(4, 3, padding="same")(x)
    x = layers.Add()([x, inputs])
    x = layers.Concatenate()([x, layers.AveragePooling2D(3, 1, padding="same")(x)])
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


def text() -> Any:
    inputs = keras.Input((7,), dtype="int32")
    x = layers.Embedding(20, 6)(inputs)
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True))(x)
    x = layers.GRU(4)(x)
    return keras.Model(inputs, layers.Dense(2)(x))


def attention() -> Any:
    inputs = keras.Input((6, 8))
    x = layers.LayerNormalization(epsilon=1e-6)(inputs)
    x = inputs + layers.MultiHeadAttention(2, 4)(x, x)
    x = x + layers.Dense(8)(layers.Dense(16, activation="silu")(layers.LayerNormalization()(x)))
    return keras.Model(inputs, x[:, 0])


def autoencoder() -> Any:
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(inputs)
    x = layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.UpSampling2D(2)(layers.MaxPooling2D(2)(x))
    return keras.Model(inputs, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x))


def two_inputs() -> Any:
    left, right = keras.Input((5,), name="left"), keras.Input((3,), name="right")
    encode = layers.Dense(4, activation="tanh", name="encode")
    joined = layers.Concatenate()([encode(left), encode(layers.Dense(5)(right))])
    return keras.Model([left, right], [layers.Dense(2)(joined), joined])


class Block(layers.Layer):
    def __init__(self, units: int) -> None:
        super().__init__()
        self.inner, self.norm = layers.Dense(units, activation="relu"), layers.LayerNormalization()

    def call(self, x: Any) -> Any:
        return self.norm(x + self.inner(x))


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.blocks, self.head = layers.Dense(6), [Block(6) for _ in range(3)], layers.Dense(2)

    def call(self, x: Any) -> Any:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(ops.mean(x, axis=1))


def subclassed() -> Any:
    model = Subclassed()
    model(np.zeros((2, 4, 5), "float32"))
    return model


MODELS: dict[str, tuple[Callable[[], Any], tuple[int, ...] | None]] = {
    "sequential": (sequential, None),
    "residual": (residual, None),
    "attention": (attention, None),
    "autoencoder": (autoencoder, None),
    "two_inputs": (two_inputs, None),
    "subclassed": (subclassed, (3, 4, 5)),
}


def shaken(model: Any) -> Any:
    """Give a model weights that are not 0 and 1."""
    generator = np.random.default_rng(0)
    for variable in model.weights:
        if variable.dtype.startswith("float"):
            low = 0.5 if "variance" in variable.path else -0.5
            variable.assign(generator.uniform(low, low + 1.0, variable.shape))
    return model


@pytest.mark.parametrize("name", MODELS)
def test_a_keras_model_becomes_the_same_torch_module(name: str) -> None:
    make, shape = MODELS[name]
    example = None if shape is None else np.random.default_rng(0).normal(size=shape).astype("float32")
    made = dualnet.port(shaken(make()), example, to="torch")
    assert made.report.agrees, str(made.report)
    assert [stage.name for stage in made.report.stages if stage.verdict != "not checked"] == STAGES
    assert not made.moves or name == "attention"  # heads change places with time steps, as in the original
    assert "keras" not in made.source.replace("ported from Keras", "")


def test_text_goes_through_recurrent_layers() -> None:
    tokens = np.random.default_rng(0).integers(0, 20, (3, 7)).astype("int32")
    model = shaken(text())
    made = dualnet.port(model, tokens, to="torch", certificate=False)
    assert np.abs(made(tokens) - np.asarray(model(tokens))).max() < 1e-6
    assert {"nn.LSTM", "nn.GRU", "nn.Embedding"} <= set(re.findall(r"nn\.\w+", made.source))


def test_a_list_of_blocks_stays_a_list() -> None:
    made = dualnet.port(subclassed(), np.zeros((2, 4, 5), "float32"), to="torch", certificate=False)
    assert "self.blocks = nn.ModuleList([Block() for _ in range(3)])" in made.source
    assert "for block in self.blocks:" in made.source
    assert "blocks.2.inner.weight" in made.weights


def test_there_and_back_is_the_same_numbers() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 2))
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype("float32")
    there = dualnet.port(net, x, certificate=False)
    back = dualnet.port(there.model, x.transpose(0, 2, 3, 1), certificate=False)
    expected = net(torch.from_numpy(x)).detach().numpy()
    assert np.abs(back.model.eval()(torch.from_numpy(x)).detach().numpy() - expected).max() < 1e-6
    assert {array.shape for array in back.weights.values()} == {tuple(p.shape) for p in net.parameters()}


def test_a_layer_that_cannot_be_read_is_named() -> None:
    inputs = keras.Input((4,), name="numbers")
    model = keras.Model(inputs, layers.Hashing(3, name="hashing")(inputs))
    with pytest.raises(TraceError, match="hashing"):
        dualnet.from_keras(model)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("MobileNetV2", 32),
        ("ResNet50", 32),
        ("DenseNet121", 32),
        ("EfficientNetB0", 32),
        ("VGG16", 32),
        ("Xception", 71),
    ],
)
def test_applications_become_torch(name: str, size: int) -> None:
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=4)
    for variable in model.weights:
        if "moving_variance" in variable.path:
            variable.assign(np.random.default_rng(0).uniform(0.5, 2.0, variable.shape))
    made = dualnet.port(model, to="torch", certificate=False)
    x = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype("float32")
    expected = np.asarray(model(x, training=False))
    assert np.abs(made(x) - expected).max() < 1e-4 * np.abs(expected).max()
    assert not made.moves


def test_a_ported_lstm_comes_back_as_one() -> None:
    torch.manual_seed(0)
    net = torch.nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True)
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    there = dualnet.port(net, x, certificate=False)
    back = dualnet.port(there.model, x, certificate=False)
    assert "nn.LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=True)" in back.source
    expected = net(torch.from_numpy(x))[0].detach().numpy()
    assert np.abs(back(x)[0] - expected).max() < 1e-6
