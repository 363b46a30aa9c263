"""Training: the same batches in the same order on every side, epoch by epoch, with checkpoints to resume from."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from dualnet.backends.precision import precision
from dualnet.backends.protocol import Array, Arrays, Session
from dualnet.data import epoch_order, stacked
from dualnet.errors import SpecError
from dualnet.run import checkpoint as checkpoints
from dualnet.run import several
from dualnet.run.feed import Feed
from dualnet.run.hosts import Host
from dualnet.run.plan import Epoch, Progress, Settings, silent
from dualnet.specs.draw import uniform
from dualnet.specs.layers import BatchNorm1d, BatchNorm2d
from dualnet.specs.losses import Distillation, Loss, classifies
from dualnet.specs.rates import learning_rates
from dualnet.specs.schedules import Plateau, Schedule
from dualnet.specs.spec import Spec

# Steps sent to a session at once: enough that the border costs nothing, few enough that progress is seen to move.
CHUNK = 50


@dataclass
class Trained:
    """The result of one side: its history, and the session that holds the trained model.

    ``losses`` and ``accuracies`` are those of every step's batch; accuracies are fractions, empty without classes.
    """

    history: list[Epoch]
    session: Session
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)


Watch = Callable[[str, Trained], None]


def unwatched(side: str, trained: Trained) -> None:
    """Look at nothing."""


def train(
    host: Host,
    names: Iterable[str],
    spec: Spec,
    feed: Feed,
    settings: Settings,
    progress: Progress = silent,
    watch: Watch = unwatched,
) -> dict[str, Trained]:
    """Train a spec on each backend and return what came of it, by backend.

    Raises ``SpecError`` for what cannot be trained, or not by several workers, ``WeightsError`` for a checkpoint of
    another run.
    """
    several.check(spec, len(feed.train.labels), settings.workers)

    def run(name: str) -> Trained:
        session = several.opened(host, name, spec, len(feed.train.labels), settings)
        return train_session(name, session, spec, feed, settings, progress, watch=watch)

    return host.each(names, run)


def train_session(
    name: str,
    session: Session,
    spec: Spec,
    feed: Feed,
    settings: Settings,
    progress: Progress = silent,
    soft: Mapping[str, Array] | None = None,
    watch: Watch = unwatched,
) -> Trained:
    """Train one session; ``soft`` holds a teacher's logits by part, for a distillation loss.

    ``watch`` is called with (side, what is trained so far) after each epoch.
    Raises ``SpecError`` for what cannot be trained, ``WeightsError`` for a checkpoint of another run.
    """
    training = spec.training
    _refuse_single(spec, len(feed.train.labels))
    _refuse_varied(spec, feed)
    feed.give(session, training.loss, soft)
    session.prepare(training.loss, training.optimizer, training.clip, feed.steps(training))
    trained = Trained([], session)
    if settings.ulps:
        off = precision(settings.dtype).roundoff
        session.load(nudged(session.weights(), settings.seed, settings.ulps, off))
    checkpoint = settings.out / f"{name}.safetensors" if settings.out else None
    identity = checkpoints.identity(spec, settings, feed, soft) if checkpoint else {}
    if checkpoint and settings.resume and checkpoint.exists():
        found = checkpoints.resume(checkpoint, session, identity, training.epochs)
        trained.history, trained.losses, trained.accuracies = found
    for epoch in range(len(trained.history), training.epochs):
        feed.give_epoch(session, training.loss, epoch)
        trained.history.append(_epoch(name, trained, spec, feed, settings, epoch, progress, soft))
        if checkpoint:
            curves = (trained.history, trained.losses, trained.accuracies)
            checkpoints.save(checkpoint, session, identity, *curves)
        watch(name, trained)
    if training.optimizer.average and training.optimizer.average.finish == "average":
        session.load(averaged(session))
    return trained


def averaged(session: Session) -> Arrays:
    """Return the weights, those that the optimizer averages replaced by their means so far."""
    means = {name: mean for name, mean in session.slots().items() if name.endswith("/average")}
    return session.weights() | {name.rpartition("/")[0]: mean for name, mean in means.items()}


def watched(schedule: Schedule | None, history: Iterable[Epoch]) -> list[float]:
    """Return what a plateau watches, of every epoch. Raises ``SpecError`` if nobody takes it."""
    if not isinstance(schedule, Plateau):
        return []
    found = [getattr(epoch, schedule.watch) for epoch in history]
    if any(value is None for value in found):
        msg = (
            f"Plateau: {schedule.watch} is not taken in this run. Watch 'loss', or give the data a validation part "
            "(data.split)."
        )
        raise SpecError(msg)
    return found


def _refuse_varied(spec: Spec, feed: Feed) -> None:
    """Raise ``SpecError`` if a student would see other images than its teacher judged."""
    if feed.vary is not None and isinstance(spec.training.loss, Distillation):
        msg = (
            f"{spec.name}: a teacher's soft targets are of the plain images, so a distilled student takes no "
            "augmentation. Leave out data.augment (--augment)."
        )
        raise SpecError(msg)


def _epoch(
    name: str,
    trained: Trained,
    spec: Spec,
    feed: Feed,
    settings: Settings,
    epoch: int,
    progress: Progress,
    soft: Mapping[str, Array] | None,
) -> Epoch:
    size, count = spec.training.batch_size, len(feed.train.labels)
    full, rest = stacked(epoch_order(count, settings.seed, epoch), size)
    pieces = [full[at : at + CHUNK] for at in range(0, len(full), CHUNK)] + ([rest[None]] if len(rest) else [])
    steps = len(full) + bool(len(rest))
    done, loss, correct, seconds = 0, 0.0, 0, 0.0
    optimizer, schedule = spec.training.optimizer, spec.training.schedule
    seen = watched(schedule, trained.history)
    for piece in pieces:
        progress(name, epoch * steps + done, spec.training.epochs * steps, f"epoch {epoch + 1}")
        rates = learning_rates(optimizer, schedule, epoch * steps + done, len(piece), steps, seen)
        start = time.perf_counter()
        result = trained.session.steps("train", piece, rates)
        seconds += time.perf_counter() - start
        trained.losses.extend(float(value) for value in result["loss"])
        loss += float(result["loss"].sum()) * piece.shape[1]
        correct += int(result["correct"].sum())
        if classifies(spec.training.loss):
            trained.accuracies.extend(float(value) / piece.shape[1] for value in result["correct"])
        done += len(piece)
    progress(name, (epoch + 1) * steps, spec.training.epochs * steps, f"epoch {epoch + 1}")
    scores = evaluated(trained.session, spec.training.loss, feed, soft) if settings.evaluate else {}
    share = correct / count if classifies(spec.training.loss) else None
    return Epoch(epoch + 1, loss / count, share, seconds=seconds, **scores)


def _refuse_single(spec: Spec, count: int) -> None:
    """Raise ``SpecError`` if a batch would hold one value a channel: it has no variance for BatchNorm to divide by."""
    single = spec.training.batch_size == 1 or count % spec.training.batch_size == 1
    for step in spec.graph.leaves():
        if single and isinstance(step.layer, (BatchNorm1d, BatchNorm2d)) and math.prod(step.in_shapes[0][1:]) == 1:
            msg = (
                f"{spec.name}: {step.path} cannot normalise a batch of one example, and batches of "
                f"{spec.training.batch_size} leave one of {count:,}. Choose another batch_size."
            )
            raise SpecError(msg)


def nudged(weights: Arrays, seed: int, ulps: int, roundoff: float | None = None) -> Arrays:
    """Return weights, each moved up or down, as the seed draws, by units in the last place.

    That of a precision of the given roundoff, else of the array's own dtype.
    """
    found = {}
    for name, array in weights.items():
        sign = np.where(uniform(array.size, "ulp", seed, name).reshape(array.shape) < 0.5, 1, -1).astype(array.dtype)
        coarser = 1.0 if roundoff is None else 2 * roundoff / np.finfo(array.dtype).eps
        found[name] = array + sign * np.array(ulps * coarser, array.dtype) * np.spacing(np.abs(array))
    return found


def evaluated(session: Session, loss: Loss, feed: Feed, soft: Mapping[str, Array] | None) -> dict[str, float]:
    """Return loss and accuracy on the parts that are not trained on, in evaluation mode, by ``part_what``."""
    found = {}
    for name, part in feed.parts().items():
        if name != "train":
            made = session.predict(name)
            targets = part.targets(loss, len(feed.classes))
            found[f"{name}_loss"] = session.loss(loss, made, targets, soft.get(name) if soft else None)
            if classifies(loss):
                found[f"{name}_accuracy"] = accuracy(made, part.labels)
    return found


def accuracy(logits: Array, labels: Array) -> float:
    """Return the fraction of rows whose largest logit is at the label."""
    return float((logits.argmax(axis=1) == labels).mean())


def summary(trained: Mapping[str, Trained]) -> dict[str, Any]:
    """Return the histories as plain data, by backend."""
    return {name: [asdict(each) for each in result.history] for name, result in trained.items()}


def final_gap(trained: Mapping[str, Trained]) -> float | None:
    """Return the largest gap between the sides' training accuracies, a fraction; None for one side or no classes."""
    curves = [[each.train_accuracy for each in result.history] for result in trained.values()]
    if len(curves) < 2 or any(value is None for curve in curves for value in curve):
        return None
    return float(np.abs(np.diff(np.array(curves), axis=0)).max())
