"""Training: the same batches in the same order on every side, epoch by epoch, with checkpoints to resume from."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dualnet import store
from dualnet.backends.protocol import Array, Arrays, Session
from dualnet.data import epoch_order, stacked
from dualnet.errors import WeightsError
from dualnet.run.feed import Feed
from dualnet.run.hosts import Host
from dualnet.specs import text
from dualnet.specs.draw import uniform
from dualnet.specs.losses import BinaryCrossEntropy, Loss, MeanSquaredError
from dualnet.specs.optimizers import learning_rates
from dualnet.specs.spec import Spec

# Steps sent to a session at once: enough that the border costs nothing, few enough that progress is seen to move.
CHUNK = 50

# Called with (side, steps done, steps in all, what is going on).
Progress = Callable[[str, int, int, str], None]


def silent(side: str, done: int, total: int, what: str) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. Accuracies are fractions, None where the loss knows no classes; seconds only train."""

    epoch: int
    loss: float
    train_accuracy: float | None
    validation_accuracy: float | None
    test_accuracy: float | None
    seconds: float


@dataclass
class Trained:
    """The result of one side: its history, and the session that holds the trained model."""

    history: list[Epoch]
    session: Session
    losses: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Settings:
    """How to run: ``seed`` starts weights, orders batches and drops units; ``out`` is a folder for checkpoints.

    ``ulps`` moves every starting weight by so many units in the last place, to see how far so little leads.
    """

    seed: int = 0
    dtype: str = "float32"
    device: str = "cpu"
    out: Path | None = None
    resume: bool = False
    evaluate: bool = True
    ulps: int = 0


def train(
    host: Host, names: list[str], spec: Spec, feed: Feed, settings: Settings, progress: Progress = silent
) -> dict[str, Trained]:
    """Train a spec on each backend and return what came of it, by backend."""

    def run(name: str) -> Trained:
        session = host.open(name, spec, dtype=settings.dtype, device=settings.device, seed=settings.seed)
        return train_session(name, session, spec, feed, settings, progress)

    return host.each(names, run)


def train_session(
    name: str,
    session: Session,
    spec: Spec,
    feed: Feed,
    settings: Settings,
    progress: Progress = silent,
    soft: Mapping[str, Array] | None = None,
) -> Trained:
    """Train one session; ``soft`` holds a teacher's logits by part, for a distillation loss."""
    training = spec.training
    feed.give(session, training.loss, soft)
    session.prepare(training.loss, training.optimizer, training.clip)
    trained = Trained([], session)
    if settings.ulps:
        session.load(nudged(session.weights(), settings.seed, settings.ulps))
    checkpoint = settings.out / f"{name}.safetensors" if settings.out else None
    if checkpoint and settings.resume and checkpoint.exists():
        trained.history = _resume(checkpoint, session, spec, settings, feed)
    for epoch in range(len(trained.history), training.epochs):
        trained.history.append(_epoch(name, trained, spec, feed, settings, epoch, progress))
        if checkpoint:
            _save(checkpoint, session, spec, settings, feed, trained.history)
    return trained


def _epoch(
    name: str, trained: Trained, spec: Spec, feed: Feed, settings: Settings, epoch: int, progress: Progress
) -> Epoch:
    size, count = spec.training.batch_size, len(feed.train.labels)
    full, rest = stacked(epoch_order(count, settings.seed, epoch), size)
    pieces = [full[at : at + CHUNK] for at in range(0, len(full), CHUNK)] + ([rest[None]] if len(rest) else [])
    steps = len(full) + bool(len(rest))
    done, loss, correct, seconds = 0, 0.0, 0, 0.0
    for piece in pieces:
        progress(name, epoch * steps + done, spec.training.epochs * steps, f"epoch {epoch + 1}")
        rates = learning_rates(spec.training.optimizer, spec.training.schedule, epoch * steps + done, len(piece))
        start = time.perf_counter()
        result = trained.session.steps("train", piece, rates)
        seconds += time.perf_counter() - start
        trained.losses.extend(float(value) for value in result["loss"])
        loss += float(result["loss"].sum()) * piece.shape[1]
        correct += int(result["correct"].sum())
        done += len(piece)
    progress(name, (epoch + 1) * steps, spec.training.epochs * steps, f"epoch {epoch + 1}")
    scores = accuracies(trained.session, feed) if settings.evaluate and classifies(spec.training.loss) else {}
    share = correct / count if classifies(spec.training.loss) else None
    return Epoch(epoch + 1, loss / count, share, scores.get("validation"), scores.get("test"), seconds)


