"""Distillation: teacher, student alone, student distilled, on every side (Hinton et al. 2015).

The teacher is frozen, so its logits on the training set are computed once: distilling is training with a loss that
takes them beside the labels.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from dualnet.backends.protocol import Array, Arrays
from dualnet.errors import SpecError
from dualnet.run import several
from dualnet.run.feed import Feed
from dualnet.run.hosts import Host
from dualnet.run.plan import Epoch, Progress, Settings, saying, silent
from dualnet.run.train import Trained, accuracy, train_session
from dualnet.specs.losses import Distillation
from dualnet.specs.spec import Spec

ROLES = ("teacher", "student alone", "student distilled")


@dataclass(frozen=True)
class Distilled:
    """One side's result: the history of each role, and its logits on the test part."""

    histories: dict[str, list[Epoch]]
    logits: dict[str, Array]
    losses: dict[str, list[float]]

    def test_accuracy(self, role: str) -> float:
        """Return a role's last test accuracy."""
        last = self.histories[role][-1].test_accuracy
        return float("nan") if last is None else last


def distil(
    host: Host,
    names: list[str],
    teacher: Spec,
    student: Spec,
    loss: Distillation,
    feed: Feed,
    settings: Settings,
    progress: Progress = silent,
) -> dict[str, Distilled]:
    """Distil a teacher into a student on each backend. The student starts from the same weights both times.

    Raises ``SpecError`` unless both read the same plain input and give the same logits.
    """
    match(teacher, student)
    plans = dict(
        zip(ROLES, (teacher, student, replace(student, training=replace(student.training, loss=loss))), strict=True)
    )
    return host.each(names, lambda name: _side(host, name, plans, feed, settings, progress))


def _side(
    host: Host, name: str, plans: dict[str, Spec], feed: Feed, settings: Settings, progress: Progress
) -> Distilled:
    """Return one backend's result of the three roles, in order: the teacher comes first."""
    made: dict[str, Learned] = {}
    soft: dict[str, Array] | None = None
    for role, spec in plans.items():
        made[role] = learn(host, name, role, spec, feed, settings, progress, soft)
        soft = soft or made[role].everything(feed)
    logits = {role: each.logits for role, each in made.items()}
    histories = {role: each.trained.history for role, each in made.items()}
    return Distilled(histories, logits, {role: each.trained.losses for role, each in made.items()})


@dataclass(frozen=True)
class Learned:
    """One network that has learned, and its logits on the test part."""

    trained: Trained
    logits: Array

    def everything(self, feed: Feed) -> dict[str, Array]:
        """Return its logits on every part of the data: what a student is taught by."""
        return {part: self.trained.session.predict(part) for part in feed.parts()}


def learn(
    host: Host,
    name: str,
    role: str,
    spec: Spec,
    feed: Feed,
    settings: Settings,
    progress: Progress = silent,
    soft: Mapping[str, Array] | None = None,
    weights: Arrays | None = None,
) -> Learned:
    """Train one network in a role; ``soft`` are a teacher's logits, ``weights`` a start other than the seed's.

    Checkpoints go into a folder named after the role.
    """
    session = several.opened(host, name, spec, len(feed.train.labels), settings)
    if weights is not None:
        session.load(session.weights() | weights)
    own = replace(settings, out=settings.out / re.sub(r"[^\w.=]+", "_", role) if settings.out else None)
    taught = soft if isinstance(spec.training.loss, Distillation) else None
    trained = train_session(name, session, spec, feed, own, saying(progress, f"{role}, {{}}"), taught)
    return Learned(trained, session.predict("test"))


def match(teacher: Spec, student: Spec) -> None:
    """Raise ``SpecError`` unless both read the same plain input and give the same logits."""
    if teacher.data.augment:
        msg = (
            f"{teacher.name}: a teacher's soft targets are of the plain images, so teacher and student take no "
            "augmentation. Leave out data.augment."
        )
        raise SpecError(msg)
    if list(teacher.inputs.values()) != list(student.inputs.values()) or teacher.data != student.data:
        wanted = f"{list(teacher.inputs.values())} of {teacher.data}"
        msg = f"{student.name} must read what its teacher {teacher.name} reads: {wanted}"
        raise SpecError(msg)
    if teacher.output_shapes[0] != student.output_shapes[0]:
        ours, theirs = (list(spec.output_shapes[0]) for spec in (student, teacher))
        msg = f"{student.name} must give what its teacher {teacher.name} gives, {theirs}. Received: {ours}"
        raise SpecError(msg)


def soft_decisions(logits: Array, temperatures: tuple[float, ...] = (1.0, 10.0)) -> dict[float, Array]:
    """Return softmax(logits / T), float64 of the same shape, for each temperature."""
    scaled = {t: logits.astype(np.float64) / t for t in temperatures}
    powers = {t: np.exp(x - x.max(axis=-1, keepdims=True)) for t, x in scaled.items()}
    return {t: p / p.sum(axis=-1, keepdims=True) for t, p in powers.items()}


def summary(results: dict[str, Distilled], feed: Feed) -> dict[str, Any]:
    """Return the results as plain data, by backend and role."""
    return {
        name: {
            role: {
                "test_accuracy": accuracy(result.logits[role], feed.test.labels),
                "history": [asdict(e) for e in h],
            }
            for role, h in result.histories.items()
        }
        for name, result in results.items()
    }
