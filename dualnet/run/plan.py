"""What a run is told, and what it tells: settings, progress, epochs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Called with (side, steps done, steps in all, what is going on).
Progress = Callable[[str, int, int, str], None]


def silent(side: str, done: int, total: int, what: str) -> None:
    """Show no progress."""


def saying(progress: Progress, words: str) -> Progress:
    """Return a progress that puts what is going on into ``words``, at their ``{}``."""
    return lambda side, done, total, what: progress(side, done, total, words.format(what))


@dataclass(frozen=True)
class Settings:
    """How to run: ``seed`` starts weights, orders batches and drops units; ``out`` is a folder for checkpoints.

    ``workers`` is how many train one model on each backend, each on its slice of every batch (``docs/workers.md``).
    ``ulps`` moves every starting weight by so many units in the last place, to see how far so little leads.
    """

    seed: int = 0
    dtype: str = "float32"
    device: str = "cpu"
    out: Path | None = None
    resume: bool = False
    evaluate: bool = True
    ulps: int = 0
    workers: int = 1


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. Accuracies are fractions, None where the loss knows no classes; seconds only train.

    ``loss`` is the mean over the epoch's steps; validation and test losses are taken after it, None if not taken.
    """

    epoch: int
    loss: float
    train_accuracy: float | None
    validation_accuracy: float | None = None
    test_accuracy: float | None = None
    seconds: float = 0.0
    validation_loss: float | None = None
    test_loss: float | None = None
