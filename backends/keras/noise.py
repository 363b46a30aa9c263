"""Noise whose draws can be shared: functions of (key, step, index in the spec's order)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from dualnet.backends.keras.bridges import Configured, register
from dualnet.backends.keras.dropout import uniforms
from dualnet.backends.keras.slices import numbers


class Noise(Configured):
    """Draws in training. ``masks`` is (key, step, layout, the spec's shape) of shared ones; without, Keras's own."""

    def __init__(self, *, masks: Any = None, **rest: Any) -> None:
        super().__init__(**rest)
        self.masks = masks
        self.seeds = keras.random.SeedGenerator() if masks is None else None

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Return x with noise in training mode, x itself else."""
        return self._noisy(x, **self.options) if training else self._still(x, **self.options)

    def _still(self, x: Any, **options: Any) -> Any:
        return x

    def _uniform(self, x: Any, channels: int | None = None) -> Any:
        """Return draws of U[0, 1) in the shape of x, or one for each entry of the axis ``channels``."""
        if self.masks is None:
            sizes = ops.shape(x)
            shape = [size if channels is None or axis in (0, channels) else 1 for axis, size in enumerate(sizes)]
            return keras.random.uniform(shape, dtype=x.dtype, seed=self.seeds)
        return tf.cast(self._shared(x, channels is not None), x.dtype)

    def _normal(self, x: Any) -> Any:
        """Return draws of N(0, 1), half a spacing up, for 0 has no quantile."""
        if self.masks is None:
            return keras.random.normal(ops.shape(x), dtype=x.dtype, seed=self.seeds)
        return tf.cast(tf.math.ndtri(self._shared(x, False) + tf.constant(2.0**-54, tf.float64)), x.dtype)

    def _shared(self, x: Any, features: bool) -> Any:
        key, step, layout, shape = self.masks
        drawn = (shape[0], *[1] * (len(shape) - 1)) if features else tuple(shape)
        size = int(np.prod(drawn))
        places = layout.physical(np.arange(size, dtype=np.uint64).reshape(1, *drawn))
        rows = numbers(tf.shape(x)[0]) * tf.constant(size, tf.uint64)
        return uniforms(key, step, tf.reshape(rows, [-1, *[1] * len(drawn)]) + tf.constant(places))


@register
class AlphaDropout(Noise):
    """a·x + b, or a·fallen + b for what falls: entries, or all of a channel, along the axis ``channels``."""

    def _noisy(self, x: Any, rate: float, affine: Any, channels: int | None = None) -> Any:
        fallen, scale, shift = affine
        kept = self._uniform(x, channels) >= rate
        return ops.where(kept, x, ops.full_like(x, fallen)) * scale + shift if rate else x


@register
class GaussianNoise(Noise):
    """x + N(0, std²)."""

    def _noisy(self, x: Any, std: float) -> Any:
        return x + std * self._normal(x)


@register
class GaussianDropout(Noise):
    """x·N(1, rate / (1 - rate))."""

    def _noisy(self, x: Any, rate: float) -> Any:
        return x * (1 + (rate / (1 - rate)) ** 0.5 * self._normal(x))


@register
class RReLU(Noise):
    """x above 0, slope·x below: slopes drawn in training mode, and their mean else."""

    def _noisy(self, x: Any, lower: float, upper: float) -> Any:
        return ops.where(x > 0, x, x * (lower + (upper - lower) * self._uniform(x)))

    def _still(self, x: Any, **options: Any) -> Any:
        return ops.where(x > 0, x, x * ((options["lower"] + options["upper"]) / 2))
