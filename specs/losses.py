"""Losses: what training minimises. Both frameworks' options are fields; the defaults are PyTorch's."""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeGuard

from dualnet.specs.kinds import Fraction, Numbers, Positive, Share
from dualnet.specs.node import Node

_SEVERAL = "it compares several tensors, and a loss here is one of an output and a target."


@dataclass(frozen=True)
class Loss(Node, family=True):
    """Base of all losses. ``outputs`` (N, K), ``targets`` as each loss says."""

    refused: ClassVar[dict[str, str]] = {
        "TripletMargin": f"{_SEVERAL} Subtract two PairwiseDistance layers in the model, and take Hinge of that.",
        "CosineEmbedding": f"{_SEVERAL} End the model in Dot(normalize=True), and compare that with given targets.",
        "MarginRanking": f"{_SEVERAL} End the model in Subtract, and take Hinge with given signs.",
        "GaussianNLL": f"{_SEVERAL} It needs mean and variance.",
        "CTC": "TensorFlow computes it in float32 alone, and it takes lengths beside outputs and targets.",
        "MultiLabelMargin": "its targets are lists of labels of any length. Use BinaryCrossEntropy with given targets.",
        "MultiLabelSoftMargin": 'it is BinaryCrossEntropy; its sum is the reduction "sum_of_means".',
        "Circle": "it compares each example of a batch with every other; a loss here compares it with its target.",
    }


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """-log softmax(logits)[label], labels (N,) int64 (``torch.nn.CrossEntropyLoss``).

    With ``class_weights`` w, the mean divides by Σ w[label] ("weights", PyTorch) or by N ("samples", Keras), and the
    smoothed share of the loss is weighted class by class ("class", PyTorch) or by the sample's own w ("sample", Keras).
    Samples of the label ``ignore_index`` count for nothing, in the mean neither.
    """

    label_smoothing: Fraction = 0.0
    class_weights: Numbers | None = None
    mean_over: Literal["weights", "samples"] = "weights"
    smoothing_weighted_by: Literal["class", "sample"] = "class"
    reduction: Literal["mean", "sum"] = "mean"
    ignore_index: int | None = None


@dataclass(frozen=True)
class NegativeLogLikelihood(Loss):
    """-x[label] of log-probabilities x (``NLLLoss``), weighted and averaged as ``CrossEntropy``."""

    class_weights: Numbers | None = None
    ignore_index: int | None = None
    mean_over: Literal["weights", "samples"] = "weights"
    reduction: Literal["mean", "sum"] = "mean"


@dataclass(frozen=True)
class MultiMargin(Loss):
    """Σ over the other classes j of max(0, margin - x[label] + x[j])^power / K (``MultiMarginLoss``).

    ``class_weights`` multiply by the label's weight; the mean is over samples.
    """

    power: Literal[1, 2] = 1
    margin: float = 1.0
    class_weights: Numbers | None = None
    reduction: Literal["mean", "sum"] = "mean"


@dataclass(frozen=True)
class Distillation(Loss):
    """alpha·CE(logits, labels) + (1 - alpha)·T²·KL(softmax(teacher / T) ‖ softmax(logits / T)) (Hinton et al. 2015).

    ``reduction`` of the KL term: "batchmean" divides the sum by N, "mean" by N·K (PyTorch's other one, K times less).
    """

    temperature: Positive = 10.0
    alpha: Share = 0.1
    reduction: Literal["batchmean", "mean"] = "batchmean"


@dataclass(frozen=True)
class _Dense(Loss):
    """Base of the losses whose targets have the outputs' own shape; ``dualnet.specs.entrywise`` holds them."""

    reduction: Literal["mean", "sum", "sum_of_means"] = "mean"
    target: Literal["one_hot", "input", "given"] = "one_hot"


def dense(loss: Loss) -> TypeGuard[_Dense]:
    """Return whether a loss compares with targets of the outputs' own shape."""
    return isinstance(loss, _Dense)


def classifies(loss: Loss) -> bool:
    """Return whether a loss is about classes."""
    return not (dense(loss) and loss.target != "one_hot")
