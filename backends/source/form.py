"""Form: which order of memory a tensor lies in, told apart from the order in which the program speaks of it.

Every axis is a run of atoms. A view (reshape, permute, unsqueeze …) only regroups the atoms of the *logical* axes;
memory, the *physical* axes, stays as it is until an op needs another form. So permutations meet and cancel, and what
is left is done at once, where it is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dualnet.specs.program import Sym, product, quotient

Size = int | Sym


@dataclass(eq=False)
class Atom:
    """A run of indices that nothing has taken apart so far; ``parts`` once something has."""

    size: Size
    parts: "tuple[Atom, ...] | None" = None


Axis = tuple[Atom, ...]
Axes = tuple[Axis, ...]


def axes_of(shape: Sequence[Size]) -> Axes:
    """Return fresh axes of a shape; an axis of size 1 has no atoms."""
    return tuple(() if size == 1 else (Atom(size),) for size in shape)


def fine(axes: Axes) -> Axes:
    """Return axes with every atom replaced by its parts."""
    return tuple(tuple(leaf for atom in axis for leaf in _leaves(atom)) for axis in axes)


def _leaves(atom: Atom) -> tuple[Atom, ...]:
    return (atom,) if atom.parts is None else tuple(leaf for part in atom.parts for leaf in _leaves(part))


def flat(axes: Axes) -> Axis:
    """Return the atoms of all axes in order."""
    return tuple(atom for axis in axes for atom in axis)


def shape_of(axes: Axes) -> tuple[Any, ...]:
    """Return the sizes of axes."""
    return tuple(product([atom.size for atom in axis]) for axis in axes)


def regroup(axes: Axes, shape: Sequence[Size]) -> Axes | None:
    """Return the same atoms as axes of another shape, taking atoms apart where needed; None if that cannot be."""
    queue: list[tuple[Atom | None, Size]] = [(atom, atom.size) for atom in flat(axes)]
    cuts: list[tuple[Atom, list[Size]]] = []
    plan: list[list[Any]] = []
    for size in shape:
        taken: list[Any] = []
        need: Size = size
        while need != 1:
            if not queue:
                return None
            atom, left = queue[0]
            if (rest := quotient(need, left)) is not None:
                queue.pop(0)
                taken.append(_piece(cuts, atom, left))
                need = rest
            elif (rest := quotient(left, need)) is not None:
                queue[0] = (atom, rest)
                taken.append(_piece(cuts, atom, need))
                need = 1
            else:
                return None
        plan.append(taken)
    if queue:
        return None
    made = {id(atom): _cut(atom, sizes) for atom, sizes in cuts}
    return tuple(tuple(made[id(atom)][index] for atom, index in taken) for taken in plan)


def _piece(cuts: list[tuple[Atom, list[Size]]], atom: Any, size: Size) -> tuple[Atom, int]:
    if not cuts or cuts[-1][0] is not atom:
        cuts.append((atom, []))
    cuts[-1][1].append(size)
    return atom, len(cuts[-1][1]) - 1


def _cut(atom: Atom, sizes: list[Size]) -> tuple[Atom, ...]:
    if len(sizes) == 1:
        return (atom,)
    atom.parts = tuple(Atom(size) for size in sizes)
    return atom.parts


@dataclass(eq=False)
class Storage:
    """A tensor that code has a name for: the expression, and its physical axes (None: not decided yet)."""

    code: Any
    axes: Axes | None
    dtype: str
    held: str = ""
    fill: Any = None  # the code of such a tensor with other axes, where it is one number everywhere
    forms: "dict[tuple[tuple[int, ...], ...], Storage]" = field(default_factory=dict)

    @property
    def physical(self) -> Axes:
        """The physical axes, in atoms as fine as known."""
        assert self.axes is not None  # whoever asks has placed it
        return fine(self.axes)


@dataclass(frozen=True, eq=False)
class Value:
    """What the program means by a wire: its logical axes, and the storage that holds it."""

    axes: Axes
    storage: Storage

    @property
    def logical(self) -> Axes:
        """The logical axes, in atoms as fine as known."""
        return fine(self.axes)

    @property
    def shape(self) -> tuple[Any, ...]:
        """The logical shape."""
        return shape_of(self.logical)

    @property
    def rank(self) -> int:
        """The number of logical axes."""
        return len(self.axes)

    @property
    def dtype(self) -> str:
        """NumPy's name of the data type."""
        return self.storage.dtype

    @property
    def placed(self) -> bool:
        """Whether its order of memory is decided."""
        return self.storage.axes is not None


def distinct(logical: Axes, physical: Axes) -> tuple[Axes, Axes]:
    """Return axes in which no atom stands for two logical axes (x·xᵀ has one axis twice): the second gets its own."""
    seen: set[int] = set()
    own: list[Axis] = []
    for axis in logical:
        own.append(tuple(Atom(atom.size) for atom in axis) if any(id(atom) in seen for atom in axis) else axis)
        seen |= {id(atom) for atom in axis}
    made = tuple(own)
    places = [key((axis,)) for axis in logical]
    if made == logical:
        return logical, physical
    lying: list[Axis] = []
    left = list(range(len(logical)))
    for axis in physical:
        index = next((i for i in left if axis and places[i] == key((axis,))), None)
        lying.append(axis if index is None else made[index])
        if index is not None:
            left.remove(index)
    return made, tuple(lying)


def key(axes: Axes) -> tuple[tuple[int, ...], ...]:
    """Return what two equal forms share."""
    return tuple(tuple(id(atom) for atom in axis) for axis in axes)


def lying(value: Value) -> list[int] | None:
    """Return which logical axis each physical axis is, if memory holds whole logical axes; None otherwise.

    Axes of size 1 lie wherever memory has them, or nowhere.
    """
    logical, physical = value.logical, value.storage.physical
    places = {key((axis,)): index for index, axis in enumerate(logical) if axis}
    ones = [index for index, axis in enumerate(logical) if not axis]
    found: list[int] = []
    for axis in physical:
        index = places.get(key((axis,))) if axis else (ones.pop(0) if ones else None)
        if index is None:
            return None
        found.append(index)
    return found if len(found) == len(logical) and len(set(found)) == len(found) else None


def appearing(value: Value) -> list[int]:
    """Return the logical axes in the order in which memory first shows them; axes of size 1 stand by their left."""
    if not value.placed:
        return list(range(value.rank))
    exact = lying(value)
    if exact is not None:
        return exact
    owner = {id(atom): index for index, axis in enumerate(value.logical) for atom in axis}
    seen = list(dict.fromkeys(owner[id(atom)] for atom in flat(value.storage.physical)))
    for index in range(value.rank):
        if index not in seen:
            at = next((seen.index(near) + 1 for near in range(index - 1, -1, -1) if near in seen), 0)
            seen.insert(at, index)
    return seen
