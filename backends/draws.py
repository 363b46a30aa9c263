"""Draws: the random numbers of a pass, the same for every model, and in which order of axes one holds an array.

Axis i of the model holds axis ``order[i]`` of the source.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualnet.backends.masks import key, uniforms
from dualnet.specs.draw import normal_quantile

Array = NDArray[Any]
Arrays = dict[str, Array]
Order = tuple[int, ...] | None

# Channels-first to channels-last and back, by the number of axes.
LAST = {3: (0, 2, 1), 4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}
FIRST = {3: (0, 2, 1), 4: (0, 3, 1, 2), 5: (0, 4, 1, 2, 3)}


def turned(array: Any, order: Order) -> Any:
    """Return an array of the source as the model holds it."""
    return array if order is None else np.asarray(np.transpose(array, order), order="C")  # a scalar stays one


def returned(array: Any, order: Order) -> Any:
    """Return an array of the model as the source holds it."""
    return array if order is None or np.ndim(array) != len(order) else turned(array, tuple(np.argsort(order)))


def at(orders: Sequence[Order], index: int) -> Order:
    """Return one of the orders; those not given are None."""
    return orders[index] if index < len(orders) else None


@dataclass(frozen=True)
class Draw:
    """One random draw of a pass: its shape in the source's order, and the share that a dropout drops."""

    shape: tuple[int, ...]
    rate: float | None = None


@dataclass
class Draws:
    """The random numbers of one pass: the k-th draw is the same for every model, whatever its axes."""

    step: int = 0
    like: Sequence[Draw] = ()
    orders: Sequence[Order] = ()
    usual: Sequence[Order] = ()
    log: list[Draw] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def uniform(self, shape: Sequence[int], rate: float | None = None) -> Array:
        """Return float64 draws of U[0, 1)."""
        index, held = len(self.log), tuple(int(size) for size in shape)
        apart = self._apart(index, held)
        if apart is not None:
            return self._spread(index, held, rate, *apart)
        order = self._order(index, held)
        source = held if order is None else tuple(held[axis] for axis in np.argsort(order))
        self.log.append(Draw(source, rate))
        made = uniforms(key(0, f"draw {index}"), self.step, math.prod(source)).reshape(source)
        return np.asarray(turned(made, order))

    def _apart(self, index: int, held: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Return the pieces of the source's axes and their order in memory, where axes alone do not say it."""
        if index >= len(self.like):
            return None
        source = self.like[index].shape
        told = [self.orders[index]] if index < len(self.orders) else []
        for lies in (*told, *self.orders):
            if isinstance(lies, tuple) and len(lies) == 2 and isinstance(lies[0], tuple):
                sizes, order = _whole(lies[0], math.prod(source)), lies[1]
                same = math.prod(held) == math.prod(source) == math.prod(sizes)
                if same and _merges(sizes, source) and _merges([sizes[axis] for axis in order], held):
                    return sizes, order
        return None

    def _spread(self, index: int, held: Any, rate: float | None, sizes: Any, order: Any) -> Array:
        source = self.like[index].shape
        self.log.append(Draw(source, rate))
        made = uniforms(key(0, f"draw {index}"), self.step, math.prod(source)).reshape(sizes)
        return np.ascontiguousarray(made.transpose(order)).reshape(held)

    def normal(self, shape: Sequence[int]) -> Array:
        """Return float64 draws of N(0, 1)."""
        # Half a spacing up: 0 has no quantile.
        return np.asarray(normal_quantile(self.uniform(shape) + 2.0**-54))

    def kept(self, shape: Sequence[int], rate: float) -> Array:
        """Return which entries a dropout keeps."""
        return self.uniform(shape, rate) >= rate

    def _order(self, index: int, shape: tuple[int, ...]) -> Order:
        """Return the axes of a draw: as told, or as is usual, of those by which its shape is the source's."""
        rank = len(shape)
        told = [at(self.orders, index)] if index < len(self.orders) else []
        told = [order for order in told if order is None or all(isinstance(axis, int) for axis in order)]
        usual = [order for order in self.usual if order is not None]
        guesses = [*told, *usual, None, *(each[rank] for each in (LAST, FIRST) if rank in each)]
        guesses = [order for order in guesses if order is None or len(order) == rank]
        if index >= len(self.like):
            return guesses[0]
        wanted = self.like[index].shape
        if len(wanted) == rank <= 5:
            guesses += permutations(range(rank))
        fits = (g for g in guesses if shape == (wanted if g is None else _through(wanted, g)))
        return next(fits, None)


def _whole(sizes: tuple[int, ...], total: int) -> tuple[int, ...]:
    """Return sizes with the one that is -1 filled in."""
    known = math.prod(size for size in sizes if size > 0)
    return tuple(total // known if size < 0 else size for size in sizes)


def _merges(sizes: Sequence[int], shape: Sequence[int]) -> bool:
    """Return whether neighbouring sizes multiply to a shape."""
    left = [size for size in sizes if size != 1]
    for wanted in (size for size in shape if size != 1):
        got = 1
        while left and got < wanted:
            got *= left.pop(0)
        if got != wanted:
            return False
    return not left


def _through(shape: tuple[int, ...], order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(shape[axis] for axis in order) if len(shape) == len(order) else ()
