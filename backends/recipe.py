"""Recipe: how one side trains, as its user gave it: loss, optimizer, clipping, schedule; and what a step of it gave."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dualnet.backends.draws import Arrays
from dualnet.errors import SpecError


@dataclass(frozen=True)
class Recipe:
    """One side's own training. ``optimizer`` is None where only the loss is to be compared.

    torch: ``loss(output, target)``, ``optimizer(parameters)``, ``clip(parameters)`` between backward and step,
    ``scheduler(optimizer)``, stepped once an update. Keras: ``loss(target, output)``, ``optimizer()``, which clips and
    schedules by itself.
    """

    loss: Callable[..., Any]
    optimizer: Callable[..., Any] | None = None
    clip: Callable[[Any], Any] | None = None
    scheduler: Callable[[Any], Any] | None = None


@dataclass
class Learned:
    """One training step: the loss, its gradients by weight before and after clipping, and the weights after it.

    ``norm`` is that of all gradients before clipping, those of weights without a common name too.
    """

    loss: float
    norm: float
    raw: Arrays = field(default_factory=dict)
    clipped: Arrays = field(default_factory=dict)
    weights: Arrays = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def recipes_of(loss: Any, optimizer: Any, clip: Any, scheduler: Any, targets: Any) -> tuple[Recipe, Recipe] | None:
    """Return both sides' recipes, or None where no loss is given. Raises ``SpecError`` naming what is wrong."""
    given = {"loss": loss, "optimizer": optimizer, "clip": clip, "scheduler": scheduler}
    if loss is None:
        told = [name for name, value in (*given.items(), ("targets", targets)) if value is not None]
        if told:
            msg = f"{' and '.join(told)} need a loss: loss=(left, right)."
            raise SpecError(msg)
        return None
    if targets is None:
        msg = "loss= needs targets=, an array of them or what else both losses take."
        raise SpecError(msg)
    for name, value in given.items():
        pair = isinstance(value, (tuple, list)) and len(value) == 2
        if value is not None and not (pair and all(each is None or callable(each) for each in value)):
            msg = f"{name}= must be a pair of functions (left, right). Received: {value!r}"
            raise SpecError(msg)
    both: list[list[Any]] = [[None if value is None else value[side] for value in given.values()] for side in (0, 1)]
    if None in loss or (both[0][1] is None) != (both[1][1] is None):
        msg = "loss= and optimizer= must name both sides' own."
        raise SpecError(msg)
    return Recipe(*both[0]), Recipe(*both[1])
