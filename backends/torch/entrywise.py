"""Losses that compare with targets of the outputs' shape, in torch: each a formula of (loss, outputs, targets)."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dualnet.backends.torch.likeness import RULES as LIKENESS
from dualnet.specs import entrywise as S

Rule = Callable[[Any, Tensor, Tensor], Tensor]


def entrywise(loss: Any, x: Tensor, t: Tensor) -> Tensor:
    """Return a loss, reduced."""
    signs = isinstance(loss, (S.SoftMargin, S.Hinge, S.HingeEmbedding)) and loss.target == "one_hot"
    values = RULES[type(loss)](loss, x, 2 * t - 1 if signs else t)
    if loss.reduction == "batchmean":
        return values.sum() / len(values)
    if loss.reduction == "sum_of_means":
        return (values.flatten(1).mean(1) if values.ndim > 1 else values).sum()
    return values.sum() if loss.reduction == "sum" else values.mean()


def _poisson(loss: S.Poisson, x: Tensor, t: Tensor) -> Tensor:
    return F.poisson_nll_loss(x, t, loss.log_input, loss.full, eps=loss.epsilon, reduction="none")


def _binary(loss: S.BinaryCrossEntropy, x: Tensor, t: Tensor) -> Tensor:
    weights = None if loss.positive_weights is None else x.new_tensor(loss.positive_weights)
    return F.binary_cross_entropy_with_logits(x, t, reduction="none", pos_weight=weights)


def _focal(loss: S.BinaryFocal, x: Tensor, t: Tensor) -> Tensor:
    p = torch.sigmoid(x)
    balance = 1.0 if loss.alpha == 1 else t * loss.alpha + (1 - t) * (1 - loss.alpha)
    missed = t * (1 - p) + (1 - t) * p
    return balance * missed**loss.gamma * F.binary_cross_entropy_with_logits(x, t, reduction="none")


def _logarithmic(loss: S.MeanSquaredLogarithmicError, x: Tensor, t: Tensor) -> Tensor:
    left, right = (torch.log1p(torch.clamp(each, min=loss.epsilon)) for each in (x, t))
    return (left - right) ** 2


def _hinge(loss: S.Hinge, x: Tensor, t: Tensor) -> Tensor:
    return torch.relu(1 - t * x) ** loss.power


def _cosine(loss: S.CosineSimilarity, x: Tensor, t: Tensor) -> Tensor:
    left, right = (each / each.norm(dim=-1, keepdim=True).clamp(min=loss.epsilon) for each in (x, t))
    return -(left * right).sum(-1)


def _categorical_hinge(loss: S.CategoricalHinge, x: Tensor, t: Tensor) -> Tensor:
    return torch.relu(((1 - t) * x).amax(-1) - (t * x).sum(-1) + 1)


RULES: dict[type[Any], Rule] = {
    **LIKENESS,
    S.MeanSquaredError: lambda loss, x, t: F.mse_loss(x, t, reduction="none"),
    S.MeanAbsoluteError: lambda loss, x, t: F.l1_loss(x, t, reduction="none"),
    S.Huber: lambda loss, x, t: F.huber_loss(x, t, reduction="none", delta=loss.delta),
    S.SmoothL1: lambda loss, x, t: F.smooth_l1_loss(x, t, reduction="none", beta=loss.beta),
    S.LogCosh: lambda loss, x, t: (x - t) + F.softplus(-2 * (x - t)) - math.log(2.0),
    S.MeanAbsolutePercentageError: lambda loss, x, t: 100 * ((t - x) / t.abs().clamp(min=loss.epsilon)).abs(),
    S.MeanSquaredLogarithmicError: _logarithmic,
    S.Poisson: _poisson,
    S.BinaryCrossEntropy: _binary,
    S.BinaryFocal: _focal,
    S.SoftMargin: lambda loss, x, t: F.softplus(-t * x),
    S.Hinge: _hinge,
    S.HingeEmbedding: lambda loss, x, t: F.hinge_embedding_loss(x, t, loss.margin, reduction="none"),
    S.KLDivergence: lambda loss, x, t: F.kl_div(x, t, reduction="none", log_target=loss.log_target),
    S.CosineSimilarity: _cosine,
    S.CategoricalHinge: _categorical_hinge,
}
