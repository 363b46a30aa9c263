"""Losses that compare with targets of the outputs' shape, in Keras: each a formula of (loss, outputs, targets).

Written out: Keras's own classes round float64 to floatx and clip at 1e-7.
"""

import math
from collections.abc import Callable
from typing import Any

from keras import ops

from dualnet.backends.keras.likeness import RULES as LIKENESS
from dualnet.specs import entrywise as S

Rule = Callable[[Any, Any, Any], Any]


def entrywise(loss: Any, x: Any, t: Any) -> Any:
    """Return a loss, reduced."""
    signs = isinstance(loss, (S.SoftMargin, S.Hinge, S.HingeEmbedding)) and loss.target == "one_hot"
    values = RULES[type(loss)](loss, x, 2 * t - 1 if signs else t)
    if loss.reduction == "batchmean":
        return ops.sum(values) / ops.cast(ops.shape(values)[0], values.dtype)
    if loss.reduction == "sum_of_means":
        axes = list(range(1, len(values.shape)))
        return ops.sum(ops.mean(values, axis=axes) if axes else values)
    return ops.sum(values) if loss.reduction == "sum" else ops.mean(values)


def _huber(loss: S.Huber, x: Any, t: Any) -> Any:
    size = ops.abs(x - t)
    near = ops.minimum(size, loss.delta)
    return 0.5 * near * near + loss.delta * (size - near)


def _smooth(loss: S.SmoothL1, x: Any, t: Any) -> Any:
    size = ops.abs(x - t)
    near = ops.minimum(size, loss.beta)
    return 0.5 * near * near / loss.beta + (size - near)


def _percentage(loss: S.MeanAbsolutePercentageError, x: Any, t: Any) -> Any:
    return 100.0 * ops.abs((t - x) / ops.maximum(ops.abs(t), loss.epsilon))


def _logarithmic(loss: S.MeanSquaredLogarithmicError, x: Any, t: Any) -> Any:
    left, right = (ops.log1p(ops.maximum(each, loss.epsilon)) for each in (x, t))
    return (left - right) * (left - right)


def _poisson(loss: S.Poisson, x: Any, t: Any) -> Any:
    values = ops.exp(x) - t * x if loss.log_input else x - t * ops.log(x + loss.epsilon)
    if not loss.full:
        return values
    many = ops.where(t > 1, t, ops.ones_like(t))  # of the others a logarithm would be NaN, and NaN times zero too
    stirling = many * ops.log(many) - many + 0.5 * ops.log(2 * math.pi * many)
    return values + ops.where(t > 1, stirling, ops.zeros_like(t))


def _binary(loss: S.BinaryCrossEntropy, x: Any, t: Any) -> Any:
    """max(x, 0) - x·t + log(1 + e^-|x|); the first and last term as softplus, smooth at 0 as torch's gradient is."""
    if loss.positive_weights is None:
        return ops.softplus(x) - x * t
    weights = ops.convert_to_tensor(loss.positive_weights, dtype=x.dtype)
    return (1 - t) * ops.softplus(x) + t * weights * ops.softplus(-x)


def _focal(loss: S.BinaryFocal, x: Any, t: Any) -> Any:
    p = ops.sigmoid(x)
    balance = 1.0 if loss.alpha == 1 else t * loss.alpha + (1 - t) * (1 - loss.alpha)
    missed = t * (1 - p) + (1 - t) * p
    return balance * ops.power(missed, ops.cast(loss.gamma, x.dtype)) * (ops.softplus(x) - x * t)


def _hinge(loss: S.Hinge, x: Any, t: Any) -> Any:
    short = ops.relu(1 - t * x)
    return short * short if loss.power == 2 else short


def _hinge_embedding(loss: S.HingeEmbedding, x: Any, t: Any) -> Any:
    near = ops.where(ops.equal(t, -1), ops.zeros_like(x), x)
    return near + ops.where(ops.equal(t, 1), ops.zeros_like(x), ops.relu(loss.margin - x))


def _divergence(loss: S.KLDivergence, x: Any, t: Any) -> Any:
    if loss.log_target:
        return ops.exp(t) * (t - x)
    some = ops.where(t > 0, t, ops.ones_like(t))  # 0·log 0 is 0
    return some * ops.log(some) - t * x


def _cosine(loss: S.CosineSimilarity, x: Any, t: Any) -> Any:
    left, right = (each / ops.maximum(ops.norm(each, axis=-1, keepdims=True), loss.epsilon) for each in (x, t))
    return -ops.sum(left * right, axis=-1)


def _categorical_hinge(loss: S.CategoricalHinge, x: Any, t: Any) -> Any:
    return ops.relu(ops.max((1 - t) * x, axis=-1) - ops.sum(t * x, axis=-1) + 1)


RULES: dict[type[Any], Rule] = {
    **LIKENESS,
    S.MeanSquaredError: lambda loss, x, t: (x - t) * (x - t),
    S.MeanAbsoluteError: lambda loss, x, t: ops.abs(x - t),
    S.Huber: _huber,
    S.SmoothL1: _smooth,
    S.LogCosh: lambda loss, x, t: (x - t) + ops.softplus(-2 * (x - t)) - math.log(2.0),
    S.MeanAbsolutePercentageError: _percentage,
    S.MeanSquaredLogarithmicError: _logarithmic,
    S.Poisson: _poisson,
    S.BinaryCrossEntropy: _binary,
    S.BinaryFocal: _focal,
    S.SoftMargin: lambda loss, x, t: ops.softplus(-t * x),
    S.Hinge: _hinge,
    S.HingeEmbedding: _hinge_embedding,
    S.KLDivergence: _divergence,
    S.CosineSimilarity: _cosine,
    S.CategoricalHinge: _categorical_hinge,
}
