"""Features: the last logical axis in memory's order: a Linear's weight is turned, not the data."""

from typing import Any

from dualnet.backends.source.form import Axes, Value, appearing, flat
from dualnet.backends.source.writer import Frame


def last(frame: Frame, value: Value) -> tuple[Axes, tuple[Any, ...]]:
    """Return the physical axes in front, and the features in memory's order if memory has them at the end."""
    wanted = {id(atom) for atom in value.logical[-1]}
    lying = list(value.storage.physical)
    taken: list[Any] = []
    seen: set[int] = set()
    while lying and seen != wanted and all(id(atom) in wanted for atom in lying[-1]):
        axis = lying.pop()
        taken = [*axis, *taken]
        seen |= {id(atom) for atom in axis}
    if not wanted and lying and not lying[-1]:
        lying.pop()
        return tuple(lying), ()
    rest = {id(atom) for atom in flat(tuple(lying))}
    if seen == wanted and not rest & wanted:
        return tuple(lying), tuple(taken)
    order = [axis for axis in appearing(value) if axis != value.rank - 1]
    return tuple(value.logical[axis] for axis in order), value.logical[-1]
