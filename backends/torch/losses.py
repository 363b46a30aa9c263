"""Losses of a spec in torch. ``torch.nn.functional`` where it has the meaning, the formula where it has not."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dualnet.backends.torch.entrywise import entrywise
from dualnet.specs import losses as S

LossFunction = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def loss_function(loss: S.Loss) -> LossFunction:
    """Return (outputs, targets, soft) → scalar."""
    if S.dense(loss):
        return lambda x, t, soft: entrywise(loss, x, t)
    made: LossFunction = RULES[type(loss)](loss)
    return made


def _cross_entropy(loss: S.CrossEntropy) -> LossFunction:
    weights = loss.class_weights
    if weights is None or (loss.mean_over, loss.smoothing_weighted_by) == ("weights", "class"):
        return lambda x, y, soft: F.cross_entropy(
            x,
            y,
            None if weights is None else x.new_tensor(weights),
            ignore_index=NONE if loss.ignore_index is None else loss.ignore_index,
            reduction=loss.reduction,
            label_smoothing=loss.label_smoothing,
        )
    return lambda x, y, soft: _weighted(loss, x, y)


NONE = -(2**31)  # a label that no class has


def _own(loss: Any, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return labels that can be looked up, each sample's weight, 0 where it is ignored, and which count (1 or 0)."""
    kept = x.new_ones(len(y)) if loss.ignore_index is None else (y != loss.ignore_index).to(x.dtype)
    labels = torch.where(kept > 0, y, 0)
    own = kept if loss.class_weights is None else x.new_tensor(loss.class_weights)[labels] * kept
    return labels, own, kept


def _averaged(loss: Any, losses: Tensor, own: Tensor, kept: Tensor) -> Tensor:
    if loss.reduction == "sum":
        return losses.sum()
    return losses.sum() / (own if loss.mean_over == "weights" else kept).sum()


def _weighted(loss: S.CrossEntropy, x: Tensor, y: Tensor) -> Tensor:
    """Return the cross entropy with Keras's weighting of the mean or of the smoothed share."""
    log_p, w = F.log_softmax(x, 1), x.new_tensor(loss.class_weights)
    labels, own, kept = _own(loss, x, y)
    smooth = own * log_p.sum(1) if loss.smoothing_weighted_by == "sample" else kept * (log_p * w).sum(1)
    hard = own * log_p.gather(1, labels[:, None])[:, 0]
    losses = -(1 - loss.label_smoothing) * hard - loss.label_smoothing / x.shape[1] * smooth
    return _averaged(loss, losses, own, kept)


def _likelihood(loss: S.NegativeLogLikelihood) -> LossFunction:
    def made(x: Tensor, y: Tensor, soft: Tensor | None) -> Tensor:
        labels, own, kept = _own(loss, x, y)
        return _averaged(loss, -own * x.gather(1, labels[:, None])[:, 0], own, kept)

    return made


def _margin(loss: S.MultiMargin) -> LossFunction:
    def made(x: Tensor, y: Tensor, soft: Tensor | None) -> Tensor:
        weights = None if loss.class_weights is None else x.new_tensor(loss.class_weights)
        return F.multi_margin_loss(x, y, loss.power, loss.margin, weights, reduction=loss.reduction)

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
    S.NegativeLogLikelihood: _likelihood,
    S.MultiMargin: _margin,
    S.Distillation: _distillation,
}
