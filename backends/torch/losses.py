"""Losses of a spec in torch. ``torch.nn.functional`` where it has the meaning, the formula where it has not."""

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from dualnet.specs import losses as S

LossFunction = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def loss_function(loss: S.Loss) -> LossFunction:
    """Return (outputs, targets, soft) → scalar."""
    made: LossFunction = RULES[type(loss)](loss)
    return made


def _cross_entropy(loss: S.CrossEntropy) -> LossFunction:
    weights = loss.class_weights
    if weights is None or (loss.mean_over, loss.smoothing_weighted_by) == ("weights", "class"):
        return lambda x, y, soft: F.cross_entropy(
            x,
            y,
            None if weights is None else x.new_tensor(weights),
            reduction=loss.reduction,
            label_smoothing=loss.label_smoothing,
        )
    return lambda x, y, soft: _weighted(loss, x, y)


def _weighted(loss: S.CrossEntropy, x: Tensor, y: Tensor) -> Tensor:
    """Return the cross entropy with Keras's weighting of the mean or of the smoothed share."""
    log_p, w = F.log_softmax(x, 1), x.new_tensor(loss.class_weights)
    own = w[y]
    smooth = own * log_p.sum(1) if loss.smoothing_weighted_by == "sample" else (log_p * w).sum(1)
    hard = own * log_p.gather(1, y[:, None])[:, 0]
    losses = -(1 - loss.label_smoothing) * hard - loss.label_smoothing / x.shape[1] * smooth
    if loss.reduction == "sum":
        return losses.sum()
    return losses.sum() / own.sum() if loss.mean_over == "weights" else losses.mean()


def _elementwise(rule: Callable[..., Tensor]) -> Callable[[Any], LossFunction]:
    def made(loss: S.MeanSquaredError | S.BinaryCrossEntropy) -> LossFunction:
        if loss.reduction == "sum_of_means":
            return lambda x, t, soft: rule(x, t, reduction="none").flatten(1).mean(1).sum()
        return lambda x, t, soft: rule(x, t, reduction=loss.reduction)

    return made


def _distillation(loss: S.Distillation) -> LossFunction:
    def made(x: Tensor, y: Tensor, soft: Tensor | None) -> Tensor:
        assert soft is not None  # the protocol: distillation always comes with the teacher's logits
        t = loss.temperature
        log_q = F.log_softmax(x / t, 1)
        pointwise = F.kl_div(log_q, F.log_softmax(soft / t, 1), reduction="none", log_target=True)
        kl = pointwise.sum(1).mean() if loss.reduction == "batchmean" else pointwise.mean()
        return loss.alpha * F.cross_entropy(x, y) + (1 - loss.alpha) * t * t * kl

    return made


RULES: dict[type[S.Loss], Callable[[Any], LossFunction]] = {
    S.CrossEntropy: _cross_entropy,
    S.MeanSquaredError: _elementwise(F.mse_loss),
    S.BinaryCrossEntropy: _elementwise(F.binary_cross_entropy_with_logits),
    S.Distillation: _distillation,
}
