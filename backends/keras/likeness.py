"""Losses of probabilities in Keras: each a formula of (loss, outputs, targets)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from dualnet.specs import likeness as S

LEAST = float(np.float32(1e-12))  # what torch divides by at least, held in float32


@tf.custom_gradient
def _held(x: Any, t: Any) -> Any:
    """Return torch's binary cross entropy, and its gradient, which is finite at 0 and 1 too."""
    low = ops.full_like(x, -100.0)
    values = (t - 1) * ops.maximum(ops.log1p(-x), low) - t * ops.maximum(ops.log(x), low)

    def back(upstream: Any) -> Any:
        return upstream * (x - t) / ops.maximum((1 - x) * x, ops.full_like(x, LEAST)), None

    return values, back


def _binary(loss: S.ProbabilityCrossEntropy, x: Any, t: Any) -> Any:
    if loss.cut == "logarithm":
        return _held(x, t)
    x = ops.clip(x, loss.epsilon, 1 - loss.epsilon)
    return -(t * ops.log(x) + (1 - t) * ops.log(1 - x))


def _focal(loss: S.CategoricalFocal, x: Any, t: Any) -> Any:
    log_p = ops.log_softmax(x, axis=-1)
    return -ops.sum(loss.alpha * (1 - ops.exp(log_p)) ** loss.gamma * t * log_p, axis=-1)


def _general(loss: S.GeneralizedCrossEntropy, x: Any, t: Any) -> Any:
    return (1 - ops.sum(x * t, axis=-1) ** loss.q) / loss.q


def _sums(loss: Any, *values: Any) -> list[Any]:
    return [ops.sum(each, axis=None if loss.over == "batch" else range(1, len(each.shape))) for each in values]


def _tversky(loss: S.Tversky, x: Any, t: Any) -> Any:
    both, missed, wrong = _sums(loss, x * t, (1 - x) * t, x * (1 - t))
    return 1 - both / (both + loss.alpha * missed + loss.beta * wrong + loss.epsilon)


def _dice(loss: S.Dice, x: Any, t: Any) -> Any:
    both, all_x, all_t = _sums(loss, x * t, x, t)
    return 1 - 2 * both / (all_t + all_x + loss.epsilon)


RULES: dict[type[Any], Callable[[Any, Any, Any], Any]] = {
    S.ProbabilityCrossEntropy: _binary,
    S.CategoricalFocal: _focal,
    S.GeneralizedCrossEntropy: _general,
    S.Tversky: _tversky,
    S.Dice: _dice,
}
