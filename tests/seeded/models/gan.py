"""A generator and the discriminator that judges its pictures, as one model that gives both."""

from typing import Any

import keras
import numpy as np
import torch
from keras import layers
from torch import nn

from tests.seeded.carry import carry, carry_flattened, carry_unflattened
from tests.seeded.models import keras_parts
from tests.seeded.models.keras_parts import BatchNorm


class Gan(nn.Module):
    """The PyTorch side: noise (N, 6) to pictures (N, 3, 16, 12) and their scores (N, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(
            nn.Linear(6, 8 * 4 * 3),
            nn.Unflatten(1, (8, 4, 3)),
            nn.BatchNorm2d(8),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1),
            nn.Tanh(),
        )
        self.discriminator = nn.Sequential(
            nn.Conv2d(3, 6, 5, stride=2, padding=2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(6, 6, 3, padding=1, bias=False),
            nn.BatchNorm2d(6),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.25),
            nn.Flatten(),
            nn.Linear(6 * 8 * 6, 1),
        )

    def forward(self, noise):
        picture = self.generator(noise)
        return picture, self.discriminator(picture)


def keras_model() -> keras.Model:
    """The Keras side: pictures (N, 16, 12, 3)."""
    noise = keras.Input((6,))
    x = layers.Dense(8 * 4 * 3, name="dense")(noise)
    x = layers.Reshape((4, 3, 8), name="reshape")(x)
    x = BatchNorm(name="bn1")(x)
    x = layers.LeakyReLU(negative_slope=0.2, name="leaky1")(x)
    x = layers.Conv2DTranspose(8, 4, strides=2, padding="same", use_bias=False, name="up1")(x)
    x = BatchNorm(name="bn2")(x)
    x = layers.LeakyReLU(negative_slope=0.2, name="leaky2")(x)
    x = layers.Conv2DTranspose(3, 4, strides=2, padding="same", name="up2")(x)
    picture = layers.Activation("tanh", name="tanh")(x)
    x = layers.ZeroPadding2D(2, name="pad")(picture)
    x = layers.Conv2D(6, 5, strides=2, name="conv1")(x)
    x = layers.LeakyReLU(negative_slope=0.2, name="leaky3")(x)
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="conv2")(x)
    x = BatchNorm(name="bn3")(x)
    x = layers.LeakyReLU(negative_slope=0.2, name="leaky4")(x)
    x = layers.Dropout(0.25, name="dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(noise, [picture, layers.Dense(1, name="score")(x)])


torch_model = Gan
_GENERATOR = ("dense", "reshape", "bn1", "leaky1", "up1", "bn2", "leaky2", "up2", "tanh")
_DISCRIMINATOR = ("conv1", "leaky3", "conv2", "bn3", "leaky4", "dropout", "flatten", "score")
LAYERS = {f"generator.{index}": name for index, name in enumerate(_GENERATOR)}
LAYERS |= {f"discriminator.{index}": name for index, name in enumerate(_DISCRIMINATOR)}


def sync(module: nn.Module, model: keras.Model) -> None:
    """Give the Keras model the module's weights; pictures lie (H, W, C) here, where dense layers meet them."""
    carry(module, model, LAYERS, leave=("generator.0", "discriminator.7"))
    carry_unflattened(module.generator[0], model.get_layer("dense"), (8, 4, 3))
    carry_flattened(module.discriminator[7], model.get_layer("score"), (6, 8, 6))


def inputs(rng: np.random.Generator, batch: int = 4) -> Any:
    return rng.normal(0.0, 1.0, (batch, 6)).astype(np.float32)


def targets(rng: np.random.Generator, batch: int = 4) -> Any:
    return rng.integers(0, 2, (batch, 1)).astype(np.float32)


LOSS = (
    lambda output, target: nn.functional.binary_cross_entropy_with_logits(output[1], target),
    lambda target, output: keras.losses.BinaryCrossentropy(from_logits=True)(target, output[1]),
)
OPTIMIZER = (
    lambda parameters: torch.optim.Adam(parameters, lr=2e-3, betas=(0.5, 0.999)),
    lambda: keras_parts.Adam(2e-3, beta_1=0.5, epsilon=1e-8),
)
