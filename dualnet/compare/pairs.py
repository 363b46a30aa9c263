"""Pairs: which weight of one live model is which of another: by table, by name, by kind and order, by their values."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dualnet.backends.draws import Arrays
from dualnet.backends.fact import Fact
from dualnet.errors import WeightsError, did_you_mean
from dualnet.specs.carry import Carry


@dataclass(frozen=True)
class Open:
    """Two kernels that read a flattened image in an order that neither shapes nor values tell: the ways there are."""

    left: Fact
    right: Fact
    ways: tuple[Carry, ...]


@dataclass
class Matching:
    """The pairs that were found, how, and what was left out and why.

    ``spare`` names, by side, second biases that have no counterpart, and the first ones that they are added to.
    ``open`` are pairs that a run has to decide.
    """

    carries: list[Carry] = field(default_factory=list)
    ways: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    spare: tuple[dict[str, str], dict[str, str]] = field(default_factory=lambda: ({}, {}))
    open: list[Open] = field(default_factory=list)

    def add(self, way: str, carries: Iterable[Carry]) -> None:
        """Enter pairs that were found one way."""
        for carry in carries:
            self.carries.append(carry)
            self.ways[way] = self.ways.get(way, 0) + 1

    @property
    def note(self) -> str:
        """The matching in words."""
        ways = ", ".join(f"{count} {way}" for way, count in self.ways.items())
        spare = [name for side in self.spare for name in side]
        added = f"; added to the first bias: {', '.join(spare)}" if spare else ""
        out = (
            f"; left out: {'; '.join(f'{name}, {why}' for name, why in self.left_out.items())}" if self.left_out else ""
        )
        return f"matched {ways or 'nothing'}{added}{out}"


def match(
    ours: Sequence[Fact], theirs: Sequence[Fact], table: Mapping[str, str], left: Arrays, right: Arrays
) -> Matching:
    """Return which weight is which. Raises ``WeightsError`` for a table that names what is not there."""
    made = Matching()
    left, right = _of_parts(ours, left), _of_parts(theirs, right)
    both = {fact.name: fact for fact in ours}, {fact.name: fact for fact in theirs}
    images = _flattened(ours) | _flattened(theirs)
    for row in table.items():
        told, channels = _told(*both, *row), images.get(row[0]) or images.get(row[1])
        found = _valued(both[0][row[0]], both[1][row[1]], channels, left, right) if channels else None
        made.add("by the table", [found or told])
    free = [[fact for fact in side if fact.name not in _taken(made)] for side in (ours, theirs)]
    named = {fact.name: fact for fact in free[1]}
    made.add("by name", [f.carry(named[f.name]) for f in free[0] if f.name in named and f.shape == named[f.name].shape])
    for key in dict.fromkeys((fact.kind, fact.role) for fact in free[0]):
        groups = [[f for f in side if (f.kind, f.role) == key and f.name not in _taken(made)] for side in free]
        for a, b in _pairs(made, *groups):
            written = _written(a, b, left, right)
            if written is not None:
                made.add("by value", [written])
            elif a.order == b.order or not {a.name, b.name} & images.keys():
                made.add("by kind and order", [a.carry(b)])
            else:
                _image(made, a, b, images.get(a.name) or images[b.name], left, right)
    made.add("by shape", _bare(*([f for f in side if f.name not in _taken(made)] for side in (ours, theirs))))
    made.left_out = {name: why for name, why in made.left_out.items() if name not in _taken(made)}
    for spare, side, other in zip(made.spare, (ours, theirs), (theirs, ours), strict=True):
        spare |= dict(_second_biases(side, other, _taken(made)))
        for name in spare:
            made.left_out.pop(name, None)
    return made


def _bare(ours: Sequence[Fact], theirs: Sequence[Fact]) -> Iterator[Carry]:
    """Yield the pairs of weights of one shape where one belongs to a class that nobody knows: a parameter by itself.

    All of a shape in order if both sides have as many. A square one that multiplies may be transposed: it is left out.
    """
    for shape in dict.fromkeys(fact.own for fact in ours):
        groups = [[fact for fact in side if fact.own == shape] for side in (ours, theirs)]
        if len(groups[0]) == len(groups[1]):
            for a, b in zip(*groups, strict=True):
                bare = [_bare_kind(fact) for fact in (a, b)]
                square = len(shape) == 2 and shape[0] == shape[1]
                if any(bare) and (all(bare) or not square):
                    yield Carry(a.name, b.name, a.own, a.own, tuple(range(len(shape))), b.own, a.trainable)


def _bare_kind(fact: Fact) -> bool:
    """Return whether a weight's layer is of a kind of its own: it then has the name of its class."""
    return fact.kind[:1].isupper()


