"""Exhibits that several experiments show: learning curves, weight histograms, confusion matrices."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dualnet.backends.protocol import Array, Arrays
from dualnet.diagnose import metrics
from dualnet.report.exhibits import Group, Histogram, Lines, Matrix, Series, Table, numbers
from dualnet.report.table import percent
from dualnet.run.plan import Epoch

BINS = 50


def epochs(histories: Mapping[str, Sequence[Epoch]]) -> Table:
    """Return the epochs of every side, side by side; accuracies in percent."""
    validated = any(epoch.validation_accuracy is not None for history in histories.values() for epoch in history)
    columns = ["loss", "train %", *(["validation %"] if validated else []), "test %"]
    heads = ("epoch", *(f"{name} {column}" for name in histories for column in columns), *(f"{n} s" for n in histories))
    rows = []
    for each in zip(*histories.values(), strict=True):
        cells = [cell for epoch in each for cell in _scores(epoch, validated)]
        rows.append((f"{each[0].epoch}", *cells, *(f"{epoch.seconds:.1f}" for epoch in each)))
    return Table("Epochs", heads, tuple(rows))


def _scores(epoch: Epoch, validated: bool) -> list[str]:
    shown = [epoch.train_accuracy, *([epoch.validation_accuracy] if validated else []), epoch.test_accuracy]
    return [f"{epoch.loss:.4f}", *(percent(value) for value in shown)]


def by_epoch(histories: Mapping[str, Sequence[Epoch]], what: str) -> Lines:
    """Return "loss" or "accuracy" by epoch of every side, a colour for each part of the data."""
    curves = []
    for index, (side, epochs) in enumerate(histories.items()):
        for colour, part in enumerate(("train", "validation", "test")):
            values = [
                getattr(epoch, "loss" if (part, what) == ("train", "loss") else f"{part}_{what}") for epoch in epochs
            ]
            if None not in values:
                scale = 100.0 if what == "accuracy" else 1.0
                x, y = numbers([epoch.epoch for epoch in epochs]), numbers(scale * np.array(values))
                curves.append(Series(f"{part}, {side}", x, y, colour=colour, dashed=index > 0))
    unit = "accuracy, %" if what == "accuracy" else "loss"
    return Lines(f"{what.capitalize()} by epoch", "epoch", unit, tuple(curves))


def by_step(
    losses: Mapping[str, Sequence[float]], title: str = "Loss of every step", unit: str = "loss", log: str = "y"
) -> Lines:
    """Return what each optimizer step came to on every side."""
    curves = [
        Series(name, numbers(np.arange(1, len(values) + 1)), numbers(values), colour=0, dashed=index > 0)
        for index, (name, values) in enumerate(losses.items())
    ]
    return Lines(title, "optimizer step", unit, tuple(curves), log)


def weights(held: Mapping[str, Arrays], name: str, title: str) -> Histogram:
    """Return the histogram of one parameter as every side (or run) holds it, over shared bins."""
    values = {side: arrays[name].ravel() for side, arrays in held.items()}
    finite = [each[np.isfinite(each)] for each in values.values()]
    low, high = (float(edge([edge(each, initial=0.0) for each in finite])) for edge in (np.min, np.max))
    edges = np.linspace(low, high, BINS + 1) if high > low else np.linspace(low - 0.5, low + 0.5, 4)
    groups = tuple(
        Group(side, numbers(densities(each, edges)), dashed=index > 0)
        for index, (side, each) in enumerate(zip(values, finite, strict=True))
    )
    return Histogram(title, "value", numbers(edges), groups)


def densities(values: Array, edges: Array) -> Array:
    """Return the histogram of finite values as a density; all zero where there are no values."""
    counts = np.histogram(values, edges)[0]
    found: Array = counts / (max(len(values), 1) * np.diff(edges))
    return found


def confusion(logits: Array, labels: NDArray[np.int64], classes: Sequence[str], title: str) -> Matrix:
    """Return the counts of true class (row) by predicted class (column)."""
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (labels, logits.argmax(axis=1)), 1)
    rows = tuple(tuple(float(count) for count in row) for row in counts)
    return Matrix(title, tuple(classes), tuple(classes), rows, "predicted", "true")


def by_class(scores: Mapping[str, Array], labels: NDArray[np.int64], classes: Sequence[str]) -> Table:
    """Return precision, recall, F1 and AUC of every class and their means, in percent, of every side."""
    found = {side: metrics.by_class(each, labels) for side, each in scores.items()}
    words = ("precision", "recall", "f1", "auc")
    rows = []
    for index, name in enumerate(classes):
        values = [float(getattr(each, word)[index]) for each in found.values() for word in words]
        cells = [percent(None if np.isnan(value) else value) for value in values]
        rows.append((name, f"{next(iter(found.values())).support[index]:,}", *cells))
    means = [percent(each.means()[word]) for each in found.values() for word in words]
    heads = ("class", "examples", *(f"{side} {word}" for side in found for word in words))
    best = ", ".join(f"{side} {percent(metrics.top_k(each, labels, 3))} %" for side, each in scores.items())
    return Table("By class, %", heads, (*rows, ("mean", "", *means)), f"label among the three largest: {best}")


def confused(matrices: Mapping[str, Matrix], most: int = 5) -> Table:
    """Return the pairs of classes most often taken for one another by the first side, with each side's count."""
    counts = {side: np.array(matrix.values) for side, matrix in matrices.items()}
    first = next(iter(counts.values())).copy()
    np.fill_diagonal(first, 0)
    names = next(iter(matrices.values())).rows
    worst = [np.unravel_index(at, first.shape) for at in np.argsort(-first, axis=None)[:most]]
    rows = [
        (names[true], names[taken], *(f"{count[true, taken]:.0f}" for count in counts.values()))
        for true, taken in worst
        if first[true, taken] > 0
    ]
    return Table("Most often confused", ("true", "predicted", *counts), tuple(rows), "counts of test examples")
