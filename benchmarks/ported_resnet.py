"""A ported ResNet-18 against the same net written by hand in Keras: inference and training step, interleaved.

Run it: python benchmarks/ported_resnet.py
"""

import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

import dualnet
from dualnet.backends import backend

IMAGE, BATCH, ROUNDS = 64, 16, 30


class BasicBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Any) -> Any:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        sizes = ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))
        for index, (inputs, outputs, stride) in enumerate(sizes, start=1):
            stage = nn.Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1))
            self.add_module(f"layer{index}", stage)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, 10)

    def forward(self, x: Any) -> Any:
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return self.fc(self.avgpool(x).flatten(1))


def by_hand() -> Any:
    """The same net as a person writes it in Keras."""
    import keras
    from keras import layers

    def normal(x: Any) -> Any:
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)

    def padded(x: Any, channels: int, kernel: int, stride: int) -> Any:
        if stride == 1:
            return layers.Conv2D(channels, kernel, padding="same", use_bias=False)(x)
        x = layers.ZeroPadding2D(kernel // 2)(x)
        return layers.Conv2D(channels, kernel, stride, use_bias=False)(x)

    def block(x: Any, channels: int, stride: int) -> Any:
        y = layers.ReLU()(normal(padded(x, channels, 3, stride)))
        y = normal(padded(y, channels, 3, 1))
        if stride != 1 or x.shape[-1] != channels:
            x = normal(layers.Conv2D(channels, 1, stride, use_bias=False)(x))
        return layers.ReLU()(layers.Add()([y, x]))

    inputs = keras.Input((IMAGE, IMAGE, 3))
    x = layers.ReLU()(normal(padded(inputs, 64, 7, 2)))
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))  # after ReLU zeros are as good as minus infinity
    for channels, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        x = block(block(x, channels, stride), channels, 1)
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def compiled(model: Any) -> dict[str, Callable[[], Any]]:
    """The two things that are timed, as graphs."""
    import keras
    import tensorflow as tf

    x = tf.constant(np.random.default_rng(0).normal(size=(BATCH, IMAGE, IMAGE, 3)).astype("float32"))
    y = tf.constant(np.arange(BATCH) % 10)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(1e-3)
    optimizer.build(model.trainable_variables)
    infer = tf.function(lambda: model(x, training=False))

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)
        return value

    return {"inference": infer, "training step": step}


def timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    np.asarray(call())
    return time.perf_counter() - start


def main() -> None:
    module, example = ResNet18(), torch.randn(2, 3, IMAGE, IMAGE)
    dualnet.from_torch(nn.Linear(2, 2), torch.randn(2, 2))  # loads what tracing loads once in a process
    backend("keras")
    start = time.perf_counter()
    ported = dualnet.port(module, example, to="keras", certificate=False)
    seconds = time.perf_counter() - start
    sides = {"ported": compiled(ported.model), "by hand": compiled(by_hand())}
    print(f"{platform.processor() or platform.machine()}, batch {BATCH}, {IMAGE}x{IMAGE}, {ROUNDS} rounds interleaved")
    print(f"porting took {seconds:.1f} s, transposes in the port: {len(ported.moves)}")
    for what in ("inference", "training step"):
        for _ in range(3):
            for side in sides.values():
                timed(side[what])
        rows = [[timed(side[what]) for side in sides.values()] for _ in range(ROUNDS)]
        ours, theirs = (statistics.median(column) for column in zip(*rows, strict=True))
        ratio = statistics.median(a / b for a, b in rows)
        print(f"{what}: ported {1e3 * ours:.1f} ms, by hand {1e3 * theirs:.1f} ms, ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
