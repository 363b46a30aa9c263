"""Moves: a value in the order of memory that an op needs; what has to be moved is written here, and noted."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from dualnet.backends.source.code import Var
from dualnet.backends.source.form import Atom, Axes, Storage, Value, appearing, axes_of, fine, flat, key, regroup
from dualnet.backends.source.page import Page
from dualnet.backends.source.state import Move


class Moves(Page):
    """A page that can put values into any order of memory."""

    def form(self, value: Value, axes: Axes) -> Storage:
        """Return a storage that holds ``value`` in the given physical axes, written if there is none yet."""
        storage = value.storage
        axes = fine(axes)
        if storage.axes is None and _covers(axes, fine(self.writer.atoms[storage.held])):
            self.place(storage, axes)
            return storage
        self.settled_weight(value)
        if key(storage.physical) == key(axes):
            return storage
        cached = self.forms.get((id(storage), key(axes)))
        if cached is not None:
            return cached
        made = self._moved(storage, axes)
        self.forms[id(storage), key(axes)] = made
        return made

    def _moved(self, storage: Storage, axes: Axes) -> Storage:
        if storage.fill is not None:
            return replace(self._new(storage.fill(axes), axes, storage.dtype), fill=storage.fill)
        if key((flat(storage.physical),)) == key((flat(axes),)):
            flattened = self.target.flattened if _flattens(storage.physical, axes) else None
            return self._new(self.target.reshape(self, storage, axes), axes, storage.dtype, flattened)
        shuffled = _shuffled(storage.physical, axes)
        if shuffled is not None:
            return self._new(self.target.shuffle(self, storage, *shuffled), axes, storage.dtype)
        whole = _turned(storage.physical, axes)
        if whole is not None:
            return self._new(self._transposed(storage, whole), axes, storage.dtype)
        runs = _runs(flat(storage.physical), flat(axes))
        lying = [axis for axis in storage.physical if axis]
        if key(tuple(lying)) != key(tuple(runs)) or len(lying) != len(storage.physical):
            storage = self._new(self.target.reshape(self, storage, tuple(runs)), tuple(runs), storage.dtype)
        place = {id(atom): index for index, atom in enumerate(flat(axes))}
        order = tuple(sorted(range(len(runs)), key=lambda index: place[id(runs[index][0])]))
        turned = tuple(runs[index] for index in order)
        storage = self._new(self._transposed(storage, order), turned, storage.dtype)
        if key(turned) != key(axes):
            storage = self._new(self.target.reshape(self, storage, axes), axes, storage.dtype)
        return storage

    def _transposed(self, storage: Storage, order: tuple[int, ...]) -> Any:
        """Return the code of a permutation, which is noted."""
        op, place = (self.op.op, self.op.place) if self.op else ("what it gives back", "")
        self.writer.moves.append(Move(self.module.path, op, order, place))
        return self.target.transpose(self, storage, order)

    def _new(self, expression: Any, axes: Axes, dtype: str, layer: Any = None) -> Storage:
        var = Var("y")
        self.line((var,), expression, layer)
        return Storage(var, axes, dtype)

    def logical(self, value: Value) -> Any:
        """Return the code of a value that lies in the program's own order."""
        return self.code(self.form(value, value.logical))

    def ordered(self, value: Value, order: Sequence[int]) -> Any:
        """Return the code of a value whose logical axes lie in the given order."""
        logical = value.logical
        return self.code(self.form(value, tuple(logical[axis] for axis in order)))

    def whole(self, value: Value) -> tuple[Any, list[int]]:
        """Return the code of a value that lies in whole logical axes, and their order; nothing moves if they do."""
        order = appearing(value)
        return self.ordered(value, order), order

    def settled(self, value: Value) -> Value:
        """Return a value as a model gives it back: as the target orders images if memory has it so, else in its own."""
        order, rank = appearing(value), value.rank
        natural = list(self.target.images(rank)) if rank >= 3 else list(range(rank))
        order = natural if order == natural and value.placed and not value.storage.held else list(range(rank))
        logical = value.logical
        return Value(value.axes, self.form(value, tuple(logical[axis] for axis in order)))

    def view(self, value: Value, shape: Sequence[Any]) -> Value:
        """Return a value with other logical axes and the same order of elements."""
        regrouped = regroup(value.logical, shape)
        if regrouped is not None:
            return Value(regrouped, value.storage)
        storage = self.form(value, value.logical)
        axes = axes_of(shape)
        made = self._new(self.target.reshape(self, storage, axes), axes, storage.dtype)
        return Value(axes, made)


def _flattens(physical: Axes, wanted: Axes) -> bool:
    """Return whether all that happens is that every axis but the first becomes one."""
    return len(wanted) == 2 < len(physical) and bool(wanted[0]) and key(physical[:1]) == key(wanted[:1])


def _runs(physical: Sequence[Atom], wanted: Sequence[Atom]) -> list[tuple[Atom, ...]]:
    """Return the atoms of memory in the longest runs that stay together."""
    after = {id(a): id(b) for a, b in pairwise(wanted)}
    runs: list[list[Atom]] = []
    for atom in physical:
        if runs and after.get(id(runs[-1][-1])) == id(atom):
            runs[-1].append(atom)
        else:
            runs.append([atom])
    return [tuple(run) for run in runs]


def _turned(physical: Axes, wanted: Axes) -> tuple[int, ...] | None:
    """Return the order in which memory's axes, each as it is, are the wanted ones; axes of size 1 keep their order."""
    places: dict[Any, list[int]] = {}
    for index, axis in enumerate(physical):
        places.setdefault(key((axis,)), []).append(index)
    order = [found.pop(0) if (found := places.get(key((axis,)))) else None for axis in wanted]
    whole = tuple(index for index in order if index is not None)
    return whole if len(whole) == len(physical) == len(wanted) else None


SHUFFLED = 4096  # a longer list of places than this is worse to read, and no faster, than a transpose


def _shuffled(physical: Axes, wanted: Axes) -> tuple[int, list[int]] | None:
    """Return the axis, and the order of its places, where all that changes is the order within one axis."""
    differ = [i for i, (a, b) in enumerate(zip(physical, wanted, strict=False)) if key((a,)) != key((b,))]
    if len(physical) != len(wanted) or len(differ) != 1:
        return None
    have, want = physical[differ[0]], wanted[differ[0]]
    sizes = [atom.size for atom in have if isinstance(atom.size, int)]
    if len(sizes) < len(have) or math.prod(sizes) > SHUFFLED or sorted(map(id, have)) != sorted(map(id, want)):
        return None
    place = {id(atom): index for index, atom in enumerate(have)}
    order = [place[id(atom)] for atom in want]
    return differ[0], np.arange(math.prod(sizes)).reshape(sizes).transpose(order).ravel().tolist()


def _covers(axes: Axes, own: Axes) -> bool:
    return sorted(id(atom) for atom in flat(axes)) == sorted(id(atom) for atom in flat(own))
