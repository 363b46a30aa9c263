"""Losses of a spec in Keras, as formulas on logits: Keras's own classes round float64 to floatx and clip at 1e-7."""

from collections.abc import Callable
from typing import Any

from keras import ops

from dualnet.specs import losses as S

LossFunction = Callable[[Any, Any, Any], Any]


def loss_function(loss: S.Loss) -> LossFunction:
    """Return (outputs, targets, soft) → scalar."""
    made: LossFunction = RULES[type(loss)](loss)
    return made


def _cross_entropy(loss: S.CrossEntropy) -> LossFunction:
    return lambda x, y, soft: _weighted(loss, x, y)


def _weighted(loss: S.CrossEntropy, x: Any, y: Any) -> Any:
    """Return the cross entropy of logits; ``specs.CrossEntropy`` says what each field means."""
    log_p, chosen = ops.log_softmax(x, axis=1), ops.one_hot(y, x.shape[1], dtype=x.dtype)
    weights = [1.0] * x.shape[1] if loss.class_weights is None else loss.class_weights
    w = ops.convert_to_tensor(weights, dtype=x.dtype)
    own = ops.sum(chosen * w, axis=1)
    each = own * ops.sum(log_p, axis=1) if loss.smoothing_weighted_by == "sample" else ops.sum(log_p * w, axis=1)
    hard = own * ops.sum(log_p * chosen, axis=1)
    losses = -(1.0 - loss.label_smoothing) * hard - loss.label_smoothing / x.shape[1] * each
    if loss.reduction == "sum":
        return ops.sum(losses)
    return ops.sum(losses) / ops.sum(own) if loss.mean_over == "weights" else ops.mean(losses)


def _reduced(loss: Any, values: Any) -> Any:
    if loss.reduction == "mean":
        return ops.mean(values)
    if loss.reduction == "sum":
        return ops.sum(values)
    return ops.sum(ops.mean(values, axis=list(range(1, len(values.shape)))))


def _squared_error(loss: S.MeanSquaredError) -> LossFunction:
    return lambda x, t, soft: _reduced(loss, (x - t) * (x - t))


def _binary(loss: S.BinaryCrossEntropy) -> LossFunction:
    """max(x, 0) - x·t + log(1 + e^-|x|); the first and last term as softplus, smooth at 0 as torch's gradient is."""
    return lambda x, t, soft: _reduced(loss, ops.softplus(x) - x * t)


def _distillation(loss: S.Distillation) -> LossFunction:
    hard = S.CrossEntropy()

    def made(x: Any, y: Any, soft: Any) -> Any:
        t = loss.temperature
        log_p, log_q = ops.log_softmax(soft / t, axis=1), ops.log_softmax(x / t, axis=1)
        pointwise = ops.exp(log_p) * (log_p - log_q)
        kl = ops.mean(ops.sum(pointwise, axis=1)) if loss.reduction == "batchmean" else ops.mean(pointwise)
        return loss.alpha * _weighted(hard, x, y) + (1.0 - loss.alpha) * t * t * kl

    return made


RULES: dict[type[S.Loss], Callable[[Any], LossFunction]] = {
    S.CrossEntropy: _cross_entropy,
    S.MeanSquaredError: _squared_error,
    S.BinaryCrossEntropy: _binary,
    S.Distillation: _distillation,
}
