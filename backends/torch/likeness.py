"""Losses of probabilities in torch: each a formula of (loss, outputs, targets)."""

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from dualnet.specs import likeness as S


def _binary(loss: S.ProbabilityCrossEntropy, x: Tensor, t: Tensor) -> Tensor:
    if loss.cut == "logarithm":
        return F.binary_cross_entropy(x, t, reduction="none")
    x = x.clamp(loss.epsilon, 1 - loss.epsilon)
    return -(t * x.log() + (1 - t) * (1 - x).log())


def _focal(loss: S.CategoricalFocal, x: Tensor, t: Tensor) -> Tensor:
    log_p = F.log_softmax(x, -1)
    return -(loss.alpha * (1 - log_p.exp()) ** loss.gamma * t * log_p).sum(-1)


def _general(loss: S.GeneralizedCrossEntropy, x: Tensor, t: Tensor) -> Tensor:
    return (1 - (x * t).sum(-1) ** loss.q) / loss.q


def _sums(loss: Any, *values: Tensor) -> list[Tensor]:
    return [each.sum() if loss.over == "batch" else each.flatten(1).sum(1) for each in values]


def _tversky(loss: S.Tversky, x: Tensor, t: Tensor) -> Tensor:
    both, missed, wrong = _sums(loss, x * t, (1 - x) * t, x * (1 - t))
    return 1 - both / (both + loss.alpha * missed + loss.beta * wrong + loss.epsilon)


def _dice(loss: S.Dice, x: Tensor, t: Tensor) -> Tensor:
    both, all_x, all_t = _sums(loss, x * t, x, t)
    return 1 - 2 * both / (all_t + all_x + loss.epsilon)


RULES: dict[type[Any], Callable[[Any, Tensor, Tensor], Tensor]] = {
    S.ProbabilityCrossEntropy: _binary,
    S.CategoricalFocal: _focal,
    S.GeneralizedCrossEntropy: _general,
    S.Tversky: _tversky,
    S.Dice: _dice,
}
