"""Weighed: what explains a weight that differs: before any step, in what trains, or in how a step moved it."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from dualnet.backends.draws import Array
from dualnet.compare.couple import Couple
from dualnet.compare.stage import Stage
from dualnet.compare.traps import Claim
from dualnet.compare.twins import gap, twins

STATISTICS = ("running_mean", "running_var", "moving_mean", "moving_variance")
# Two float32 numbers that are one, up to the rounding of a copy; and ratios of sums, taken in float64.
NEAR = 1e-6


def unlike(stage: Stage) -> Iterator[Claim]:
    """Yield what trains on one side only."""
    for finding in stage.findings:
        if finding.verdict == "divergent" and finding.note.startswith("trained by"):
            trap = "buffer trained" if finding.name.endswith(STATISTICS) else "parameter frozen"
            yield Claim(trap, f"{finding.name} is {finding.note}")
            return


def crossed(couple: Couple, stage: Stage, layout: Callable[[str, Array], Array]) -> Iterator[Claim]:
    """Yield how the first weight that differs lies: turned, mirrored, its rows in another order, or edited."""
    first = stage.first("divergent")
    if first is None:
        return
    ours, theirs = (np.asarray(couple.start[side][first.name], np.float64) for side in couple.sides)
    if ours.shape != theirs.shape:
        return
    left, right = layout(first.name, ours), layout(first.name, theirs)
    for trap, said, there in _turns(left, couple.layouts.images):
        if there.shape == right.shape and np.array_equal(there, right):
            yield Claim(trap, f"{first.name} of {couple.sides[1]} is that of {couple.sides[0]} {said}")
            return
    wrong = int((left != right).sum())
    yield Claim(
        "weight edited",
        f"{wrong} of {left.size} numbers of {first.name} differ, by up to {np.abs(left - right).max():.2g}",
    )


def _turns(weight: Array, images: frozenset[tuple[int, ...]]) -> Iterator[tuple[str, str, Array]]:
    if weight.ndim > 1:
        yield "kernel transposed", "with its two channel axes exchanged", weight.swapaxes(0, 1)
    if weight.ndim == 4:
        yield "spatial kernel transposed", "with height and width exchanged", weight.swapaxes(2, 3)
    if weight.ndim > 2:
        yield "kernel flipped", "mirrored", np.flip(weight, tuple(range(2, weight.ndim)))
    for axis, count in itertools.product(range(min(weight.ndim, 2)), (3, 4)):
        if weight.shape[axis] % count == 0:
            parts = np.split(weight, count, axis)
            for order in itertools.permutations(range(count)):
                turned = np.concatenate([parts[at] for at in order], axis)
                if order != tuple(range(count)) and weight.shape[axis] // count > 1:
                    yield "gate order", f"with its {count} blocks in the order {list(order)}", turned
    for axis, (channels, *sizes) in itertools.product(range(min(weight.ndim, 2)), images):
        if weight.ndim == 2 and channels * int(np.prod(sizes)) == weight.shape[axis]:
            order = np.arange(weight.shape[axis])
            there = np.moveaxis(order.reshape(channels, *sizes), 0, -1).ravel()
            yield "flatten order", "flattened channels last", np.take(weight, there, axis)
            back = np.moveaxis(order.reshape(*sizes, channels), -1, 0).ravel()
            yield "flatten order", "flattened channels first", np.take(weight, back, axis)
    for axis in range(min(weight.ndim, 2)):
        for a, b in itertools.combinations(range(min(weight.shape[axis], 64)), 2):
            order = np.arange(weight.shape[axis])
            order[[a, b]] = b, a
            yield "channels swapped", f"with places {a} and {b} of axis {axis} exchanged", np.take(weight, order, axis)


def moved(couple: Couple, stage: Stage) -> Iterator[Claim]:
    """Yield what explains a weight that steps moved differently: a statistic's rule, or one that has no counterpart."""
    first = stage.first("divergent")
    if first is None:
        return
    yield from _alone(couple)
    if first.name.endswith(STATISTICS):
        yield from _statistic(couple, first.name)


def _statistic(couple: Couple, name: str) -> Iterator[Claim]:
    sides = couple.sides
    pairs = twins(*(couple.watched(side, True) for side in sides))
    twin = next((each for each in pairs if name in each.left.weights.values()), None)
    if twin is None:
        return
    kept = [seen.settings.get("momentum") for seen in (twin.left, twin.right)]
    if None not in kept and abs(float(kept[0]) - float(kept[1])) > NEAR:  # type: ignore[arg-type]
        said = f"{sides[0]} keeps {kept[0]:g} of {name} at each step, {sides[1]} {kept[1]:g}"
        yield Claim("batch-norm momentum", said)
        return
    start, share = np.asarray(couple.start[sides[0]][name], np.float64), float(kept[0] or 0.0)
    new = [couple.taught[side, "float64"].one[name] - share * start for side in sides]
    ratio = float(np.median(new[0] / new[1]))
    more = max(ratio, 1 / ratio) if ratio else 1.0
    count = more / (more - 1) if more > 1 + NEAR else 0.0
    if gap(new[0], ratio * new[1]) < NEAR and abs(count - round(count)) < 1e-3 * max(count, 1.0) and count > 1:
        which = sides[0] if ratio > 1 else sides[1]
        yield Claim("biased variance", f"{which} divides by n - 1 in {name}, the other by n = {round(count)}")


def _alone(couple: Couple) -> Iterator[Claim]:
    """Yield a trained weight that only one side has: a bias, a copy of another weight, or what should be constant."""
    for side in couple.sides:
        live = couple.live(side, "float64")
        held = couple.own[couple.sides[0]]
        for name in couple.alone[side]:
            if name not in (*live.rest(), *live.trainable()):
                continue
            array = live.other(name)
            twin = next((n for n, a in held.items() if n != name and array.ndim > 1 and _copy(a, array)), None)
            if twin is not None:
                yield Claim("tied weights split", f"{name} of {side} starts as a copy of {twin}, and trains by itself")
                return
            if name.rpartition("/")[2].rpartition(".")[2] in ("bias", "beta"):
                yield Claim("bias dropped", f"only {side} has {name}")
                return
            if "." not in name and "/" not in name:
                yield Claim("buffer trained", f"{name} trains in {side} only")
                return


def _copy(a: Array, b: Array) -> bool:
    return any(
        each.shape == b.shape and gap(np.asarray(each, np.float64), np.asarray(b, np.float64)) < NEAR
        for each in (a, a.T)
    )
