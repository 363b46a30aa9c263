"""Losses: what training minimises. Both frameworks' options are fields; the defaults are PyTorch's."""

from dataclasses import dataclass
from typing import Literal, TypeGuard

from dualnet.specs.kinds import Fraction, Numbers, Positive, Share
from dualnet.specs.node import Node


@dataclass(frozen=True)
class Loss(Node, family=True):
    """Base of all losses. ``outputs`` (N, K), ``targets`` as each loss says."""


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """-log softmax(logits)[label], labels (N,) int64 (``torch.nn.CrossEntropyLoss``).

    With ``class_weights`` w, the mean divides by Σ w[label] ("weights", PyTorch) or by N ("samples", Keras), and the
    smoothed share of the loss is weighted class by class ("class", PyTorch) or by the sample's own w ("sample", Keras).
    """

    label_smoothing: Fraction = 0.0
    class_weights: Numbers | None = None
    mean_over: Literal["weights", "samples"] = "weights"
    smoothing_weighted_by: Literal["class", "sample"] = "class"
    reduction: Literal["mean", "sum"] = "mean"


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """(output - target)². "sum" adds all values (PyTorch), "sum_of_means" adds the samples' means (Keras's sum).

    ``target`` is the label as a one-hot row, the network's own input (an autoencoder), or given with the data.
    """

    reduction: Literal["mean", "sum", "sum_of_means"] = "mean"
    target: Literal["one_hot", "input", "given"] = "one_hot"


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """max(x, 0) - x·t + log(1 + e^-|x|) of logits x and targets t in [0, 1] (``BCEWithLogitsLoss``)."""

    reduction: Literal["mean", "sum", "sum_of_means"] = "mean"
    target: Literal["one_hot", "input"] = "one_hot"


@dataclass(frozen=True)
class Distillation(Loss):
    """alpha·CE(logits, labels) + (1 - alpha)·T²·KL(softmax(teacher / T) ‖ softmax(logits / T)) (Hinton et al. 2015).

    ``reduction`` of the KL term: "batchmean" divides the sum by N, "mean" by N·K (PyTorch's other one, K times less).
    """

    temperature: Positive = 10.0
    alpha: Share = 0.1
    reduction: Literal["batchmean", "mean"] = "batchmean"


def dense(loss: Loss) -> TypeGuard[MeanSquaredError | BinaryCrossEntropy]:
    """Return whether a loss compares entry by entry with targets of the outputs' own shape."""
    return isinstance(loss, (MeanSquaredError, BinaryCrossEntropy))


def classifies(loss: Loss) -> bool:
    """Return whether a loss is about classes."""
    return not (dense(loss) and loss.target != "one_hot")