def nudged(weights: Arrays, seed: int, ulps: int) -> Arrays:
    """Return weights, each moved up or down, as the seed draws, by units in the last place of its precision."""
    found = {}
    for name, array in weights.items():
        sign = np.where(uniform(array.size, "ulp", seed, name).reshape(array.shape) < 0.5, 1, -1).astype(array.dtype)
        found[name] = array + sign * np.array(ulps, array.dtype) * np.spacing(np.abs(array))
    return found


def classifies(loss: Loss) -> bool:
    """Return whether a loss is about classes."""
    return not (isinstance(loss, (MeanSquaredError, BinaryCrossEntropy)) and loss.target == "input")


def accuracies(session: Session, feed: Feed) -> dict[str, float]:
    """Return the accuracy on the parts that are not trained on, in evaluation mode."""
    found = {}
    for name, part in feed.parts().items():
        if name != "train":
            found[name] = accuracy(session.predict(name), part.labels)
    return found


def accuracy(logits: Array, labels: Array) -> float:
    """Return the fraction of rows whose largest logit is at the label."""
    return float((logits.argmax(axis=1) == labels).mean())


def _save(path: Path, session: Session, spec: Spec, settings: Settings, feed: Feed, history: list[Epoch]) -> None:
    arrays: Arrays = {f"weights/{name}": array for name, array in session.weights().items()}
    arrays |= {f"slots/{name}": array for name, array in session.slots().items()}
    metadata = _identity(spec, settings, feed) | {"history": json.dumps([asdict(each) for each in history])}
    try:
        store.save(path, arrays, metadata)
    except OSError as error:
        msg = f"{path}: the checkpoint cannot be written: {error.strerror}."
        raise WeightsError(msg) from None


def _identity(spec: Spec, settings: Settings, feed: Feed) -> dict[str, str]:
    """Return what a run must share with a checkpoint to go on from it; more epochs are welcome."""
    whole = replace(spec, training=replace(spec.training, epochs=1))
    labels = hashlib.sha256(feed.train.labels.tobytes()).hexdigest()[:16]  # tells data sets, splits and limits apart
    return {"spec": text.dumps(whole), "seed": str(settings.seed), "dtype": settings.dtype, "data": labels}


def _resume(path: Path, session: Session, spec: Spec, settings: Settings, feed: Feed) -> list[Epoch]:
    arrays, metadata = store.load(path)
    for name, value in _identity(spec, settings, feed).items():
        if metadata.get(name) != value:
            was = metadata.get(name) if name in ("seed", "dtype") else "another one"
            msg = (
                f"{path}: this run's {name} is not the checkpoint's ({was}). Start anew without --resume, or elsewhere."
            )
            raise WeightsError(msg)
    history = [Epoch(**each) for each in json.loads(metadata["history"])]
    if len(history) > spec.training.epochs:
        msg = f"{path}: it has {len(history)} epochs already, of {spec.training.epochs} asked for. Ask for more."
        raise WeightsError(msg)
    session.load(_under("weights/", arrays))
    session.load_slots(_under("slots/", arrays))
    return history


def _under(prefix: str, arrays: Arrays) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def summary(trained: Mapping[str, Trained]) -> dict[str, Any]:
    """Return the histories as plain data, by backend."""
    return {name: [asdict(each) for each in result.history] for name, result in trained.items()}


def final_gap(trained: Mapping[str, Trained]) -> float | None:
    """Return the largest gap between the sides' training accuracies, a fraction; None for one side or no classes."""
    curves = [[each.train_accuracy for each in result.history] for result in trained.values()]
    if len(curves) < 2 or any(value is None for curve in curves for value in curve):
        return None
    return float(np.abs(np.diff(np.array(curves), axis=0)).max())
