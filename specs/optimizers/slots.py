"""Slots: what an optimizer remembers of each parameter, and which of its settings each parameter goes by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from dualnet.errors import SpecError
from dualnet.specs import optimizers as S
from dualnet.specs.optimizers.base import Group

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Slot:
    """An array a parameter: of its shape, or of another; filled with a number, or a copy of the parameter."""

    start: float | Literal["parameter"] = 0.0
    shape: Shape | None = None


@dataclass(frozen=True)
class Share:
    """What parameters of one kind go by: an optimizer, and the factor of its learning rate."""

    optimizer: S.Optimizer
    rate_factor: float


def shares(optimizer: S.Optimizer, shapes: Mapping[str, Shape]) -> dict[Share, list[str]]:
    """Return the parameters, by what they go by. Raises ``SpecError`` for a group that matches nothing."""
    found: dict[Share, list[str]] = {}
    for name, shape in shapes.items():
        found.setdefault(_share(optimizer, name, shape), []).append(name)
    for group in optimizer.groups:
        for pattern in group.match:
            if not any(fnmatchcase(name, pattern) for name in shapes):
                msg = f"Group: match {pattern!r} fits no trained parameter. There are: {', '.join(shapes)}"
                raise SpecError(msg)
    return found


def _share(optimizer: S.Optimizer, name: str, shape: Shape) -> Share:
    group = next((g for g in optimizer.groups if any(fnmatchcase(name, p) for p in g.match)), Group(("*",)))
    own, factor = optimizer, group.rate_factor
    if isinstance(optimizer, S.Muon) and len(shape) != 2:
        if optimizer.others is None:
            msg = (
                f"Muon: {name} is no matrix but {list(shape)}; others must say how such parameters move, such as "
                "others=AdamW()."
            )
            raise SpecError(msg)
        own = replace(optimizer.others, maximize=optimizer.maximize)
        factor *= own.learning_rate / optimizer.learning_rate if optimizer.learning_rate else 1.0
    decay = own.weight_decay if group.weight_decay is None else group.weight_decay
    plain = replace(own, weight_decay=decay, groups=(), accumulate=None, average=None)
    return Share(plain, factor)


def slots(optimizer: S.Optimizer, shape: Shape) -> dict[str, Slot]:
    """Return the slots that an optimizer's fields put to use, for a parameter of a shape."""
    return SLOTS[type(optimizer)](optimizer, shape)


def _moments(optimizer: S.Optimizer, shape: Shape) -> dict[str, Slot]:
    return {"first_moment": Slot(), "second_moment": Slot()}


def _adam(optimizer: S.Adam, shape: Shape) -> dict[str, Slot]:
    return _moments(optimizer, shape) | ({"largest_second_moment": Slot()} if optimizer.amsgrad else {})


def _velocity(optimizer: S.SGD | S.RMSprop, shape: Shape) -> dict[str, Slot]:
    return {"velocity": Slot()} if optimizer.momentum else {}


def _rmsprop(optimizer: S.RMSprop, shape: Shape) -> dict[str, Slot]:
    centered = {"mean_gradient": Slot()} if optimizer.centered else {}
    return {"mean_square": Slot()} | centered | _velocity(optimizer, shape)


def _factors(optimizer: S.Adafactor, shape: Shape) -> dict[str, Slot]:
    """A mean of g² along each of two axes, kept with length 1, or one of g² as it is."""
    if len(shape) < 2:
        return {"variance": Slot()}
    rows, columns = factored(optimizer, len(shape))
    gone = {"row_mean": columns, "column_mean": rows}
    return {
        name: Slot(0.0, tuple(1 if axis == over else n for axis, n in enumerate(shape))) for name, over in gone.items()
    }


def factored(optimizer: S.Adafactor, rank: int) -> tuple[int, int]:
    """Return the axes of rows and of columns, in the spec's order."""
    return (rank - 2, rank - 1) if optimizer.factored == "last_two" else (0, 1)


SLOTS: dict[type[S.Optimizer], Callable[[Any, Shape], dict[str, Slot]]] = {
    S.SGD: _velocity,
    S.ASGD: lambda o, shape: {"mean": Slot(), "rate": Slot(0.0, ()), "weight": Slot(1.0, ())},
    S.Rprop: lambda o, shape: {"previous_gradient": Slot(), "step_size": Slot()},
    S.Lion: lambda o, shape: {"first_moment": Slot()},
    S.Muon: lambda o, shape: {"velocity": Slot()},
    S.Adam: _adam,
    S.AdamW: _adam,
    S.Adamax: lambda o, shape: {"first_moment": Slot(), "largest_gradient": Slot()},
    S.NAdam: lambda o, shape: _moments(o, shape) | {"momentum_product": Slot(1.0, ())},
    S.RAdam: _moments,
    S.Lamb: _moments,
    S.ScheduleFreeAdamW: lambda o, shape: {"iterate": Slot("parameter"), "second_moment": Slot()},
    S.RMSprop: _rmsprop,
    S.Adagrad: lambda o, shape: {"sum_of_squares": Slot(o.initial)},
    S.Adadelta: lambda o, shape: {"mean_square": Slot(), "mean_square_update": Slot()},
    S.Adafactor: _factors,
    S.Ftrl: lambda o, shape: {"sum_of_squares": Slot(o.initial), "linear": Slot()},
}
