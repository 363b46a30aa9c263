"""Metrics of a classifier by one definition for both frameworks, from scores (N, K) and labels (N,), in NumPy.

PyTorch has none of its own and Keras's AUC is a sum over 200 thresholds: here all are exact. Fractions from 0 to 1; a
ratio without a case, such as the precision of a class that was never predicted, is NaN and left out of the mean.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dualnet.backends.protocol import Array

Labels = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class ByClass:
    """One value for each class (K,): how many examples have it, precision, recall, F1, and AUC of one against rest."""

    support: Labels
    precision: Values
    recall: Values
    f1: Values
    auc: Values

    def means(self) -> dict[str, float]:
        """Return the mean over classes (macro average) of each ratio."""
        found = {"precision": self.precision, "recall": self.recall, "f1": self.f1, "auc": self.auc}
        return {name: float(np.nanmean(each)) if np.isfinite(each).any() else np.nan for name, each in found.items()}


def top_k(scores: Array, labels: Labels, k: int = 1) -> float:
    """Return the fraction of examples whose label's score is among the k largest; ties count for the lower class.

    With k = 1 that is the accuracy of ``argmax``. Raises ValueError for k below 1.
    """
    if k < 1:
        msg = f"Expected k of at least 1. Received: {k}"
        raise ValueError(msg)
    own = scores[np.arange(len(labels)), labels][:, None]
    before = np.arange(scores.shape[1]) < labels[:, None]
    ahead = (scores > own).sum(axis=1) + ((scores == own) & before).sum(axis=1)
    return float((ahead < k).mean())


def by_class(scores: Array, labels: Labels) -> ByClass:
    """Return precision, recall, F1 and AUC of each class, the prediction being the largest score."""
    kinds = np.arange(scores.shape[1])
    said, true = scores.argmax(axis=1)[:, None] == kinds, labels[:, None] == kinds
    hits, support = (said & true).sum(axis=0), true.sum(axis=0)
    with np.errstate(invalid="ignore"):
        precision, recall = hits / said.sum(axis=0), hits / support
        f1 = 2 * hits / (said.sum(axis=0) + support)
    return ByClass(support, precision, recall, f1, np.array([auc(scores[:, k], labels == k) for k in kinds]))


def auc(scores: Array, positive: NDArray[np.bool_]) -> float:
    """Return the chance that a positive example scores above a negative one, ties counting half; NaN without either.

    The area under the ROC curve, exactly (Mann & Whitney 1947).
    """
    from scipy.stats import rankdata

    count = int(positive.sum())
    rest = len(positive) - count
    if not count or not rest:
        return float("nan")
    ranks = float(rankdata(scores)[positive].sum())
    return (ranks - count * (count + 1) / 2) / (count * rest)
