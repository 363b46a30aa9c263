"""Load a data set by name, and say in one sentence where it came from.

``digits.npz`` holds the 1,797 handwritten digits of scikit-learn's ``load_digits`` (taken from scikit-learn 1.9.1, BSD
licence): the test part of "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak, UCI Machine
Learning Repository, 1998 (CC BY 4.0). A pixel counts the inked dots, 0 to 16, in a cell of 4 x 4. There is no official
split: here the last 360 are the test set.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dualnet.data.fetch import UnreachableError, fetch
from dualnet.data.idx import read_idx
from dualnet.data.places import DIGITS, Place, find, verify
from dualnet.data.sources import Source, published
from dualnet.errors import DataError

DIGITS_TRAIN = 1437


@dataclass(frozen=True)
class Dataset:
    """Labelled images, as published: images uint8 of shape (N, 1, H, W), labels int64 of shape (N,).

    ``source`` says in one sentence where they came from; ``levels`` is the value of white.
    """

    name: str
    source: str
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    classes: tuple[str, ...]
    levels: int


def load_dataset(name: str, *, root: Path | None = None, download: bool = True) -> Dataset:
    """Return "fashion_mnist", "mnist" or "digits", from where ``find`` says.

    Where the set is neither on this machine nor to be downloaded, the embedded digits come instead: ``name`` is then
    "digits" and ``source`` begins with "NOT". Raises DataError for a file that is not the published one.
    """
    place = find(name, root=root)
    if name == "digits":
        return _digits("scikit-learn's handwritten digits, 1,437 train / 360 test, embedded in dualnet")
    source = published(name)
    if place.how == "download":
        if not download:
            return _instead_of(source, "it is not on this machine and downloads are off")
        try:
            fetch(source, place.path)
        except UnreachableError as problem:
            return _instead_of(source, str(problem))
    return _read(source, place)


def _read(source: Source, place: Place) -> Dataset:
    for file in source.files:
        verify(place.path / file.name, file)
    paths = [place.path / file.name for file in source.files]
    train_images, test_images = (read_idx(path, axes=3)[:, None] for path in paths[::2])
    train_labels, test_labels = (read_idx(path, axes=1).astype(np.int64) for path in paths[1::2])
    _same_length(paths[0], train_images, train_labels)
    _same_length(paths[2], test_images, test_labels)
    counts = f"{len(train_images):,} train / {len(test_images):,} test"
    origin = f"{source.title}, {counts}, from {place.path} ({place.how})"
    return Dataset(source.name, origin, train_images, train_labels, test_images, test_labels, source.classes, 255)


def _same_length(path: Path, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    if len(images) != len(labels):
        msg = f"{path}: expected a label for each of {len(images):,} images. Received: {len(labels):,} labels."
        raise DataError(msg)


def _digits(origin: str) -> Dataset:
    with np.load(DIGITS, allow_pickle=False) as arrays:
        images, labels = arrays["images"][:, None], arrays["labels"].astype(np.int64)
    train, test = slice(DIGITS_TRAIN), slice(DIGITS_TRAIN, None)
    classes = tuple("0123456789")
    return Dataset("digits", origin, images[train], labels[train], images[test], labels[test], classes, 16)


def _instead_of(source: Source, why: str) -> Dataset:
    return _digits(f"NOT {source.title}: the 8x8 digits embedded in dualnet, 1,437 train / 360 test, because {why}")
