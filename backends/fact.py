"""Fact: one weight of a live model, whose layer it is, its role there, and the way to how PyTorch would lay it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dualnet.backends.draws import Array
from dualnet.specs.carry import Carry

LEVEL = re.compile(r"_l\d+(_reverse)?$")
PARTS = ("query", "key", "value")
PROJECTIONS = {"q_proj_weight": "query weight", "k_proj_weight": "key weight", "v_proj_weight": "value weight"}
PROJECTIONS |= {"out_proj_weight": "output weight", "out_proj_bias": "output bias"}


def role_of(name: str) -> str:
    """Return the role of a weight of a recurrent layer or of attention by PyTorch's name for it."""
    return PROJECTIONS.get(name) or LEVEL.sub("", name)


def whole(name: str) -> str:
    """Return the name of the variable in which a weight lies that is a part of it."""
    return name.rpartition("[")[0] if name.endswith("]") else name


@dataclass(frozen=True)
class Piece(Carry):
    """A carry into rows ``at`` of a target that holds several weights, or whose blocks come in another order.

    The source's ``along`` axis is cut into as many equal blocks as ``turn`` has numbers; they are laid in that order.
    """

    turn: tuple[int, ...] = ()
    along: int = 0
    at: tuple[int, int] | None = None

    def forth(self, array: Array) -> Array:
        """Return the target's rows."""
        made: Array = super().forth(self._turned(array, self.turn))
        return made

    def back(self, array: Array) -> Array:
        """Return the source's array, of the whole target."""
        rows = array if self.at is None else array[slice(*self.at)].reshape(self.into)
        return self._turned(super().back(rows), tuple(int(each) for each in np.argsort(self.turn)))

    def put(self, array: Array, held: Array) -> Array:
        """Return the whole target with its rows replaced by those of the source."""
        made = self.forth(array)
        if self.at is None:
            return made
        held = np.array(held)
        rows = held[slice(*self.at)]
        rows[...] = made.reshape(rows.shape)
        return held

    def _turned(self, array: Array, turn: tuple[int, ...]) -> Array:
        if not turn:
            return array
        blocks = np.split(array, len(turn), axis=self.along)
        return np.concatenate([blocks[each] for each in turn], axis=self.along)


@dataclass(frozen=True)
class Fact:
    """One weight of a live model: the kind of its layer, its role there, and the way to the common (PyTorch's) layout.

    ``order`` permutes the own array, ``shape`` is what that is then reshaped to; ``framed`` is the framework.
    ``gates`` are PyTorch's numbers of the blocks of the common array's rows, in the order in which they lie here;
    ``at`` the rows of the variable that it is, where that holds several: its name then ends in ``[…]``.
    """

    name: str
    kind: str
    role: str
    own: tuple[int, ...]
    order: tuple[int, ...]
    shape: tuple[int, ...]
    trainable: bool = True
    framed: str = ""
    gates: tuple[int, ...] = ()
    at: tuple[int, int] | None = None

    @property
    def variable(self) -> str:
        """The name of the variable that it is, or is a part of."""
        return self.name if self.at is None else whole(self.name)

    def itself(self) -> Carry:
        """Return how this weight lies in its own variable."""
        axes = tuple(range(len(self.own)))
        return Piece(self.name, self.name, self.own, self.own, axes, self.own, self.trainable, at=self.at)

    def carry(self, other: "Fact") -> Carry:
        """Return how this weight lies in another model's."""
        back = tuple(int(axis) for axis in np.argsort(other.order))
        if self.own == other.own and self.order == other.order:
            split, order = self.own, tuple(range(len(self.own)))
        elif self.order == tuple(range(len(self.order))):
            split, order = tuple(other.own[axis] for axis in other.order), back
        else:
            split, order = self.own, self.order
        turn = self._turn(other)
        way = (self.name, other.name, self.own, split, order, other.own, self.trainable)
        if not turn and other.at is None:
            return Carry(*way)
        return Piece(*way, turn, self.order[0], other.at)

    def _turn(self, other: "Fact") -> tuple[int, ...]:
        """Return which of the own blocks comes where in the other's, nothing if they lie alike."""
        count = max(len(self.gates), len(other.gates))
        ours, theirs = (fact.gates or tuple(range(count)) for fact in (self, other))
        return () if ours == theirs else tuple(ours.index(each) for each in theirs)

    def laid(self, array: Array) -> Array:
        """Return the weight as PyTorch lays it."""
        made = array.transpose(self.order).reshape(self.shape)
        if not self.gates:
            return made
        blocks = np.split(made, len(self.gates))
        return np.concatenate([blocks[self.gates.index(each)] for each in range(len(self.gates))])


def laid_as_torch(
    name: str, own: str, kind: str, shape: tuple[int, ...], trained: bool, framed: str, rows: Sequence[int] = ()
) -> Iterator[Fact]:
    """Yield what is known of a variable that has PyTorch's name ``own`` and its layout.

    The three projections of attention may be held in one, of so many ``rows``: they are three facts.
    """
    axes = tuple(range(len(shape)))
    if not own.startswith("in_proj"):
        yield Fact(name, kind, role_of(own), shape, axes, shape, trained, framed)
        return
    ends = [sum(rows[:index]) for index in range(4)]
    for part, start, end in zip(PARTS, ends, ends[1:], strict=False):
        size, role = (end - start, *shape[1:]), f"{part} {own.removeprefix('in_proj_')}"
        yield Fact(f"{name}[{part}]", kind, role, size, axes, size, trained, framed, at=(start, end))
