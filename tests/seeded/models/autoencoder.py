"""An autoencoder of pictures: strided convolutions down to ten numbers, transposed ones and upsampling back."""

from typing import Any

import keras
import numpy as np
import torch
from keras import layers
from torch import nn

from tests.seeded.carry import carry, carry_flattened, carry_unflattened
from tests.seeded.models import keras_parts


class Autoencoder(nn.Module):
    """The PyTorch side: pictures (N, 2, 16, 12) to the same."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 6, 3, stride=2, padding=1)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.relu2 = nn.ELU()
        self.encode = nn.Linear(8 * 4 * 3, 10)
        self.middle = nn.Linear(10, 10)
        self.decode = nn.Linear(10, 8 * 4 * 3)
        self.relu3 = nn.SiLU()
        self.up1 = nn.ConvTranspose2d(8, 6, 4, stride=2, padding=1)
        self.relu4 = nn.ReLU()
        self.up2 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.conv3 = nn.Conv2d(6, 6, 3, padding=1)
        self.relu5 = nn.ReLU()
        self.conv4 = nn.Conv2d(6, 2, 3, padding=1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x):
        x = self.relu2(self.conv2(self.relu1(self.conv1(x))))
        code = self.middle(self.encode(x.flatten(1)))
        x = self.relu3(self.decode(code)).view(-1, 8, 4, 3)
        x = self.up2(self.relu4(self.up1(x)))
        return self.sigmoid(self.conv4(self.relu5(self.conv3(x))))


def keras_model() -> keras.Model:
    """The Keras side: pictures (N, 16, 12, 2)."""
    return keras.Sequential([
        keras.Input((16, 12, 2)),
        layers.ZeroPadding2D(1, name="pad1"),
        layers.Conv2D(6, 3, strides=2, name="conv1"),
        layers.ReLU(name="relu1"),
        layers.ZeroPadding2D(1, name="pad2"),
        layers.Conv2D(8, 3, strides=2, name="conv2"),
        layers.ELU(name="relu2"),
        layers.Flatten(name="flatten"),
        layers.Dense(10, name="encode"),
        layers.Dense(10, name="middle"),
        layers.Dense(8 * 4 * 3, name="decode"),
        layers.Activation("silu", name="relu3"),
        layers.Reshape((4, 3, 8), name="reshape"),
        layers.Conv2DTranspose(6, 4, strides=2, padding="same", name="up1"),
        layers.ReLU(name="relu4"),
        layers.UpSampling2D(2, interpolation="bilinear", name="up2"),
        layers.Conv2D(6, 3, padding="same", name="conv3"),
        layers.ReLU(name="relu5"),
        layers.Conv2D(2, 3, padding="same", name="conv4"),
        layers.Activation("sigmoid", name="sigmoid"),
    ])  # fmt: skip


torch_model = Autoencoder
LAYERS = {name: name for name in ("conv1", "relu1", "conv2", "relu2", "encode", "middle", "decode", "relu3", "up1")}
LAYERS |= {name: name for name in ("relu4", "up2", "conv3", "relu5", "conv4", "sigmoid")}


def sync(module: nn.Module, model: keras.Model) -> None:
    """Give the Keras model the module's weights; the code is read from, and written to, (H, W, C) here."""
    carry(module, model, LAYERS, leave=("encode", "decode"))
    carry_flattened(module.encode, model.get_layer("encode"), (8, 4, 3))
    carry_unflattened(module.decode, model.get_layer("decode"), (8, 4, 3))


def inputs(rng: np.random.Generator, batch: int = 3) -> Any:
    return rng.uniform(0.0, 1.0, (batch, 2, 16, 12)).astype(np.float32)


def targets(rng: np.random.Generator, batch: int = 3) -> Any:
    return inputs(rng, batch)


def keras_mse(target, output):
    """The mean squared error; the pictures of the targets come channels first."""
    return keras.ops.mean((output - keras.ops.transpose(target, (0, 2, 3, 1))) ** 2)


LOSS = (nn.MSELoss(), keras_mse)
OPTIMIZER = (
    lambda parameters: torch.optim.Adam(parameters, lr=1e-3, amsgrad=True),
    lambda: keras_parts.Adam(1e-3, amsgrad=True, epsilon=1e-8),
)
