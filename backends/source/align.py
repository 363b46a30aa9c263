"""Align: operands that broadcast against one another, each moved only if it lies otherwise than the others."""

from collections.abc import Sequence
from typing import Any

from dualnet.backends.source.form import Axes, Value, appearing, distinct, key
from dualnet.backends.source.moves import Moves


class Aligned(Moves):
    """A page that can line operands up."""

    def aligned(self, values: Sequence[Value]) -> tuple[list[Any], Axes, Axes]:
        """Return codes that broadcast against one another, and the result's logical and physical axes."""
        rank = max(value.rank for value in values)
        padded = [((),) * (rank - value.rank) + value.logical for value in values]
        lead = max(range(len(values)), key=lambda i: _weight(values[i], padded[i]))
        first = values[lead]
        if not first.rank:
            return [self.code(self.form(value, value.logical)) for value in values], padded[lead], ()
        structured = self._structured(values, padded, lead) if first.placed else None
        if structured is not None:
            return structured
        order = [axis + rank - first.rank for axis in appearing(first)]
        order = [*range(rank - first.rank), *order]
        joined = tuple(next((axes[axis] for axes in padded if axes[axis]), ()) for axis in range(rank))
        codes = [self._beside(value, axes, order) for value, axes in zip(values, padded, strict=True)]
        joined, _ = distinct(joined, ())
        return codes, joined, tuple(joined[axis] for axis in order)

    def _beside(self, value: Value, axes: Axes, order: list[int]) -> Any:
        """Return the code of an operand whose axes lie in ``order``, ones in front left out."""
        if not value.rank:
            return self.code(self.form(value, ()))
        lying = [axes[axis] for axis in order]
        own = sum(1 for axis in axes if axis)
        while len(lying) > max(own, 1) and not lying[0] and (value.rank < len(axes) or not value.placed):
            lying.pop(0)
        if (
            value.placed
            and value.rank == len(axes)
            and not any(lying[:1])
            and key(tuple(lying)) != key(value.storage.physical)
        ):
            trimmed = list(lying)
            while len(trimmed) > 1 and not trimmed[0]:
                trimmed.pop(0)
            if key(tuple(trimmed)) == key(value.storage.physical):
                return self.code(value.storage)
        return self.code(self.form(value, tuple(lying)))

    def _structured(
        self, values: Sequence[Value], padded: list[Axes], lead: int
    ) -> tuple[list[Any], Axes, Axes] | None:
        """Return operands as they lie, where all lie alike."""
        first = values[lead]
        mine = first.storage.physical
        sizes = [tuple(atom.size for atom in axis) for axis in padded[lead]]
        codes: list[Any] = []
        for value, axes in zip(values, padded, strict=True):
            if not value.rank:
                codes.append(self.code(self.form(value, ())))
                continue
            if not value.placed or [tuple(atom.size for atom in axis) for axis in axes] != sizes:
                return None
            same = {
                id(a): b for one, two in zip(padded[lead], axes, strict=True) for a, b in zip(one, two, strict=True)
            }
            wanted = tuple(tuple(same[id(atom)] for atom in axis) for axis in mine)
            if key(wanted) != key(value.storage.physical) and value is not first:
                if appearing(first) is None:
                    return None
                wanted_code = self.code(self.form(value, wanted))
                codes.append(wanted_code)
            else:
                codes.append(self.code(value.storage))
        return codes, padded[lead], mine


def _weight(value: Value, axes: Axes) -> tuple[int, bool, bool, bool]:
    """Return how much a value should lead: the one with most axes, and that is computed, not held or one number."""
    storage = value.storage
    return sum(1 for axis in axes if axis), value.placed, not storage.held, storage.fill is None
