"""Divide a data set into training, validation and test examples: as published, or by seeded ratios."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dualnet.data.batches import permutation
from dualnet.data.datasets import Dataset

Ratios = tuple[float, float, float]


@dataclass(frozen=True)
class Split:
    """Images uint8 of shape (N, 1, H, W) and labels int64 of shape (N,) for each part; a part may be empty."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    validation_images: NDArray[np.uint8]
    validation_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


def split(
    dataset: Dataset, parts: Literal["official"] | Ratios = "official", *, seed: int = 0, first: int | None = None
) -> Split:
    """Return the three parts of ``dataset``.

    "official" keeps the published parts and their order, where ``first`` trains on the first so many images and
    validates on the rest of them (``first=50_000`` is the classic split of MNIST). Ratios of training, validation and
    test, such as ``(0.70, 0.15, 0.15)``, are drawn by ``seed`` from all images together.
    Raises ValueError for ratios that do not add up to 1, and for a ``first`` that does not fit.
    """
    images = np.concatenate([dataset.train_images, dataset.test_images])
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    if parts == "official":
        rows = official_rows(len(dataset.train_labels), len(labels), first)
    elif first is None:
        rows = ratio_rows(len(labels), parts, seed)
    else:
        msg = f'Expected `first` with the "official" split only. Received: first={first} with ratios {parts}.'
        raise ValueError(msg)
    train, validation, test = rows
    return Split(images[train], labels[train], images[validation], labels[validation], images[test], labels[test])


def official_rows(published: int, total: int, first: int | None) -> list[NDArray[np.int64]]:
    """Return the rows of each part where the first ``published`` of ``total`` rows are the training set."""
    first = published if first is None else first
    if not 0 < first <= published:
        msg = f"Expected `first` between 1 and the {published:,} training images. Received: first={first}."
        raise ValueError(msg)
    return np.split(np.arange(total, dtype=np.int64), [first, published])


def ratio_rows(total: int, ratios: Ratios, seed: int) -> list[NDArray[np.int64]]:
    """Return the rows of each part, disjoint and covering all ``total`` rows, in an order drawn by ``seed``."""
    if len(ratios) != 3 or min(ratios) < 0 or not abs(sum(ratios) - 1) <= 1e-9:
        msg = f"Expected three ratios from 0 to 1 that add up to 1, as (0.70, 0.15, 0.15). Received: {ratios}."
        raise ValueError(msg)
    train, validation, _test = ratios
    return np.split(permutation(total, f"split/{seed}"), [round(total * train), round(total * (train + validation))])
