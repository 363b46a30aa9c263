"""Losses that compare outputs x with targets t of the same shape, entry by entry or row by row.

``reduction``: "mean" over all values, "sum" of them (PyTorch), or "sum_of_means" of the samples (Keras's sum).
``target`` is the label as a one-hot row, the network's own input (an autoencoder), or given with the data. Signs
t ∈ {-1, 1} come from one-hot rows as 2t - 1.
"""

from dataclasses import dataclass
from typing import Literal

from dualnet.specs.kinds import NonNegative, Numbers, Positive, Share
from dualnet.specs.losses import _Dense


@dataclass(frozen=True)
class MeanSquaredError(_Dense):
    """(x - t)²."""


@dataclass(frozen=True)
class MeanAbsoluteError(_Dense):
    """|x - t| (``L1Loss``); its gradient at 0 is 0."""


@dataclass(frozen=True)
class Huber(_Dense):
    """e²/2 where |e| ≤ delta, else delta·(|e| - delta/2), for e = x - t (``HuberLoss``, Keras's ``Huber``)."""

    delta: Positive = 1.0


@dataclass(frozen=True)
class SmoothL1(_Dense):
    """e²/(2·beta) where |e| < beta, else |e| - beta/2 (``SmoothL1Loss``): ``Huber`` divided by beta."""

    beta: Positive = 1.0


@dataclass(frozen=True)
class LogCosh(_Dense):
    """log cosh(x - t) (Keras), as e + softplus(-2e) - log 2."""


@dataclass(frozen=True)
class MeanAbsolutePercentageError(_Dense):
    """100·|t - x| / max(|t|, epsilon) (Keras)."""

    epsilon: Positive = 1e-7


@dataclass(frozen=True)
class MeanSquaredLogarithmicError(_Dense):
    """(log(1 + max(x, epsilon)) - log(1 + max(t, epsilon)))² (Keras)."""

    epsilon: Positive = 1e-7


@dataclass(frozen=True)
class Poisson(_Dense):
    """eˣ - t·x, or for ``log_input`` False x - t·log(x + epsilon); ``full`` adds Stirling's terms for t > 1.

    PyTorch's ``PoissonNLLLoss``; Keras's ``Poisson`` is log_input False, epsilon 1e-7.
    """

    log_input: bool = True
    full: bool = False
    epsilon: Positive = 1e-8


@dataclass(frozen=True)
class BinaryCrossEntropy(_Dense):
    """max(x, 0) - x·t + log(1 + e^-|x|) of logits x and targets t in [0, 1] (``BCEWithLogitsLoss``).

    ``positive_weights`` multiply the share of t = 1, one for each entry of the last axis.
    """

    positive_weights: Numbers | None = None


@dataclass(frozen=True)
class BinaryFocal(_Dense):
    """Binary cross entropy of logits, times (1 - p_t)^gamma (Lin et al. 2017; Keras's ``BinaryFocalCrossentropy``).

    p_t is the probability of the target: t·σ(x) + (1 - t)·(1 - σ(x)). With ``alpha`` below 1, t = 1 weighs alpha and
    t = 0 weighs 1 - alpha; 1 balances nothing.
    """

    gamma: NonNegative = 2.0
    alpha: Share = 1.0


@dataclass(frozen=True)
class SoftMargin(_Dense):
    """log(1 + e^(-t·x)), t signs (``SoftMarginLoss``)."""


@dataclass(frozen=True)
class Hinge(_Dense):
    """max(0, 1 - t·x)^power, t signs (Keras's ``Hinge`` and ``SquaredHinge``)."""

    power: Literal[1, 2] = 1


@dataclass(frozen=True)
class HingeEmbedding(_Dense):
    """x where t is 1, max(0, margin - x) where it is -1 (``HingeEmbeddingLoss``)."""

    margin: float = 1.0


@dataclass(frozen=True)
class KLDivergence(_Dense):
    """t·(log t - x) of log-probabilities x and probabilities t, or their logarithms for ``log_target`` (``KLDivLoss``).

    "batchmean" sums a sample's entries and averages the samples.
    """

    reduction: Literal["mean", "sum", "sum_of_means", "batchmean"] = "mean"  # type: ignore[assignment]
    log_target: bool = False


@dataclass(frozen=True)
class CosineSimilarity(_Dense):
    """-Σ x·t / (max(‖x‖, epsilon)·max(‖t‖, epsilon)) over the last axis (Keras)."""

    epsilon: Positive = 1e-7


@dataclass(frozen=True)
class CategoricalHinge(_Dense):
    """max(0, 1 + max((1 - t)·x) - Σ t·x) over the last axis (Keras)."""
