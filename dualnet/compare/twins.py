"""Twins: which call of a layer on the left is which on the right, and how the axes of one lie in the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dualnet.backends.draws import FIRST, LAST, Array
from dualnet.backends.watch import Seen
from dualnet.compare.stage import largest
from dualnet.compare.verdict import relative

# What a pair of calls is worth: the same weights bind; kind and size follow; two kinds of one size are a last resort.
SHARED, KIND, SIZE, EITHER = 100.0, 6.0, 4.0, 1.0
MERGED = ("convolution", "transposed convolution", "max pool", "average pool")


@dataclass(frozen=True)
class Twin:
    """One call on each side that do the same work."""

    left: Seen
    right: Seen

    @property
    def name(self) -> str:
        """The left path, and the right one where it is another."""
        return self.left.path if self.left.path == self.right.path else f"{self.left.path} ({self.right.path})"


def twins(left: Sequence[Seen], right: Sequence[Seen]) -> list[Twin]:
    """Return the pairs of calls that are worth most together, in both sides' order (Needleman and Wunsch 1970)."""
    both = [[seen for seen in side if not seen.inner or seen.weights] for side in (left, right)]
    both = [_merged(each, {seen.kind for seen in other}) for each, other in (both, both[::-1])]
    ours, theirs = both
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
    return (
        EITHER if alike and not a.weights and {a.kind, b.kind}.isdisjoint({"dropout", "identity", "flatten"}) else -1.0
    )


def _merged(calls: list[Seen], other: set[str]) -> list[Seen]:
    """Return the calls, with padding layers that the other side has not made part of the layer after them."""
    if "pad" in other:
        return calls
    made: list[Seen] = []
    held: Seen | None = None
    for seen in calls:
        if held is not None and _open(seen) and _same(held.outputs, seen.inputs):
            made[-1] = replace(seen, inputs=held.inputs, settings=_padded(seen.settings, held.settings))
        else:
            made.append(seen)
        held = seen if seen.kind == "pad" else None
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


def layout(left: Array, right: Array, crossed: bool) -> tuple[int, ...] | None:
    """Return the order of the right array's axes that lays it as the left one is, None where none does.

    Only the layouts that the frameworks have are tried: as it is, and channels moved between first and last. Where the
    shape leaves it open, the nearer one is taken: values of a random input do not match by chance.
    """
    rank = right.ndim
    orders = [tuple(range(rank)), *(each[rank] for each in (FIRST, LAST) if crossed and rank in each)]
    fits = [order for order in orders if tuple(right.shape[axis] for axis in order) == left.shape]
    if len(fits) < 2:
        return fits[0] if fits else None
    return min(fits, key=lambda order: gap(left, np.transpose(right, order)))


def turned_to(left: Array, right: Array, crossed: bool) -> Array | None:
    """Return the right array laid as the left one is, None where no layout fits."""
    order = layout(left, right, crossed)
    return None if order is None else np.transpose(right, order)


def gap(left: Array, right: Array) -> float:
    """Return the largest difference, relative to the larger side."""
    if left.dtype.kind not in "fc" or right.dtype.kind not in "fc":
        return 0.0 if np.array_equal(left, right) else np.inf
    if not np.array_equal(np.isfinite(left), np.isfinite(right)):
        return np.inf
    left, right = (np.nan_to_num(each, posinf=0.0, neginf=0.0) for each in (left, right))
    return relative(left, right, max(largest(left), largest(right)))
