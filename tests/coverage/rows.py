"""Rows: what stands in ``rows.txt``, and the public classes of each namespace, which must all stand there."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dualnet import specs as S
from dualnet.specs.node import Node

HERE = Path(__file__).parent
FAMILIES: dict[str, type[Node]] = {
    "Layers and containers": S.Layer,
    "Losses": S.Loss,
    "Optimizers": S.Optimizer,
    "Schedules": S.Schedule,
    "Initializers": S.Initializer,
}


@dataclass(frozen=True)
class Row:
    """A class of torch, of Keras and of the specs, "-" where there is none; ``why`` it has no example."""

    kind: str
    section: str
    torch: str
    keras: str
    spec: str
    why: str = ""

    @property
    def names(self) -> tuple[str, str, str]:
        """What tells a row from all others."""
        return self.torch, self.keras, self.spec

    @property
    def lacks(self) -> str:
        """Why the specs have none, on purpose; nothing where they have one, or nothing is said."""
        refused = FAMILIES[self.kind].refused if self.kind in FAMILIES else {}
        refused = S.Layer.refused | refused if self.kind == "Losses" else refused
        plain = (name.removesuffix("Loss") for name in (self.torch, self.keras))
        found = [refused[name] for name in (*plain, self.torch, self.keras) if name in refused]
        return found[0] if self.spec == "-" and found else ""


@cache
def rows() -> tuple[Row, ...]:
    """Return the rows in their order."""
    return tuple(_read((HERE / "rows.txt").read_text(encoding="utf-8").splitlines()))


def _read(lines: list[str]) -> Iterator[Row]:
    kind = section = ""
    for line in filter(None, lines):
        if line.startswith("# "):
            kind = line[2:].partition(":")[0]
        elif line.startswith("## "):
            section = line[3:]
        else:
            yield Row(kind, section, *(cell.strip() for cell in line.split("|")))


def public(side: str, kind: str) -> set[str]:
    """Return the public names of one side of a kind of rows; a class with two names counts by its own."""
    import keras
    import torch

    homes: dict[tuple[str, str], tuple[Any, Any]] = {
        ("torch", "Layers and containers"): (torch.nn, torch.nn.Module),
        ("torch", "Optimizers"): (torch.optim, torch.optim.Optimizer),
        ("torch", "Schedules"): (torch.optim.lr_scheduler, torch.optim.lr_scheduler.LRScheduler),
        ("keras", "Layers and containers"): (keras.layers, keras.layers.Layer),
        ("keras", "Losses"): (keras.losses, keras.losses.Loss),
        ("keras", "Optimizers"): (keras.optimizers, keras.optimizers.Optimizer),
        ("keras", "Schedules"): (keras.optimizers.schedules, keras.optimizers.schedules.LearningRateSchedule),
        ("keras", "Initializers"): (keras.initializers, keras.initializers.Initializer),
    }
    if (side, kind) == ("torch", "Initializers"):
        return {name for name in dir(torch.nn.init) if name.endswith("_") and not name.startswith("_")}
    home, base = homes[side, kind]
    found = {each for name, each in vars(home).items() if not name.startswith("_") and inspect.isclass(each)}
    functions = _activations() if home is keras.layers else set()
    return {_known(home, each) for each in found if issubclass(each, base)} - BASES[kind] | functions


def _activations() -> set[str]:
    """Return the functions of ``keras.activations``, each of which the layer Activation runs."""
    from keras import activations

    functions = {each for each in vars(activations).values() if inspect.isfunction(each)}
    return {f"activations.{each.__name__}" for each in functions} - BASES["activations"]


def _known(home: Any, cls: type) -> str:
    """Return the name that a namespace gives a class: its own, or the only one there."""
    names = [name for name, each in vars(home).items() if each is cls]
    return cls.__name__ if cls.__name__ in names else min(names, key=str.islower)


BASES: dict[str, set[str]] = {
    "Layers and containers": set(),
    "Losses": {"Loss"},
    "activations": {f"activations.{name}" for name in ("get", "serialize", "deserialize")},
    "Optimizers": {"Optimizer"},
    "Schedules": {"LRScheduler", "LearningRateSchedule"},
    "Initializers": {"Initializer"},
}
