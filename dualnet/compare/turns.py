"""Turns: the ways in which people carry a weight over wrongly; arrays lie as PyTorch lays them."""

import itertools
from collections.abc import Iterator

import numpy as np

from dualnet.backends.draws import Array

# A trap, in words what was done, and the weight so.
Turn = tuple[str, str, Array]


def turns(weight: Array, there: Array, images: frozenset[tuple[int, ...]]) -> Iterator[Turn]:
    """Yield a weight transposed, mirrored, its gates or rows in another order, counted twice.

    ``there`` is what stands on the other side: of all rows only two that differ from it can have changed places.
    """
    yield from _whole(weight)
    yield from _gates(weight)
    yield from _flattened(weight, images)
    for axis in range(min(weight.ndim, 2)) if weight.shape == there.shape else ():
        rest = tuple(each for each in range(weight.ndim) if each != axis)
        differ = np.flatnonzero((weight != there).any(rest))
        if len(differ) == 2:
            places = np.arange(weight.shape[axis])
            places[differ] = differ[::-1]
            said = f"with places {differ[0]} and {differ[1]} of axis {axis} exchanged"
            yield "channels swapped", said, np.take(weight, places, axis)


def _whole(weight: Array) -> Iterator[Turn]:
    if weight.ndim == 1:
        yield "double bias", "taken twice", 2 * weight
        yield "double bias", "halved", weight / 2
        return
    if weight.ndim > 1:
        yield "kernel transposed", "with its two channel axes exchanged", weight.swapaxes(0, 1)
    if weight.ndim == 4:
        yield "spatial kernel transposed", "with height and width exchanged", weight.swapaxes(2, 3)
    if weight.ndim > 2:
        yield "kernel flipped", "mirrored", np.flip(weight, tuple(range(2, weight.ndim)))


def _gates(weight: Array) -> Iterator[Turn]:
    for count in (3, 4):
        if weight.ndim == 2 and weight.shape[0] == count * weight.shape[1]:
            blocks = [block.T for block in np.split(weight, count)]
            yield "kernel transposed", "with each of its blocks transposed", np.concatenate(blocks)
        for axis in range(min(weight.ndim, 2)):
            if weight.shape[axis] % count or weight.shape[axis] == count:
                continue
            parts = np.split(weight, count, axis)
            for order in itertools.permutations(range(count)):
                if order != tuple(range(count)):
                    turned = np.concatenate([parts[at] for at in order], axis)
                    yield "gate order", f"with its {count} blocks in the order {list(order)}", turned


def _flattened(weight: Array, images: frozenset[tuple[int, ...]]) -> Iterator[Turn]:
    for axis, (channels, *sizes) in itertools.product(range(min(weight.ndim, 2)), images):
        if channels * int(np.prod(sizes)) == weight.shape[axis]:
            places = np.arange(weight.shape[axis])
            last = np.moveaxis(places.reshape(channels, *sizes), 0, -1).ravel()
            yield "flatten order", "flattened channels last", np.take(weight, last, axis)
            first = np.moveaxis(places.reshape(*sizes, channels), -1, 0).ravel()
            yield "flatten order", "flattened channels first", np.take(weight, first, axis)
