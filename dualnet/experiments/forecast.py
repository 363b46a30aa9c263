"""Forecast: how long work will take, said before any framework has loaded. An order of magnitude, no measurement.

The rates are those of one core of a common 2-core server (2026): they come from ``benchmarks``' runs of the zoo.
"""

from dualnet.specs import cost
from dualnet.specs.spec import Spec

START = 12.0  # seconds until both frameworks stand, side by side
STEP = 1.5e-3  # seconds that a training step takes beside its arithmetic
PUBLISHED = 60_000  # training images of Fashion-MNIST and MNIST, which nobody has counted before they are loaded
RATE = 8e9  # multiply-adds a second of dense layers; convolutions on small images come to half of that


def steps(spec: Spec, limit: int | None) -> int:
    """Return how many steps the training of a spec is, on all images or the first ``limit``."""
    return spec.training.epochs * -(-(limit or PUBLISHED) // spec.training.batch_size)


def training(spec: Spec, limit: int | None) -> float:
    """Return the seconds that the training of a spec takes."""
    return stepping(spec, steps(spec, limit))


def stepping(spec: Spec, count: int) -> float:
    """Return the seconds that so many training steps of a spec take: forward, and backward at twice its price."""
    return count * (STEP + 3 * cost.total(spec) * spec.training.batch_size / RATE)


def passes(spec: Spec, examples: int) -> float:
    """Return the seconds of forward and backward passes over so many examples."""
    return 3 * cost.total(spec) * examples / RATE


def spoken(seconds: float) -> str:
    """Return a duration as one says it."""
    if seconds < 90:
        return f"{max(round(seconds, -1), 10):.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def announcement(what: str, seconds: float, start: float = START) -> str:
    """Return the line that an experiment begins with; ``start`` is 0 where no framework is needed."""
    return f"{what}; about {spoken(start + seconds)}"
