"""The networks of the speed cases in Keras: as a person writes them, and as dualnet compiles them."""

from typing import Any

import keras
import nets
from keras import layers

import dualnet


def mlp() -> Any:
    made = [keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(128), layers.ReLU(), layers.Dense(10)]
    return keras.Sequential(made)


def cnn() -> Any:
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            *(layers.Conv2D(32, 3, padding="same"), layers.ReLU(), layers.MaxPooling2D(2)),
            *(layers.Conv2D(64, 3, padding="same"), layers.ReLU(), layers.MaxPooling2D(2)),
            *(layers.Flatten(), layers.Dense(128), layers.ReLU(), layers.Dense(10)),
        ]
    )


def _normed(x: Any, channels: int, kernel: int, stride: int) -> Any:
    if stride > 1 and kernel > 1:  # "same" pads a strided convolution at the end only
        x = layers.ZeroPadding2D(kernel // 2)(x)
    padding = "valid" if stride > 1 else "same"
    x = layers.Conv2D(channels, kernel, stride, padding=padding, use_bias=False)(x)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def _block(x: Any, channels: int, stride: int) -> Any:
    y = _normed(layers.ReLU()(_normed(x, channels, 3, stride)), channels, 3, 1)
    around = _normed(x, channels, 1, stride) if stride > 1 else x
    return layers.ReLU()(layers.Add()([y, around]))


def resnet18() -> Any:
    inputs = keras.Input((nets.IMAGE, nets.IMAGE, 3))
    x = layers.ReLU()(_normed(inputs, 64, 7, 2))
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))  # after ReLU zeros are as good as minus infinity
    for channels, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        x = _block(_block(x, channels, stride), channels, 1)
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def _encoder(x: Any) -> Any:
    attended = layers.MultiHeadAttention(nets.HEADS, nets.FEATURES // nets.HEADS)(x, x)
    x = layers.LayerNormalization(epsilon=1e-5)(layers.Add()([x, attended]))
    wide = layers.Dense(nets.FEATURES)(layers.ReLU()(layers.Dense(nets.WIDE)(x)))
    return layers.LayerNormalization(epsilon=1e-5)(layers.Add()([x, wide]))


def transformer() -> Any:
    inputs = keras.Input((nets.LENGTH, nets.FEATURES))
    return keras.Model(inputs, layers.Dense(10)(layers.Flatten()(_encoder(_encoder(inputs)))))


def compiled_mlp() -> Any:
    return dualnet.build(nets.MLP, "keras")


def compiled_cnn() -> Any:
    return dualnet.build(nets.CNN, "keras")


def compiled_resnet18() -> Any:
    return dualnet.build(nets.resnet18("biased"), "keras")


def compiled_transformer() -> Any:
    return dualnet.build(nets.TRANSFORMER, "keras")
