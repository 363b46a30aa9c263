"""Random draws of Keras, made to be those that every framework makes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src import backend as inner

from dualnet.backends.draws import Draws


@contextmanager
def swapped(owner: Any, **values: Any) -> Iterator[None]:
    """Let attributes of an object be others for a while, past the object's own rules for setting them."""
    before = {name: getattr(owner, name) for name in values}
    assign = setattr if isinstance(owner, ModuleType) else object.__setattr__
    for name, value in values.items():
        assign(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            assign(owner, name, value)


@contextmanager
def shared(draws: Draws) -> Iterator[None]:
    """While it is on, Keras draws from ``Draws``."""
    known = {name: _draw(draws, FILLS[name]) for name in FILLS}
    lost = {name: _noted(draws, name) for name in ("categorical", "gamma", "beta", "truncated_normal", "binomial")}
    with swapped(inner.random, **known, **lost):
        yield


def _noted(draws: Draws, name: str) -> Callable[..., Any]:
    own = getattr(inner.random, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        draws.lost.append(f"keras.random.{name}")
        return own(*args, **kwargs)

    return call


def _draw(draws: Draws, fill: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, seed: Any = None, **kwargs: Any) -> Any:
        return fill(draws, *args, **kwargs)

    return call


def _sizes(shape: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in shape)


def _dropout(draws: Draws, inputs: Any, rate: float, noise_shape: Any = None) -> Any:
    if rate in (0.0, 1.0):
        return inputs if rate == 0.0 else tf.zeros_like(inputs)
    whole = _sizes(inputs.shape)
    shape = [own if size is None else size for own, size in zip(whole, noise_shape or whole, strict=True)]
    kept = tf.cast(tf.constant(draws.kept(_sizes(shape), rate)), inputs.dtype)
    return inputs * (kept / (1.0 - rate))


def _uniform(draws: Draws, shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None) -> Any:
    return tf.constant(minval + (maxval - minval) * draws.uniform(_sizes(shape)), dtype or keras.config.floatx())


def _normal(draws: Draws, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None) -> Any:
    return tf.constant(mean + stddev * draws.normal(_sizes(shape)), dtype or keras.config.floatx())


def _randint(draws: Draws, shape: Any, minval: Any, maxval: Any, dtype: Any = "int32") -> Any:
    return tf.constant(np.floor(minval + (maxval - minval) * draws.uniform(_sizes(shape))).astype(dtype))


def _shuffle(draws: Draws, x: Any, axis: int = 0) -> Any:
    return tf.gather(x, np.argsort(draws.uniform((int(x.shape[axis]),)), kind="stable"), axis=axis)


FILLS: dict[str, Callable[..., Any]] = {
    "dropout": _dropout,
    "uniform": _uniform,
    "normal": _normal,
    "randint": _randint,
    "shuffle": _shuffle,
}
