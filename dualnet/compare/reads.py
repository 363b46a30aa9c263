"""Reads: two kernels of a flattened image are paired in the order in which their layers read it, which a run shows."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualnet.backends.draws import Array
from dualnet.backends.fact import Fact
from dualnet.backends.live import Inputs, Live
from dualnet.backends.watch import Seen
from dualnet.compare.pairs import Matching, Open
from dualnet.compare.stage import largest
from dualnet.compare.verdict import relative
from dualnet.specs.carry import Carry


def settle_reads(found: Matching, left: Callable[[str], Live], right: Callable[..., Live], inputs: Inputs) -> None:
    """Add the open pairs to a matching; where a run cannot be watched they are left out, and said to be.

    Both models are run once for each, the right one on the left one's weights as far as they are paired.
    """
    for pair in found.open:
        try:
            found.add("by what they read", [_nearest(pair, *_read(pair, found, left, right, inputs))])
        except Exception:  # whatever a user's model raises: the comparison itself will tell
            found.left_out[pair.left.name] = "which reads a flattened image: the order of its axes cannot be known"


def _read(
    pair: Open, found: Matching, left: Callable[[str], Live], right: Callable[..., Live], inputs: Inputs
) -> tuple[Array, Array]:
    """Return what the two layers read, float64."""
    ours, theirs = left("float64"), right("float64", carries=found.carries)
    own = ours.weights()
    theirs.load({carry.source: own[carry.source] for carry in found.carries})
    calls = [live.watch(inputs, training=False) for live in (ours, theirs)]
    return _input(calls[0], pair.left), _input(calls[1], pair.right)


def _input(calls: Sequence[Seen], fact: Fact) -> Array:
    return next(seen.inputs[0] for seen in calls if fact.name in seen.weights.values())


def _nearest(pair: Open, ours: Array, theirs: Array) -> Carry:
    """Return the way by which what one layer reads comes nearest to what the other does."""

    def gap(way: Carry) -> float:
        there = ours[..., _columns(way, pair)]
        return relative(there, theirs, max(largest(there), largest(theirs)))

    return min(pair.ways, key=gap)


def _columns(way: Carry, pair: Open) -> Any:
    """Return the number of the left input that stands at each right one."""
    rows = pair.left.order == (0, 1)
    width = pair.left.shape[1]
    numbers = np.broadcast_to(np.arange(width) if rows else np.arange(width)[:, None], pair.left.own)
    there = way.forth(numbers)
    return there[0] if pair.right.order == (0, 1) else there[:, 0]
