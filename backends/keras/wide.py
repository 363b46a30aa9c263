"""Wide: what TensorFlow does by way of float32 even to float64 tensors, done in float64."""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from dualnet.backends.keras.draws import swapped


@contextmanager
def wide(own: str) -> Iterator[None]:
    """Let constants be float64 numbers; those that a model in float64 of its ``own`` holds as float32 stay as read."""
    with ExitStack() as stack:
        stack.enter_context(swapped(tf.nn, gelu=_gelu))
        stack.enter_context(swapped(tf.image, resize=_resize(tf.image.resize)))
        if own != "float64":
            stack.enter_context(swapped(tf.nn, leaky_relu=_leaky_relu))
            stack.enter_context(swapped(tf, cast=_cast(tf.cast)))
        yield


def _gelu(features: Any, approximate: bool = False, name: str = "") -> Any:
    x = features
    if approximate:
        return 0.5 * x * (1.0 + tf.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1.0 + tf.math.erf(x / math.sqrt(2.0)))


def _leaky_relu(features: Any, alpha: float = 0.2, name: str = "") -> Any:
    return tf.where(features > 0, features, alpha * features)


def _cast(own: Callable[..., Any]) -> Callable[..., Any]:
    def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
        return tf.constant(x, dtype) if isinstance(x, float) else own(x, dtype, name)

    return cast


def _resize(own: Callable[..., Any]) -> Callable[..., Any]:
    def resize(images: Any, size: Any, method: str = "bilinear", antialias: bool = False, **rest: Any) -> Any:
        if method != "bilinear" or antialias or rest:
            return own(images, size, method=method, antialias=antialias, **rest)
        high, wide = (_between(int(images.shape[-3 + axis]), int(size[axis])) for axis in (0, 1))
        return tf.einsum("oh,...hwc,pw->...opc", high, tf.cast(images, tf.float64), wide)

    return resize


def _between(size: int, wanted: int) -> Any:
    """Return the matrix that samples ``wanted`` places of a line of ``size``, half a pixel in, as TensorFlow does."""
    place = np.clip((np.arange(wanted) + 0.5) * size / wanted - 0.5, 0, size - 1)
    return tf.constant(np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(size))))
