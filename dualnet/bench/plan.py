"""The plan of a run: how to time, what, and by which recipes; and the cells that it falls into."""

from dataclasses import dataclass, field
from typing import Any

from dualnet.bench import recipes
from dualnet.bench.job import Job
from dualnet.errors import SpecError, did_you_mean

INFERRED = (1, 32, 256)  # batches of inference, if none are named


@dataclass(frozen=True)
class Settings:
    """How to time. ``seconds`` is the time of a cell, ``tight`` the half width of an interval that ends it sooner.

    ``chunk`` seconds of one side are followed by those of another. ``batches`` empty means the spec's own for training
    and ``INFERRED`` for inference.
    """

    whats: tuple[str, ...] = ("train", "infer")
    batches: tuple[int, ...] = ()
    recipes: Any = "usual"
    processes: int = 5
    tight: float = 0.05
    seconds: float = 30.0
    chunk: float = 0.1
    samples: int = 10_000
    threads: int = 1
    dtype: str = "float32"
    device: str = "cpu"
    seed: int = 0


@dataclass(frozen=True)
class Side:
    """One side of a comparison: its label, its framework, and what its workers are given."""

    label: str
    backend: str
    job: Job

    @property
    def subject(self) -> recipes.Subject:
        """Return what is timed."""
        return recipes.Subject(self.job.spec)


@dataclass(frozen=True)
class Pair:
    """What is timed side by side under one name. ``gate`` says in words how parity went; ``source`` the data."""

    name: str
    sides: tuple[Side, ...]
    gate: str = ""
    source: str = ""
    batch: int = 0  # the only one that a live model takes, if it takes but one


@dataclass(frozen=True)
class Cell:
    """One thing to time: all its recipes on all sides together, so that they share the machine's moods."""

    pair: str
    what: str
    batch: int
    rows: tuple[tuple[str, str, str], ...] = field(default=())  # (side, backend, recipe)

    @property
    def key(self) -> str:
        """Return the cell's name in a record."""
        return f"{self.pair}, {self.what}, batch {self.batch}" if self.batch else f"{self.pair}, {self.what}"


def whats(text: str) -> tuple[str, ...]:
    """Return the pieces of work that ``--what`` names. Raises ``SpecError``."""
    found = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    for word in found or ("",):
        if word not in recipes.WHATS:
            hint = did_you_mean(word, recipes.WHATS) or f" There are: {', '.join(recipes.WHATS)}."
            msg = f"--what must name pieces of work, with commas between. There is no {word!r}.{hint}"
            raise SpecError(msg)
    return found


def batches(text: str) -> tuple[int, ...]:
    """Return the batch sizes that ``--batch`` names. Raises ``SpecError``."""
    words = [word.strip() for word in text.split(",")] if text else []
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        msg = f"--batch must be sizes of at least 1, with commas between, such as 1,32,256. Received: {text!r}"
        raise SpecError(msg)
    return tuple(dict.fromkeys(int(word) for word in words))


def cells(pair: Pair, settings: Settings) -> list[Cell]:
    """Return what there is to time of a pair. Raises ``SpecError`` if no recipe is left."""
    found = []
    for what in settings.whats:
        rows = tuple(
            (side.label, side.backend, recipe.name)
            for side in pair.sides
            for recipe in recipes.pick(side.backend, what, side.subject, settings.recipes)
        )
        found += [Cell(pair.name, what, batch, rows) for batch in _batches(pair, what, settings) if rows]
    if not found:
        told = ", ".join(settings.whats)
        msg = f"{pair.name}: none of the recipes asked for does {told} here. Name others by --recipes, or all."
        raise SpecError(msg)
    return found


def _batches(pair: Pair, what: str, settings: Settings) -> tuple[int, ...]:
    spec = pair.sides[0].job.spec
    if what == "build":
        return (0,)
    if pair.batch:
        return (pair.batch,)
    own = (spec.training.batch_size,) if spec is not None else (32,)
    if what in ("first-step", "memory"):
        return own
    return settings.batches or (own if what == "train" else INFERRED)


def largest(name: str, spec_batch: int, settings: Settings) -> int:
    """Return the largest batch that a run will ask for: so many samples there must be."""
    return max(settings.batches or (*INFERRED, spec_batch), default=spec_batch)
