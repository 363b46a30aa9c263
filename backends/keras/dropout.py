"""Dropout by shared masks: the same entries fall on every framework."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dualnet.backends.keras.layout import Layout
from dualnet.backends.keras.slices import numbers
from dualnet.backends.masks import GOLDEN, MIX1, MIX2, SHIFTS, STRIDE


class SharedDropout(keras.layers.Layer):
    """Inverted dropout; the mask is a function of (key, step, index in the spec's order). The session sets ``step``.

    ``shape`` is what the mask has for each example: axes of size 1 share a draw.
    """

    def __init__(self, rate: float, key: int, step: Any, layout: Layout, shape: tuple[int, ...], **rest: Any) -> None:
        super().__init__(**rest)
        self.rate, self.key, self.step = rate, key, step
        self.size = int(np.prod(shape))
        self.index = layout.physical(np.arange(self.size, dtype=np.uint64).reshape(1, *shape))[0]

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Return x with dropped entries in training mode, x itself else."""
        if not training or self.rate == 0.0:
            return x
        rows = numbers(tf.shape(x)[0]) * _u(self.size)
        index = tf.reshape(rows, [-1, *(1 for _ in self.index.shape)]) + tf.constant(self.index)[None]
        kept = uniforms(self.key, self.step, index) >= self.rate
        return x * tf.cast(kept, x.dtype) / tf.constant(1.0 - self.rate, x.dtype)


def uniforms(key: int, step: Any, index: Any) -> Any:
    """Return ``masks.uniforms`` at the given uint64 indices, float64."""
    z = (index + _u(key) + tf.cast(step, tf.uint64) * _u(STRIDE)) * _u(GOLDEN)
    z = _mixed(z, SHIFTS[0]) * _u(MIX1)
    z = _mixed(z, SHIFTS[1]) * _u(MIX2)
    return tf.cast(tf.bitwise.right_shift(_mixed(z, SHIFTS[2]), _u(11)), tf.float64) * tf.constant(2.0**-53, tf.float64)


def _mixed(z: Any, bits: int) -> Any:
    return tf.bitwise.bitwise_xor(z, tf.bitwise.right_shift(z, _u(bits)))


def _u(value: int) -> Any:
    return tf.constant(value, tf.uint64)
