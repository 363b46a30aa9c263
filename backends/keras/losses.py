"""Losses of a spec in Keras, as formulas on logits: Keras's own classes round float64 to floatx and clip at 1e-7."""

from collections.abc import Callable
from typing import Any

from keras import ops

from dualnet.backends.keras.entrywise import entrywise
from dualnet.specs import losses as S

LossFunction = Callable[[Any, Any, Any], Any]


def loss_function(loss: S.Loss) -> LossFunction:
    """Return (outputs, targets, soft) → scalar."""
    if S.dense(loss):
        return lambda x, t, soft: entrywise(loss, x, t)
    made: LossFunction = RULES[type(loss)](loss)
    return made


def _cross_entropy(loss: S.CrossEntropy) -> LossFunction:
    return lambda x, y, soft: _weighted(loss, x, y)


def _own(loss: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Return labels as rows of one, each sample's weight, 0 where it is ignored, and which count (1 or 0)."""
    ignored = y == (NONE if loss.ignore_index is None else loss.ignore_index)
    kept = 1 - ops.cast(ignored, x.dtype)
    chosen = ops.one_hot(ops.where(ignored, ops.zeros_like(y), y), x.shape[1], dtype=x.dtype) * kept[:, None]
    return chosen, ops.sum(chosen * _weights(loss, x), axis=1), kept


NONE = -(2**31)  # a label that no class has


def _weights(loss: Any, x: Any) -> Any:
    weights = [1.0] * x.shape[1] if loss.class_weights is None else loss.class_weights
    return ops.convert_to_tensor(weights, dtype=x.dtype)


def _averaged(loss: Any, losses: Any, own: Any, kept: Any) -> Any:
    if loss.reduction == "sum":
        return ops.sum(losses)
    return ops.sum(losses) / ops.sum(own if loss.mean_over == "weights" else kept)


def _weighted(loss: S.CrossEntropy, x: Any, y: Any) -> Any:
    """Return the cross entropy of logits; ``specs.CrossEntropy`` says what each field means."""
    log_p = ops.log_softmax(x, axis=1)
    chosen, own, kept = _own(loss, x, y)
    by_sample = loss.smoothing_weighted_by == "sample"
    smooth = own * ops.sum(log_p, axis=1) if by_sample else kept * ops.sum(log_p * _weights(loss, x), axis=1)
    hard = own * ops.sum(log_p * chosen, axis=1)
    losses = -(1.0 - loss.label_smoothing) * hard - loss.label_smoothing / x.shape[1] * smooth
    return _averaged(loss, losses, own, kept)


def _likelihood(loss: S.NegativeLogLikelihood) -> LossFunction:
    def made(x: Any, y: Any, soft: Any) -> Any:
        chosen, own, kept = _own(loss, x, y)
        return _averaged(loss, -own * ops.sum(chosen * x, axis=1), own, kept)

    return made


def _margin(loss: S.MultiMargin) -> LossFunction:
    def made(x: Any, y: Any, soft: Any) -> Any:
        chosen = ops.one_hot(y, x.shape[1], dtype=x.dtype)
        short = ops.relu(loss.margin - ops.sum(chosen * x, axis=1, keepdims=True) + x) * (1 - chosen)
        raised = short * short if loss.power == 2 else short
        each = ops.sum(chosen * _weights(loss, x), axis=1) * ops.mean(raised, axis=1)
        return ops.sum(each) if loss.reduction == "sum" else ops.mean(each)

    return made


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
    S.NegativeLogLikelihood: _likelihood,
    S.MultiMargin: _margin,
    S.Distillation: _distillation,
}
