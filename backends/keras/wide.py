"""Wide: what TensorFlow does by way of float32 even to float64 tensors, done in float64."""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from typing import Any

import numpy as np
import tensorflow as tf

from dualnet.backends.keras.draws import swapped

RESIZE = tf.image.resize


@contextmanager
def wide(own: str) -> Iterator[None]:
    """Let constants be float64 numbers; those that a model in float64 of its ``own`` holds as float32 stay as read."""
    with ExitStack() as stack:
        stack.enter_context(swapped(tf.nn, gelu=_gelu))
        stack.enter_context(swapped(tf.image, resize=_resize(RESIZE)))
        pools = {"max_pool": (tf.nn.max_pool, -math.inf), "avg_pool": (tf.nn.avg_pool, 0.0)}
        stack.enter_context(swapped(tf.nn, **{name: _pool(*each) for name, each in pools.items()}))
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
        if method == "nearest" or rest:
            return own(images, size, method=method, antialias=antialias, **rest)
        sizes = [(int(images.shape[-3 + axis]), int(size[axis])) for axis in (0, 1)]
        plain = method == "bilinear" and not antialias
        high, wide = (_between(*each) if plain else sampling(*each, method, antialias) for each in sizes)
        return tf.einsum("oh,...hwc,pw->...opc", high, tf.cast(images, tf.float64), wide)

    return resize


def sampling(size: int, wanted: int, method: str, antialias: bool) -> Any:
    """Return TensorFlow's weights, float32 numbers, by which ``wanted`` places are sums of a line of ``size``."""
    line = tf.reshape(tf.eye(size), (1, size, size, 1))
    made = RESIZE(line, (wanted, size), method=method, antialias=antialias)
    return np.asarray(made[0, :, :, 0], "float64")


def _between(size: int, wanted: int) -> Any:
    """Return the matrix that samples ``wanted`` places of a line of ``size``, half a pixel in, as TensorFlow does."""
    place = np.clip((np.arange(wanted) + 0.5) * size / wanted - 0.5, 0, size - 1)
    return tf.constant(np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(size))))


def _pool(own: Callable[..., Any], edge: float) -> Callable[..., Any]:
    """Return a pooling that knows volumes, too: TensorFlow pools those on a CPU in float32 alone."""

    def pool(x: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NDHWC") -> Any:
        if len(x.shape) != 5 or x.dtype != tf.float64:
            return own(x, ksize, strides, padding, data_format)
        kernel, steps = (((n,) * 3 if isinstance(n, int) else tuple(n)) for n in (ksize, strides))
        if edge:
            return tf.reduce_max(_windows(x, kernel, steps, padding, edge), 0)
        counts = _windows(tf.ones_like(x), kernel, steps, padding, edge)
        return tf.reduce_sum(_windows(x, kernel, steps, padding, edge), 0) / tf.reduce_sum(counts, 0)

    return pool


def _windows(x: Any, kernel: Any, steps: Any, padding: str, edge: float) -> Any:
    """Return (window, N, …places, C): the k-th value of every window."""
    sizes = [int(n) for n in x.shape[1:-1]]
    short = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(sizes, kernel, steps, strict=True)]
    sides = [(n // 2, n - n // 2) if padding == "SAME" else (0, 0) for n in short]
    x = tf.pad(x, [(0, 0), *sides, (0, 0)], constant_values=edge)
    ends = [n + sum(side) - k + 1 for n, side, k in zip(sizes, sides, kernel, strict=True)]
    cuts = [[slice(at, at + end, s) for at in range(k)] for k, end, s in zip(kernel, ends, steps, strict=True)]
    return tf.stack([x[(slice(None), *places)] for places in product(*cuts)])