def _second_biases(facts: Sequence[Fact], others: Sequence[Fact], taken: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the second biases of PyTorch's layers whose counterpart has one only, and the first of the same layer."""
    if any(fact.role == "bias_hh" and fact.name not in taken for fact in others):
        return  # there is one that could be it
    known = {fact.name for fact in facts}
    for fact in facts:
        first = fact.name.replace("bias_hh", "bias_ih")
        if (
            fact.framed == "torch"
            and fact.role == "bias_hh"
            and fact.name not in taken
            and first in taken
            and first in known
        ):
            yield fact.name, first


def _of_parts(facts: Sequence[Fact], values: Arrays) -> Arrays:
    """Return the values by the names of the facts, of which several may be held in one variable."""
    return {f.name: f.itself().back(values[f.variable]) if f.name not in values else values[f.name] for f in facts}


def _taken(made: Matching) -> set[str]:
    return {name for carry in made.carries for name in (carry.source, carry.target)}


def _told(ours: Mapping[str, Fact], theirs: Mapping[str, Fact], name: str, target: str) -> Carry:
    """Return the pair that the table names."""
    for known, wanted in ((ours, name), (theirs, target)):
        if wanted not in known:
            msg = f"The table names {wanted!r}, which is not there.{did_you_mean(wanted, known)}"
            raise WeightsError(msg)
    a, b = ours[name], theirs[target]
    axes = tuple(range(len(a.own)))
    if a.kind == b.kind and a.shape == b.shape:
        return a.carry(b)
    if a.own == b.own:
        return Carry(name, target, a.own, a.own, axes, b.own, a.trainable)
    if a.own == b.own[::-1]:
        return Carry(name, target, a.own, a.own, axes[::-1], b.own, a.trainable)
    msg = f"The table pairs {name} of shape {list(a.own)} with {target} of shape {list(b.own)}, which does not fit."
    raise WeightsError(msg)


def _pairs(made: Matching, ours: list[Fact], theirs: list[Fact]) -> Iterator[tuple[Fact, Fact]]:
    """Yield the weights of one kind in pairs: all in order if their shapes agree, else those of a shape of its own."""
    shapes = [[fact.shape for fact in side] for side in (ours, theirs)]
    if shapes[0] == shapes[1]:
        yield from zip(ours, theirs, strict=True)
        return
    for fact in ours:
        alike = [other for other in theirs if other.shape == fact.shape]
        if len(alike) == 1 and shapes[0].count(fact.shape) == 1:
            yield fact, alike[0]
        else:
            made.left_out[fact.name] = "of which there is no one counterpart"


def _flattened(facts: Sequence[Fact]) -> dict[str, int]:
    """Return the dense kernels that read a flattened image, by their shapes, and its channels."""
    found, channels = {}, 0
    for fact in facts:
        if fact.role == "weight" and "convolution" in fact.kind:
            channels = fact.shape[1 if fact.kind.startswith("transposed") else 0]
        elif fact.role == "weight" and fact.kind == "dense":
            if channels and fact.shape[1] != channels and fact.shape[1] % channels == 0:
                found[fact.name] = channels
            channels = 0
    return found


def _image(made: Matching, a: Fact, b: Fact, channels: int, left: Arrays, right: Arrays) -> None:
    """Pair two kernels that read a flattened image by their values: their shapes do not tell the order of its axes."""
    found = _valued(a, b, channels, left, right)
    if found:
        made.add("by value", [found])
    elif a.shape == b.shape:
        made.open.append(Open(a, b, (a.carry(b), *_orders(a, b, channels))))


def _valued(a: Fact, b: Fact, channels: int, left: Arrays, right: Arrays) -> Carry | None:
    """Return the order of axes in which two kernels hold the same values, if there is one."""
    if a.shape != b.shape or a.order == b.order:
        return None
    ways = (a.carry(b), *_orders(a, b, channels))
    return next((way for way in ways if np.array_equal(way.forth(left[a.name]), right[b.name])), None)


def _written(a: Fact, b: Fact, left: Arrays, right: Arrays) -> Carry | None:
    """Return how the outputs of a dense layer that writes a flattened image lie, if the values show that they do."""
    plain = a.carry(b)
    values = left[a.name], right[b.name]
    if a.kind != "dense" or a.framed == b.framed or np.array_equal(plain.forth(values[0]), values[1]):
        return None
    if not np.array_equal(np.sort(values[0], axis=None), np.sort(values[1], axis=None)):
        return None
    return next((each for each in _rows(a, b) if np.array_equal(each.forth(values[0]), values[1])), None)


def _rows(a: Fact, b: Fact) -> Iterator[Carry]:
    """Yield the carries between dense layers that write (C, H, W) and (H, W, C), for every C, H and W."""
    out, first = a.shape[0], a.framed == "torch"
    for channels in (c for c in range(2, out) if out % c == 0):
        pixels = out // channels
        for high in (size for size in range(1, pixels + 1) if pixels % size == 0):
            split: tuple[int, ...] = (channels, high, pixels // high) if first else (high, pixels // high, channels)
            order: tuple[int, ...] = (1, 2, 0) if first else (2, 0, 1)
            if len(a.shape) > 1 and first:
                split, order = (*split, a.shape[1]), (3, *order)
            elif len(a.shape) > 1:
                split, order = (a.shape[1], *split), (*(1 + axis for axis in order), 0)
            yield Carry(a.name, b.name, a.own, split, order, b.own, a.trainable)


def _orders(a: Fact, b: Fact, channels: int) -> Iterator[Carry]:
    """Yield the carries between kernels that read (C, H, W) and (H, W, C), for every H and W."""
    out, width = a.shape
    pixels = width // channels
    for high in (size for size in range(1, pixels + 1) if pixels % size == 0):
        wide = pixels // high
        if b.order == (1, 0):
            split, order = (out, channels, high, wide), (2, 3, 1, 0)
        else:
            split, order = (high, wide, channels, out), (3, 2, 0, 1)
        yield Carry(a.name, b.name, a.own, split, order, b.own, a.trainable)
