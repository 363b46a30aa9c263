"""Recipes: the ways in which a framework does a piece of work, as a table; what runs them stands in ``dualnet.bench``.

This page and the tables load no framework: a command line can be read before any is started.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dualnet.bench.recipes import keras, torch
from dualnet.bench.recipes.row import Recipe
from dualnet.errors import SpecError, did_you_mean
from dualnet.specs.convs import _ConvTranspose
from dualnet.specs.layers import _Conv
from dualnet.specs.spec import Spec

TABLES: dict[str, tuple[Recipe, ...]] = {"torch": torch.TABLE, "keras": keras.TABLE}
WHATS = ("train", "infer", "build", "first-step", "memory")


@dataclass(frozen=True)
class Subject:
    """What is timed: a spec, or a live model out of a file, which knows no session and no spec's optimizer."""

    spec: Spec | None = None

    @property
    def kind(self) -> str:
        """Return "conv" if the net convolves images, else "dense"; "live" for a model that is no spec."""
        if self.spec is None:
            return "live"
        layers = [step.layer for step in self.spec.graph.leaves()]
        return "conv" if any(isinstance(layer, (_Conv, _ConvTranspose)) for layer in layers) else "dense"

    @property
    def images(self) -> bool:
        """Return whether a sample is one image as files hold them."""
        shapes = list(self.spec.inputs.values()) if self.spec else []
        return len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][0] in (1, 3)


def names(backend: str, what: str) -> list[str]:
    """Return the names of a framework's recipes for a piece of work."""
    return [recipe.name for recipe in TABLES[backend] if recipe.times == what]


def known() -> list[str]:
    """Return the names of all recipes."""
    return sorted({recipe.name for table in TABLES.values() for recipe in table})


def find(backend: str, what: str, name: str) -> Recipe:
    """Return a recipe by name."""
    return next(recipe for recipe in TABLES[backend] if (recipe.times, recipe.name) == (what, name))


def chosen(text: str) -> str | tuple[str, ...]:
    """Return what ``--recipes`` asks for: "usual", "all", or names. Raises ``SpecError`` for one that is not there."""
    if text in ("usual", "all"):
        return text
    found = tuple(word.strip() for word in text.split(";") if word.strip())
    for name in found:
        if name not in known():
            hint = did_you_mean(name, known()) or f" There are: {'; '.join(known())}."
            msg = f"--recipes must be usual, all, or names with semicolons between. There is no {name!r}.{hint}"
            raise SpecError(msg)
    if not found:
        msg = "--recipes must be usual, all, or names with semicolons between. Received: nothing"
        raise SpecError(msg)
    return found


def pick(backend: str, what: str, subject: Subject, asked: str | Iterable[str]) -> list[Recipe]:
    """Return the recipes of a framework to time: the usual few (idiom, best public, dualnet), all, or those named.

    Where a model starts, its training recipes start: "first-step" and "memory" are those of "train".
    """
    table = [r for r in TABLES[backend] if r.times == source_of(what) and subject.kind in r.nets]
    table = [r for r in table if subject.images or not r.images]
    if asked == "all":
        return table
    if asked == "usual":
        best = [recipe for recipe in table if subject.kind in recipe.best]
        roles: dict[str, Any] = {recipe.role: recipe for recipe in reversed(table)}  # the first of each role stays
        found = [roles.get("idiom") or roles.get("live"), *best, roles.get("dualnet")]
        return list(dict.fromkeys(recipe for recipe in found if recipe is not None))
    return [recipe for recipe in table if recipe.name in asked]


def source_of(what: str) -> str:
    """Return whose recipes a piece of work goes by."""
    return "train" if what in ("first-step", "memory") else what
