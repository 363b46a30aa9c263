"""A residual network, learning from a teacher's softened answers."""

from typing import Any

import keras
import numpy as np
import torch
from keras import layers, ops
from torch import nn
from torch.nn import functional as F

from tests.seeded.carry import carry
from tests.seeded.models.keras_parts import BatchNorm

TEMPERATURE = 3.0


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, channels: int, filters: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.relu2 = nn.ReLU()
        self.down = nn.Sequential()
        if stride != 1 or channels != filters:
            self.down = nn.Sequential(nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(y + self.down(x))


class ResNet(nn.Module):
    """The PyTorch side: pictures (N, 3, 13, 10) to logits of 6 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.block1 = Block(8, 8)
        self.block2 = Block(8, 12, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(12, 6)

    def forward(self, x):
        x = self.relu(self.bn(self.conv(x)))
        x = self.pool(self.block2(self.block1(x)))
        return self.head(x.flatten(1))


def block(x: Any, name: str, filters: int, stride: int = 1) -> Any:
    """Two convolutions and a way around them."""
    around = x
    if stride != 1 or x.shape[-1] != filters:
        around = layers.Conv2D(filters, 1, strides=stride, use_bias=False, name=f"{name}_down_conv")(x)
        around = BatchNorm(name=f"{name}_down_bn")(around)
    # "same" would pad an even picture on the far side only
    x = layers.ZeroPadding2D(1, name=f"{name}_pad1")(x)
    x = layers.Conv2D(filters, 3, strides=stride, use_bias=False, name=f"{name}_conv1")(x)
    x = BatchNorm(name=f"{name}_bn1")(x)
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_conv2")(x)
    x = BatchNorm(name=f"{name}_bn2")(x)
    x = layers.Add(name=f"{name}_add")([x, around])
    return layers.ReLU(name=f"{name}_relu2")(x)


def keras_model() -> keras.Model:
    """The Keras side: pictures (N, 13, 10, 3)."""
    image = keras.Input((13, 10, 3))
    x = layers.Conv2D(8, 3, padding="same", name="conv")(image)
    x = BatchNorm(name="bn")(x)
    x = layers.ReLU(name="relu")(x)
    x = block(x, "block1", 8)
    x = block(x, "block2", 12, stride=2)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(6, name="head")(x))


torch_model = ResNet
LAYERS = {"conv": "conv", "bn": "bn", "relu": "relu"}
for _name in ("block1", "block2"):
    LAYERS |= {f"{_name}.{part}": f"{_name}_{part}" for part in ("conv1", "bn1", "relu1", "conv2", "bn2", "relu2")}
    LAYERS |= {_name: f"{_name}_add"}
LAYERS |= {"block2.down.0": "block2_down_conv", "block2.down.1": "block2_down_bn", "pool": "pool", "head": "head"}
# Keras lists the way around first, PyTorch last.
TABLE = {"block2.down.0.weight": "block2_down_conv/kernel"} | {
    f"block2.{ours}.{role}": f"block2_{theirs}/{other}"
    for ours, theirs in (("down.1", "down_bn"), ("bn1", "bn1"), ("bn2", "bn2"))
    for role, other in (("weight", "gamma"), ("bias", "beta"), ("running_mean", "moving_mean"),
                        ("running_var", "moving_variance"))
}  # fmt: skip
TABLE |= {f"block2.{name}.weight": f"block2_{name}/kernel" for name in ("conv1", "conv2")}


def sync(module: nn.Module, model: keras.Model) -> None:
    """Give the Keras model the module's weights."""
    carry(module, model, LAYERS)


def inputs(rng: np.random.Generator, batch: int = 4) -> Any:
    return rng.normal(0.3, 1.0, (batch, 3, 13, 10)).astype(np.float32)


def targets(rng: np.random.Generator, batch: int = 4) -> Any:
    """Return the teacher's logits."""
    return rng.normal(0.0, 2.0, (batch, 6)).astype(np.float32)


def torch_distillation(student, teacher):
    """KL divergence of the softened answers, times T² so that its gradients do not shrink with T."""
    soft = F.log_softmax(student / TEMPERATURE, dim=-1), F.softmax(teacher / TEMPERATURE, dim=-1)
    return F.kl_div(*soft, reduction="batchmean") * TEMPERATURE**2


def keras_distillation(teacher, student):
    """The same; summed over classes and averaged over the batch."""
    soft = ops.log_softmax(teacher / TEMPERATURE), ops.log_softmax(student / TEMPERATURE)
    return ops.mean(ops.sum(ops.exp(soft[0]) * (soft[0] - soft[1]), axis=-1)) * TEMPERATURE**2


class L2(keras.optimizers.SGD):
    """SGD whose weight decay joins the gradient, as in PyTorch; Keras's own is decoupled."""

    def __init__(self, learning_rate: Any, momentum: float, decay: float) -> None:
        super().__init__(learning_rate, momentum=momentum)
        self.decay = decay

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(gradient + self.decay * variable, variable, learning_rate)


OPTIMIZER = (
    lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=0.01),
    lambda: L2(keras.optimizers.schedules.ExponentialDecay(0.05, 2, 0.5, staircase=True), 0.9, 0.01),
)
LOSS = (torch_distillation, keras_distillation)
SCHEDULER = (lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5), None)
