"""Example: how a class is made and called, by its constructor's arguments and the arrays that it takes, batch first."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dualnet.backends.protocol import Array

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Example:
    """The constructor's arguments, or what makes the model of the framework's module; and the inputs."""

    inputs: tuple[Array, ...]
    args: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    by: Callable[[Any], Any] | None = None
    narrow: bool = False  # the stock class runs in float32 alone
    why: str = ""  # it is off, by a fault of a framework's own

    def make(self, home: Any, name: str) -> Any:
        """Return the object: of the class ``name`` in a framework's module."""
        return self.by(home) if self.by else getattr(home, name)(*self.args, **self.options)


def example(*args: Any, of: Shape | Array | list[Any], **options: Any) -> Example:
    """Return an example of a class called on arrays, of which a shape stands for normal numbers."""
    return Example(taken(of), args, options)


def by(make: Callable[[Any], Any], of: Shape | Array | list[Any]) -> Example:
    """Return an example that takes more than a constructor's arguments to make."""
    return Example(taken(of), by=make)


def each(names: str, sizes: Sequence[int], make: Callable[[int], Example]) -> dict[str, Example]:
    """Return a family's examples by name, ``{}`` standing for the number of axes."""
    return {names.format(size): make(size) for size in sizes}


def taken(of: Shape | Array | list[Any]) -> tuple[Array, ...]:
    """Return the inputs, float32 numbers in float64, so that both precisions read the same."""
    return tuple(_array(one, seed) for seed, one in enumerate(of if isinstance(of, list) else [of]))


def _array(one: Shape | Array, seed: int) -> Array:
    if isinstance(one, np.ndarray):
        return one
    return np.random.default_rng(seed).normal(0.3, 1.1, one).astype(np.float32).astype(np.float64)


def whole(below: int, *shape: int) -> Any:
    """Return integers from 0 up to below, each of which comes in turn."""
    return (np.arange(math.prod(shape)) * 7 % below).reshape(shape)


def shares(*shape: int, seed: int = 8) -> Array:
    """Return numbers between 0 and 1."""
    return np.random.default_rng(seed).uniform(0.05, 0.95, shape).astype(np.float32).astype(np.float64)


def signs(*shape: int) -> Array:
    """Return numbers 1 and -1."""
    return 2.0 * whole(2, *shape) - 1.0
