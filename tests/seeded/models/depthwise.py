"""A MobileNet in small: depthwise and pointwise convolutions, one dilated, ReLU6, global pooling."""

from typing import Any

import keras
import numpy as np
import torch
from keras import layers
from torch import nn

from tests.seeded.carry import carry
from tests.seeded.models import keras_parts
from tests.seeded.models.keras_parts import BatchNorm


class Separable(nn.Module):
    """A convolution of each channel by itself, then one across channels."""

    def __init__(self, channels: int, filters: int, dilation: int = 1) -> None:
        super().__init__()
        self.depth = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, groups=channels)
        self.bn1 = nn.BatchNorm2d(channels, eps=1e-3)
        self.act1 = nn.ReLU6()
        self.point = nn.Conv2d(channels, filters, 1)
        self.bn2 = nn.BatchNorm2d(filters, eps=1e-3)
        self.act2 = nn.ReLU6()
        self.around = channels == filters

    def forward(self, x):
        y = self.act1(self.bn1(self.depth(x)))
        y = self.act2(self.bn2(self.point(y)))
        return x + y if self.around else y


class MobileNet(nn.Module):
    """The PyTorch side: pictures (N, 3, 13, 9) to one of 5 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8, eps=1e-3)
        self.act = nn.ReLU6()
        self.sep1 = Separable(8, 12)
        self.sep2 = Separable(12, 12, dilation=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        x = self.act(self.bn(self.conv(x)))
        x = self.sep2(self.sep1(x))
        return self.head(self.dropout(self.pool(x).flatten(1)))


def separable(x: Any, name: str, filters: int, dilation: int = 1) -> Any:
    """A convolution of each channel by itself, then one across channels."""
    y = layers.DepthwiseConv2D(3, padding="same", dilation_rate=dilation, name=f"{name}_depth")(x)
    y = BatchNorm(epsilon=1e-3, name=f"{name}_bn1")(y)
    y = layers.ReLU(max_value=6.0, name=f"{name}_act1")(y)
    y = layers.Conv2D(filters, 1, name=f"{name}_point")(y)
    y = BatchNorm(epsilon=1e-3, name=f"{name}_bn2")(y)
    y = layers.ReLU(max_value=6.0, name=f"{name}_act2")(y)
    return layers.Add(name=f"{name}_add")([y, x]) if x.shape[-1] == filters else y


def keras_model() -> keras.Model:
    """The Keras side: pictures (N, 13, 9, 3)."""
    image = keras.Input((13, 9, 3))
    x = layers.ZeroPadding2D(1, name="pad")(image)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, name="conv")(x)
    x = BatchNorm(epsilon=1e-3, name="bn")(x)
    x = layers.ReLU(max_value=6.0, name="act")(x)
    x = separable(x, "sep1", 12)
    x = separable(x, "sep2", 12, dilation=2)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(0.2, name="dropout")(x)
    return keras.Model(image, layers.Dense(5, name="head")(x))


torch_model = MobileNet
LAYERS = {"conv": "conv", "bn": "bn", "act": "act"}
for _name in ("sep1", "sep2"):
    LAYERS |= {f"{_name}.{part}": f"{_name}_{part}" for part in ("depth", "bn1", "act1", "point", "bn2", "act2")}
LAYERS |= {"sep2": "sep2_add", "pool": "pool", "dropout": "dropout", "head": "head"}


def sync(module: nn.Module, model: keras.Model) -> None:
    """Give the Keras model the module's weights."""
    carry(module, model, LAYERS)


def inputs(rng: np.random.Generator, batch: int = 4) -> Any:
    return rng.normal(0.3, 1.5, (batch, 3, 13, 9)).astype(np.float32)


def targets(rng: np.random.Generator, batch: int = 4) -> Any:
    return rng.integers(0, 5, batch)


LOSS = (nn.CrossEntropyLoss(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
OPTIMIZER = (
    lambda parameters: torch.optim.Adam(parameters, lr=5e-3, eps=1e-3),
    lambda: keras_parts.Adam(5e-3, epsilon=1e-3, clipvalue=0.05),
)
CLIP = (lambda parameters: torch.nn.utils.clip_grad_value_(parameters, 0.05), None)
