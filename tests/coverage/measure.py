"""Measure: each row's cells: both directions, or both stock classes, and the largest gaps of all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.coverage import draws, keras_examples, keras_losses, models, ports, rules, torch_examples
from tests.coverage.found import Found
from tests.coverage.rows import Row

EXAMPLES: dict[str, dict[str, Any]] = {"torch": torch_examples.EXAMPLES, "keras": keras_examples.EXAMPLES}
NOTHING = Found("-")  # the framework has no such class


@dataclass(frozen=True)
class Measured:
    """What a row came to: by torch's class, by Keras's, and by the two backends' models of the spec."""

    torch: Found
    keras: Found
    spec: Found = NOTHING

    @property
    def gaps(self) -> list[float | None]:
        """The largest gap of outputs, of gradients, and of a step; None where there is none."""
        columns = zip(self.torch.gaps, self.keras.gaps, self.spec.gaps, strict=True)
        return [max((each for each in column if each is not None), default=None) for column in columns]


def measured(row: Row, whole: bool = True) -> Measured:
    """Return what a row comes to; not ``whole``, without what other tests hold: models and losses of specs."""
    spec = _spec(row) if whole and row.spec != "-" else NOTHING
    return Measured(_side("torch", row), _side("keras", row), spec)


def _spec(row: Row) -> Found:
    if row.kind == "Losses":
        return rules.loss(row.spec)
    return models.modelled(row.spec) if row.kind == "Layers and containers" else NOTHING


def _side(side: str, row: Row) -> Found:
    name = getattr(row, side)
    if name == "-":
        return NOTHING
    if row.why:
        return Found("no", row.why)
    if row.kind == "Layers and containers" or (row.kind, side) == ("Losses", "torch"):
        return ports.ported(side, name, EXAMPLES[side][name])
    if row.spec == "-":
        return Found("no", row.lacks)
    return STOCK[row.kind](side, row)


STOCK: dict[str, Callable[[str, Row], Found]] = {
    "Losses": lambda side, row: keras_losses.loss(row.keras, row.spec),
    "Optimizers": lambda side, row: rules.optimizer(side, getattr(row, side)),
    "Schedules": lambda side, row: rules.schedule(side, row.spec),
    "Initializers": lambda side, row: draws.initializer(side, getattr(row, side)),
    "Metrics": lambda side, row: draws.metric(row.keras),
}
