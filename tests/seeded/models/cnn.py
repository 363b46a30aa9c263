"""A small picture classifier: uneven padding, batch norm, both poolings with padding, flatten into dense layers."""

from typing import Any

import keras
import numpy as np
import torch
from keras import layers
from torch import nn

from tests.seeded.carry import carry, carry_flattened
from tests.seeded.models.keras_parts import BatchNorm


class Cnn(nn.Module):
    """The PyTorch side: pictures (N, 3, 14, 11) to logits of 7 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(0.5))
        self.register_buffer("std", torch.tensor(0.25))
        self.pad = nn.ZeroPad2d((1, 2, 0, 1))
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu1 = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.relu2 = nn.ReLU()
        self.avgpool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(8 * 4 * 3, 12)
        self.dropout = nn.Dropout(0.4)
        self.fc2 = nn.Linear(12, 12)
        self.tanh = nn.Tanh()
        self.head = nn.Linear(12, 7)

    def forward(self, x):
        x = (x - self.mean) / self.std
        x = self.relu1(self.bn1(self.conv1(self.pad(x))))
        x = self.relu2(self.conv2(self.maxpool(x)))
        x = self.flatten(self.avgpool(x))
        x = self.tanh(self.fc2(self.dropout(self.fc1(x))))
        return self.head(x)


def keras_model() -> keras.Model:
    """The Keras side: pictures (N, 14, 11, 3)."""
    image = keras.Input((14, 11, 3))
    x = layers.Rescaling(4.0, offset=-2.0, name="rescale")(image)
    x = layers.ZeroPadding2D(((0, 1), (1, 2)), name="pad")(x)
    x = layers.Conv2D(8, 3, strides=2, name="conv1")(x)
    x = BatchNorm(name="bn1")(x)
    x = layers.ReLU(name="relu1")(x)
    x = layers.ZeroPadding2D(1, name="maxpad")(x)  # after ReLU, zero is as good as -inf
    x = layers.MaxPooling2D(3, strides=2, name="maxpool")(x)
    x = layers.Conv2D(8, 3, padding="same", name="conv2")(x)
    x = layers.ReLU(name="relu2")(x)
    x = layers.AveragePooling2D(3, strides=1, padding="same", name="avgpool")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(12, name="fc1")(x)
    x = layers.Dropout(0.4, name="dropout")(x)
    x = layers.Dense(12, name="fc2")(x)
    x = layers.Activation("tanh", name="tanh")(x)
    return keras.Model(image, layers.Dense(7, name="head")(x))


torch_model = Cnn
LAYERS = {
    "": "rescale",
    "pad": "pad",
    "conv1": "conv1",
    "bn1": "bn1",
    "relu1": "relu1",
    "maxpool": "maxpool",
    "conv2": "conv2",
    "relu2": "relu2",
    "avgpool": "avgpool",
    "flatten": "flatten",
    "fc1": "fc1",
    "dropout": "dropout",
    "fc2": "fc2",
    "tanh": "tanh",
    "head": "head",
}


def sync(module: nn.Module, model: keras.Model) -> None:
    """Give the Keras model the module's weights; ``fc1`` reads (C, H, W) there and (H, W, C) here."""
    carry(module, model, LAYERS, leave=("fc1",))
    carry_flattened(module.fc1, model.get_layer("fc1"), (8, 4, 3))


def inputs(rng: np.random.Generator, batch: int = 5) -> Any:
    return rng.uniform(0.0, 1.0, (batch, 3, 14, 11)).astype(np.float32)


def targets(rng: np.random.Generator, batch: int = 5) -> Any:
    return np.eye(7, dtype=np.float32)[rng.integers(0, 7, batch)]


LOSS = (
    nn.CrossEntropyLoss(label_smoothing=0.1),
    keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
)
OPTIMIZER = (
    lambda parameters: torch.optim.SGD(parameters, lr=0.02, momentum=0.9, nesterov=True),
    lambda: keras.optimizers.SGD(0.02, momentum=0.9, nesterov=True),
)
