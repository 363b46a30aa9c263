"""Twins: which call of a layer on the left is which on the right, and how the axes of one lie in the other."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dualnet.backends.draws import FIRST, LAST, Array
from dualnet.backends.watch import Seen
from dualnet.compare.stage import largest
from dualnet.compare.verdict import relative

# What a pair of calls is worth: the same weights bind; kind and size follow; two kinds of one size are a last resort.
SHARED, KIND, SIZE, EITHER = 100.0, 6.0, 4.0, 1.0
# What does no work by itself that another kind could do.
APART = {"dropout", "identity", "flatten", "pad", "Add", "Subtract", "Multiply", "Concatenate", "Rescaling", "Reshape"}
MERGED = ("convolution", "transposed convolution", "max pool", "average pool")


# The shape into which an array is split, and the order of its axes.
Way = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Twin:
    """One call on each side that do the same work."""

    left: Seen
    right: Seen

    @property
    def name(self) -> str:
        """The left path, and the right one where it is another; with the padding before it."""
        ours, theirs = (f"{s.before}, {s.path}" if s.before else s.path for s in (self.left, self.right))
        return ours if ours == theirs else f"{ours} ({theirs})"


def twins(left: Sequence[Seen], right: Sequence[Seen]) -> list[Twin]:
    """Return the pairs of calls that are worth most together, in both sides' order (Needleman and Wunsch 1970).

    A padding layer without a twin becomes part of the layer that reads it.
    """
    ours, theirs = ([seen for seen in side if not seen.inner or seen.weights] for side in (left, right))
    found = _aligned(ours, theirs)
    kept = {id(seen.outputs) for twin in found for seen in (twin.left, twin.right)}
    merged = [_merged(side, kept) for side in (ours, theirs)]
    found = found if [len(side) for side in merged] == [len(ours), len(theirs)] else _aligned(*merged)
    return [_stated(twin) if twin.left.kind in RECURRENT else twin for twin in found]


RECURRENT = ("lstm", "gru", "rnn")


def _stated(twin: Twin) -> Twin:
    """Return a recurrent pair with the outputs that both sides give: all states, the last one, or both."""
    shapes = [[_squeezed(array.shape) for array in seen.outputs] for seen in (twin.left, twin.right)]
    common = [shape for shape in dict.fromkeys(shapes[0]) if shape in shapes[1]]
    sides = []
    for seen, own in zip((twin.left, twin.right), shapes, strict=True):
        picked = [own.index(shape) for shape in common]
        outputs, slopes = [seen.outputs[at] for at in picked], [seen.slopes[at] for at in picked]
        sides.append(replace(seen, outputs=outputs, slopes=slopes) if common else seen)
    return Twin(*sides)


def _aligned(ours: Sequence[Seen], theirs: Sequence[Seen]) -> list[Twin]:
    best = np.zeros((len(ours) + 1, len(theirs) + 1))
    worth = np.array([[_worth(a, b) for b in theirs] for a in ours]).reshape(len(ours), len(theirs))
    for i, j in np.ndindex(len(ours), len(theirs)):
        best[i + 1, j + 1] = max(best[i, j + 1], best[i + 1, j], best[i, j] + worth[i, j])
    found, i, j = [], len(ours), len(theirs)
    while i and j:
        if worth[i - 1, j - 1] > 0 and best[i, j] == best[i - 1, j - 1] + worth[i - 1, j - 1]:
            i, j = i - 1, j - 1
            found.append(Twin(ours[i], theirs[j]))
        elif best[i, j] == best[i - 1, j]:
            i -= 1
        else:
            j -= 1
    return found[::-1]


def _worth(a: Seen, b: Seen) -> float:
    if bool(a.weights) != bool(b.weights):
        return -1.0
    if set(a.weights.values()) & set(b.weights.values()):
        return SHARED
    sizes = [sum(array.size for array in seen.outputs) for seen in (a, b)]
    alike = SIZE if sizes[0] == sizes[1] else 0.0
    if a.kind == b.kind:
        return KIND + alike
    return EITHER if alike and not a.weights and {a.kind, b.kind}.isdisjoint(APART) else -1.0


def _merged(calls: list[Seen], kept: set[int]) -> list[Seen]:
    """Return the calls, with padding layers that have no twin made part of the layer after them."""
    made: list[Seen] = []
    held: Seen | None = None
    for seen in calls:
        if held is not None and _open(seen) and _same(held.outputs, seen.inputs):
            both = _padded(seen.settings, held.settings)
            made[-1] = replace(seen, inputs=held.inputs, settings=both, before=held.path)
        else:
            made.append(seen)
        held = seen if seen.kind == "pad" and id(seen.outputs) not in kept else None
    return made


def _open(seen: Seen) -> bool:
    """Return whether a layer reads windows and pads by nothing itself."""
    padding = seen.settings.get("padding")
    return seen.kind in MERGED and (padding == "valid" or not np.any(padding if isinstance(padding, tuple) else 1))


def _same(outputs: Sequence[Array], inputs: Sequence[Array]) -> bool:
    return bool(outputs) and bool(inputs) and np.array_equal(outputs[0], inputs[0], equal_nan=True)


def _padded(own: dict[str, object], before: dict[str, object]) -> dict[str, object]:
    """Return a layer's settings with the padding of the layer before it."""
    return {**own, "padding": before["padding"], "padding mode": before["padding mode"]} if "padding" in before else own


