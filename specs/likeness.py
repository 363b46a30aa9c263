"""Losses of probabilities x in [0, 1] and targets t of the same shape: what a sigmoid or a softmax gives."""

from dataclasses import dataclass
from typing import Literal

from dualnet.specs.kinds import Inside, NonNegative, Positive
from dualnet.specs.losses import _Dense


@dataclass(frozen=True)
class ProbabilityCrossEntropy(_Dense):
    """-(t·log x + (1 - t)·log(1 - x)) of probabilities x. Prefer ``BinaryCrossEntropy``, of logits, which cuts nothing.

    ``cut`` "logarithm" holds both logarithms above -100 (``BCELoss``); "probability" holds x within [epsilon,
    1 - epsilon], beyond which it has no gradient (Keras).
    """

    cut: Literal["logarithm", "probability"] = "logarithm"
    epsilon: Positive = 1e-7


@dataclass(frozen=True)
class CategoricalFocal(_Dense):
    """-Σ alpha·(1 - p)^gamma·t·log p over the last axis, p = softmax(logits) (Lin et al. 2017; Keras)."""

    gamma: NonNegative = 2.0
    alpha: Positive = 0.25


@dataclass(frozen=True)
class GeneralizedCrossEntropy(_Dense):
    """(1 - p^q) / q for p = Σ t·x over the last axis (Zhang & Sabuncu 2018; Keras)."""

    q: Inside = 0.5


@dataclass(frozen=True)
class Tversky(_Dense):
    """1 - s / (s + alpha·Σ (1 - x)·t + beta·Σ x·(1 - t) + epsilon) for s = Σ t·x (Salehi et al. 2017; Keras).

    Sums run ``over`` the whole "batch" (Keras's default) or each "sample".
    """

    alpha: NonNegative = 0.5
    beta: NonNegative = 0.5
    over: Literal["batch", "sample"] = "batch"
    epsilon: Positive = 1e-7


@dataclass(frozen=True)
class Dice(_Dense):
    """1 - 2·Σ t·x / (Σ t + Σ x + epsilon), sums as in ``Tversky`` (Milletari et al. 2016; Keras)."""

    over: Literal["batch", "sample"] = "batch"
    epsilon: Positive = 1e-7
