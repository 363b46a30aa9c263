"""Checkpoints: weights, optimizer slots and history in one file after each epoch, and going on from there."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from dualnet import store
from dualnet.backends.protocol import Array, Arrays, Session
from dualnet.errors import WeightsError
from dualnet.run.feed import Feed
from dualnet.run.plan import Epoch, Settings
from dualnet.specs import text
from dualnet.specs.spec import Spec


def save(
    path: Path,
    session: Session,
    identity: Mapping[str, str],
    history: list[Epoch],
    losses: list[float],
    accuracies: list[float],
) -> None:
    """Write a checkpoint. Raises ``WeightsError`` if it cannot be written."""
    arrays: Arrays = {f"weights/{name}": array for name, array in session.weights().items()}
    arrays |= {f"slots/{name}": array for name, array in session.slots().items()}
    arrays |= {f"steps/{name}": np.array(each) for name, each in (("loss", losses), ("accuracy", accuracies))}
    metadata = {**identity, "history": json.dumps([asdict(each) for each in history])}
    try:
        store.save(path, arrays, metadata)
    except OSError as error:
        msg = f"{path}: the checkpoint cannot be written: {error.strerror}."
        raise WeightsError(msg) from None


def identity(spec: Spec, settings: Settings, feed: Feed, soft: Mapping[str, Array] | None) -> dict[str, str]:
    """Return what a run must share with a checkpoint to go on from it; more epochs are welcome."""
    whole = replace(spec, training=replace(spec.training, epochs=1))
    own = {"spec": text.dumps(whole), "seed": str(settings.seed), "dtype": settings.dtype}
    # The labels tell data sets, splits and limits apart, the logits teachers.
    return own | {"data": _digest(feed.train.labels), "teacher": _digest(soft["train"]) if soft else "none"}


def _digest(array: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def resume(
    path: Path, session: Session, identity: Mapping[str, str], epochs: int
) -> tuple[list[Epoch], list[float], list[float]]:
    """Put a checkpoint into a session; return its epochs, and the loss and accuracy of every step.

    Raises ``WeightsError`` if it is another run's.
    """
    arrays, metadata = store.load(path)
    for name, value in identity.items():
        if metadata.get(name) != value:
            was = metadata.get(name) if name in ("seed", "dtype") else "another one"
            msg = (
                f"{path}: this run's {name} is not the checkpoint's ({was}). Start anew without --resume, or elsewhere."
            )
            raise WeightsError(msg)
    history = [Epoch(**each) for each in json.loads(metadata["history"])]
    if len(history) > epochs:
        msg = f"{path}: it has {len(history)} epochs already, of {epochs} asked for. Ask for more."
        raise WeightsError(msg)
    session.load(_under("weights/", arrays))
    session.load_slots(_under("slots/", arrays))
    steps = _under("steps/", arrays)
    return history, *(steps[name].tolist() if name in steps else [] for name in ("loss", "accuracy"))


def _under(prefix: str, arrays: Arrays) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
