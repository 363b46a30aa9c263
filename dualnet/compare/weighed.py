"""Weighed: what explains a weight that differs: before any step, in what trains, or in how a step moved it."""

from collections.abc import Callable, Iterator

import numpy as np

from dualnet.backends.draws import Array
from dualnet.compare.couple import Couple
from dualnet.compare.stage import Stage
from dualnet.compare.traps import Claim
from dualnet.compare.turns import turns
from dualnet.compare.twins import gap

STATISTICS = ("running_mean", "running_var", "moving_mean", "moving_variance")
# Two float32 numbers that are one, up to the rounding of a copy; and ratios of sums, taken in float64.
NEAR = 1e-6


def unlike(couple: Couple, stage: Stage) -> Iterator[Claim]:
    """Yield what trains on one side only."""
    for finding in stage.findings:
        if finding.verdict == "divergent" and finding.note.startswith("trained by"):
            trap = "buffer trained" if finding.name.endswith(STATISTICS) else "parameter frozen"
            yield Claim(trap, f"{finding.name} is {finding.note}")
            return
    yield from _alone(couple)


def crossed(couple: Couple, stage: Stage, layout: Callable[[str, Array], Array]) -> Iterator[Claim]:
    """Yield how the first weight that differs lies: turned, mirrored, its rows in another order, or edited."""
    first = stage.first("divergent")
    if first is None:
        return
    ours, theirs = (np.asarray(couple.start[side][first.name], np.float64) for side in couple.sides)
    if ours.shape != theirs.shape:
        return
    left, right = layout(first.name, ours), layout(first.name, theirs)
    for trap, said, there in turns(left, right, couple.layouts.images):
        if there.shape == right.shape and np.array_equal(there, right):
            yield Claim(trap, f"{first.name} of {couple.sides[1]} is that of {couple.sides[0]} {said}")
            return
    wrong = int((left != right).sum())
    yield Claim(
        "weight edited",
        f"{wrong} of {left.size} numbers of {first.name} differ, by up to {np.abs(left - right).max():.2g}",
    )


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
    twin = next((each for each in couple.twins(True) if name in each.left.weights.values()), None)
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
    """Yield what a trained weight is that only one side has: a copy of another, a bias, or what should be constant."""
    for side, name in lone(couple):
        array = couple.live(side, "float64").other(name)
        held = couple.own[couple.sides[0]]
        twin = next((n for n, a in held.items() if n != name and array.ndim > 1 and _copy(a, array)), None)
        role = name.rpartition("/")[2].rpartition(".")[2]
        if twin is not None:
            yield Claim("tied weights split", f"{name} of {side} starts as a copy of {twin}, and trains by itself")
        elif role.startswith("bias_hh"):
            yield Claim("double bias", f"{name} of {side} trains, and has no counterpart")
        elif role in ("bias", "beta"):
            yield Claim("bias dropped", f"only {side} has {name}")
        elif "." not in name and "/" not in name:
            yield Claim("buffer trained", f"{name} trains in {side} only")
        else:
            yield Claim("layer missing", f"{name} trains in {side} only")
        return


def lone(couple: Couple) -> list[tuple[str, str]]:
    """Return the trained weights, as (side, name), that one side has more of than the other.

    Weights may go unpaired on both sides, such as those of attention written in two ways: then only what is left over
    counts, if a single weight has just its size.
    """
    sizes = {side: dict(numbers(couple, side)) for side in couple.sides}
    totals = {side: sum(found.values()) for side, found in sizes.items()}
    side = max(totals, key=totals.__getitem__)
    over = totals[side] - min(totals.values())
    exact = [(side, name) for name, size in sizes[side].items() if size == over]
    return exact or ([(side, name) for name in sizes[side]] if over and over == totals[side] else [])


def numbers(couple: Couple, side: str) -> Iterator[tuple[str, int]]:
    """Yield the weights of a side that train, matter to its outputs and have no counterpart, with their sizes."""
    for name in couple.alone[side]:
        if matters(couple, side, name):
            yield name, couple.live(side, "float64").other(name).size


def matters(couple: Couple, side: str, name: str) -> bool:
    """Return whether a weight trains and the outputs depend on it."""
    live = couple.live(side, "float64")
    if name not in live.trainable():
        return name in live.rest()
    return bool(np.any(couple.evaluated[side, "float64"]["parameters"][name]))


def _copy(a: Array, b: Array) -> bool:
    return any(
        each.shape == b.shape and gap(np.asarray(each, np.float64), np.asarray(b, np.float64)) < NEAR
        for each in (a, a.T)
    )