@dataclass(frozen=True)
class Layouts:
    """How an array of the right side may lie: as the left one does, channels at the other end, or flattened so.

    Only the layouts that the frameworks have are tried. Where the shape leaves it open, the nearest is taken: values of
    a random input do not match by chance. ``images`` are the shapes (C, H, W) that a row may be flattened from.
    """

    crossed: bool
    images: frozenset[tuple[int, ...]] = frozenset()

    def turned(self, left: Array, right: Array) -> Array | None:
        """Return the right array as the left one lies, None where no layout fits."""
        way = self.way(left, right)
        return None if way is None else _there(right, way, left.shape)

    def laid(self, left: Array, right: Array) -> Array:
        """Return the left array as the right one lies. Raises ``ValueError`` where none fits."""
        way = self.way(left, right)
        if way is None:
            msg = f"shapes {left.shape} and {right.shape}"
            raise ValueError(msg)
        split, order = way
        whole = tuple(split[axis] for axis in order)
        return left.reshape(whole).transpose(np.argsort(order)).reshape(right.shape)

    def gap(self, left: Array, right: Array) -> float:
        """Return the largest difference, relative to the larger side; infinite where no layout fits."""
        other = self.turned(left, right)
        return np.inf if other is None else gap(left, other)

    def way(self, left: Array, right: Array) -> Way | None:
        """Return the shape into which the right array is split, and the order of its axes there; None if none fits."""
        fits = list(self._ways(left.shape, right.shape))
        if len(fits) < 2:
            return fits[0] if fits else None
        return min(fits, key=lambda way: gap(left, _there(right, way, left.shape)))

    def _ways(self, left: tuple[int, ...], right: tuple[int, ...]) -> Iterator[Way]:
        rank, wanted = len(right), _squeezed(left)
        orders = [tuple(range(rank)), *(each[rank] for each in (FIRST, LAST) if self.crossed and rank in each)]
        for order in dict.fromkeys(orders):
            if _squeezed(tuple(right[axis] for axis in order)) == wanted:
                yield right, order
        if self.crossed and rank == len(left) == 2 and left == right:
            for channels, *sizes in self.images:
                if channels * math.prod(sizes) == right[1] and channels > 1 and math.prod(sizes) > 1:
                    yield (right[0], *sizes, channels), FIRST[len(sizes) + 2]
                    yield (right[0], channels, *sizes), LAST[len(sizes) + 2]


def _there(right: Array, way: Way, shape: tuple[int, ...]) -> Array:
    return right.reshape(way[0]).transpose(way[1]).reshape(shape)


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def gap(left: Array, right: Array) -> float:
    """Return the largest difference, relative to the larger side."""
    if left.dtype.kind not in "fc" or right.dtype.kind not in "fc":
        return 0.0 if np.array_equal(left, right) else np.inf
    if not np.array_equal(np.isfinite(left), np.isfinite(right)):
        return np.inf
    left, right = (np.nan_to_num(each, posinf=0.0, neginf=0.0) for each in (left, right))
    return relative(left, right, max(largest(left), largest(right)))
