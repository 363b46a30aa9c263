"""Feeding: a data set as the arrays that a spec reads and is judged by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dualnet.backends.precision import held
from dualnet.backends.protocol import Array, Arrays, Session
from dualnet.data import augmented, load_dataset, mean_std, normalise, split, to_float
from dualnet.errors import SpecError
from dualnet.specs.losses import Loss, classifies, dense
from dualnet.specs.spec import Spec, Training


@dataclass(frozen=True)
class Part:
    """Inputs (N, *shape) by name in the precision of the run, and labels (N,) int64.

    ``given`` (N, *output shape) are the targets of a loss whose ``target`` is "given"; the labels then only count.
    """

    inputs: Arrays
    labels: NDArray[np.int64]
    given: Array | None = None

    def targets(self, loss: Loss, classes: int) -> Array:
        """Return what the loss compares the outputs with."""
        if not dense(loss):
            return self.labels
        if loss.target == "given":
            assert self.given is not None  # whoever makes such a part gives them
            return self.given
        images = next(iter(self.inputs.values()))
        return images if loss.target == "input" else np.eye(classes, dtype=images.dtype)[self.labels]


@dataclass(frozen=True)
class Feed:
    """Training, validation and test parts of a data set; ``source`` says in one line where it is from.

    ``vary`` returns the training inputs of an epoch (0 is the first), where they are augmented.
    """

    source: str
    classes: tuple[str, ...]
    train: Part
    validation: Part | None
    test: Part
    vary: Callable[[int], Arrays] | None = None

    def give(self, session: Session, loss: Loss, soft: Mapping[str, Array] | None = None) -> None:
        """Make all parts resident in a session under their names, with the teacher's logits where there are some."""
        for name, part in self.parts().items():
            self._hold(session, name, part, loss, soft.get(name) if soft else None)

    def give_epoch(self, session: Session, loss: Loss, epoch: int) -> None:
        """Make the training part of an epoch resident, where epochs differ."""
        if self.vary is not None:
            self._hold(session, "train", replace(self.train, inputs=self.vary(epoch)), loss, None)

    def _hold(self, session: Session, name: str, part: Part, loss: Loss, soft: Array | None) -> None:
        labels = part.labels if classifies(loss) else None
        session.hold(name, part.inputs, part.targets(loss, len(self.classes)), labels, soft)

    def steps(self, training: Training) -> int:
        """Return how many optimizer steps all epochs of a training take."""
        return training.epochs * -(-len(self.train.labels) // training.batch_size)

    def parts(self) -> dict[str, Part]:
        """Return the parts that hold anything, by name."""
        found = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in found.items() if part is not None}


def feed(spec: Spec, *, dtype: str = "float32", seed: int = 0, limit: int | None = None) -> Feed:
    """Return the data that a spec names, ready to train on; ``limit`` keeps the first so many of each part.

    Raises ``SpecError`` if the data set does not fit the spec or the limit keeps nothing, ``DataError`` if files are
    damaged.
    """
    _fits(spec)
    if limit is not None and limit < 1:
        msg = f"limit must be at least 1. Received: {limit}"
        raise SpecError(msg)
    dataset = load_dataset(spec.data.set)
    parts = split(dataset, spec.data.split, seed=seed)
    shape = next(iter(spec.inputs.values()))
    levels = dataset.levels
    moments = (
        mean_std(to_float(resized(parts.train_images, shape), levels))
        if spec.data.normalise == "standard"
        else (0.0, 1.0)
    )

    name = next(iter(spec.inputs))

    def part(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Part:
        pixels = normalise(to_float(resized(images[:limit], shape), levels), *moments).astype(held(dtype))
        return Part({name: pixels}, labels[:limit])

    def vary(epoch: int) -> Arrays:
        plain = to_float(resized(parts.train_images[:limit], shape), levels)
        return {name: normalise(augmented(plain, spec.data.augment, seed, epoch), *moments).astype(held(dtype))}

    validation = part(parts.validation_images, parts.validation_labels) if len(parts.validation_labels) else None
    train, test = part(parts.train_images, parts.train_labels), part(parts.test_images, parts.test_labels)
    source = dataset.source if limit is None else f"{dataset.source}; the first {limit:,} of each part"
    return Feed(source, dataset.classes, train, validation, test, vary if spec.data.augment else None)


def _fits(spec: Spec) -> None:
    shapes = list(spec.inputs.values())
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][0] != 1 or min(shapes[0][1:]) < 28:
        read = ", ".join(f"{name} {list(shape)}" for name, shape in spec.inputs.items())
        msg = f"{spec.name}: the data set {spec.data.set!r} gives one image [1, 28, 28]; the spec reads {read}."
        raise SpecError(msg)
    loss = spec.training.loss
    if dense(loss) and loss.target == "given":
        msg = f"{spec.name}: the targets of its loss are given with the data, and {spec.data.set!r} has labels only."
        raise SpecError(msg + ' Its loss can take target = "one_hot" or "input" instead.')
    if not classifies(loss):
        return
    made = spec.output_shapes[0]
    if made != (10,):
        msg = f"{spec.name}: the data set {spec.data.set!r} has 10 classes; the first output is {list(made)}, not [10]."
        raise SpecError(msg)


def resized(images: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return images (N, 1, h, w) enlarged by whole pixels as far as they fit, and framed with black to ``shape``."""
    times = min(shape[1] // images.shape[2], shape[2] // images.shape[3])
    large = images.repeat(times, axis=2).repeat(times, axis=3)
    frame = [(size - have) for size, have in zip(shape[1:], large.shape[2:], strict=True)]
    return np.pad(large, ((0, 0), (0, 0), *((room // 2, room - room // 2) for room in frame)))
