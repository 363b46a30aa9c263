"""Origin: the first layer at which two live models part, in the order of a pass, and whether it begins there."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dualnet.backends.draws import FIRST, Array
from dualnet.backends.watch import Seen
from dualnet.compare.couple import Couple
from dualnet.compare.tolerance import SAME
from dualnet.compare.twins import Twin, gap


@dataclass
class Scene:
    """The place where two models part, float64: what was read there and what each side made of it, channels first.

    ``twin`` is None where it lies between layers; ``x`` is what both sides read, ``agreed`` what they had agreed on
    before, by name, the latest last; ``alone`` are calls near the place that the other side has no counterpart of.
    """

    where: str
    training: bool
    left: Array
    right: Array
    x: list[Array] = field(default_factory=list)
    twin: Twin | None = None
    agreed: dict[str, Array] = field(default_factory=dict)
    alone: dict[str, list[Seen]] = field(default_factory=dict)
    backward: bool = False
    size: float = np.inf
    forced: float | None = None

    @property
    def origin(self) -> str:
        """Whether the difference begins there, in words."""
        if self.backward:
            return f"originates here: the gradient that comes in agrees, the one that goes on is off by {self.size:.1e}"
        if self.twin is None:
            return f"originates here: what was computed before agrees, this is off by {self.size:.1e}"
        again = self.size if self.forced is None else self.forced
        return f"originates here: on the same inputs the layers are off by {again:.1e}"


def origin(couple: Couple, training: bool, backward: bool = False) -> Scene | None:
    """Return where the sides part in one pass, or nothing where no layer shows it."""
    ours, theirs = (couple.watched(side, training) for side in couple.sides)
    pairs = couple.twins(training)
    return _backward(couple, pairs, training) if backward else _forward(couple, pairs, ours, theirs, training)


def _forward(
    couple: Couple, pairs: Sequence[Twin], ours: Sequence[Seen], theirs: Sequence[Seen], training: bool
) -> Scene | None:
    agreed: dict[str, Array] = {f"input {i}": first(array, couple) for i, array in enumerate(couple.arrays)}
    before: Twin | None = None
    for twin in pairs:
        outputs = _gaps(twin.left.outputs, twin.right.outputs, couple)
        if outputs <= SAME:
            agreed |= _named(twin, couple)
            before = twin
            continue
        inputs = _gaps(twin.left.inputs, twin.right.inputs, couple)
        pairs_ = zip(twin.left.inputs, twin.right.inputs, strict=False)
        shapes = any(couple.layouts.turned(a, b) is None for a, b in pairs_)
        if inputs <= SAME or (shapes and before is None):
            return _at(couple, twin, training, agreed, outputs)
        scene = _between(couple, before, twin, training, agreed, inputs)
        return _with(scene, _alone(pairs, before, twin, ours, theirs, couple))
    last = pairs[-1] if pairs else None
    runs = [couple.outputs(side, training) for side in couple.sides]
    for a, b in zip(*runs, strict=False):
        other = couple.layouts.turned(a, b)
        size = np.inf if other is None else gap(a, other)
        if size > SAME:
            name = f"{last.name}, after it" if last else "the whole model"
            scene = Scene(
                name, training, first(a, couple), first(b if other is None else other, couple), agreed=agreed, size=size
            )
            return _with(scene, _alone(pairs, last, None, ours, theirs, couple))
    return None


def _at(couple: Couple, twin: Twin, training: bool, agreed: dict[str, Array], size: float) -> Scene:
    a, b = _worst(twin.left.outputs, twin.right.outputs, couple)
    x = [first(each, couple, twin.left.kind) for each in twin.left.inputs]
    made = Scene(
        twin.name, training, first(a, couple, twin.left.kind), first(b, couple, twin.left.kind), x, twin, agreed
    )
    made.size, made.forced = size, _forced(couple, twin, training)
    return made


def _forced(couple: Couple, twin: Twin, training: bool) -> float | None:
    """Return the gap of the right layer, run by itself on the left one's inputs (teacher forcing), if it can be."""
    if twin.left.before or twin.right.before:
        return None  # two layers are no single one
    try:
        given = [couple.layouts.laid(a, b) for a, b in zip(twin.left.inputs, twin.right.inputs, strict=True)]
        made = couple.live(couple.sides[1], "float64").replay(twin.right.path, given, training=training)
        return _gaps(twin.left.outputs, made, couple)
    except Exception:  # a layer that wants more than arrays by place
        return None


def _between(
    couple: Couple, before: Twin | None, twin: Twin, training: bool, agreed: dict[str, Array], size: float
) -> Scene:
    a, b = _worst(twin.left.inputs, twin.right.inputs, couple)
    name = f"between {before.name} and {twin.name}" if before else f"before {twin.name}"
    return Scene(name, training, first(a, couple), first(b, couple), agreed=agreed, size=size)


def _backward(couple: Couple, pairs: Sequence[Twin], training: bool) -> Scene | None:
    """Return the layer nearest to the outputs whose incoming gradient agrees while that of what it read does not."""
    after: Twin | None = None
    for twin in reversed(pairs):
        if _gaps(twin.left.outputs, twin.right.outputs, couple) > SAME:
            continue  # what is not the same in the pass itself has no common gradient
        slopes = [[each for each in seen.slopes if each is not None] for seen in (twin.left, twin.right)]
        size = np.inf if len(slopes[0]) != len(slopes[1]) else _gaps(slopes[0], slopes[1], couple)
        if size > SAME:
            name = f"between {twin.name} and {after.name}" if after else f"after {twin.name}"
            a, b = (s[0] if s else np.zeros(1) for s in slopes)
            return Scene(name, training, a, b, twin=after, backward=True, size=size)
        after = twin
    return None


def _alone(
    pairs: Sequence[Twin],
    before: Twin | None,
    after: Twin | None,
    ours: Sequence[Seen],
    theirs: Sequence[Seen],
    couple: Couple,
) -> dict[str, list[Seen]]:
    """Return the calls between two pairs that only one side makes."""
    found = {}
    for side, calls, name in zip(couple.sides, (ours, theirs), ("left", "right"), strict=True):
        ends = [None if twin is None else _index(calls, getattr(twin, name)) for twin in (before, after)]
        start, end = -1 if ends[0] is None else ends[0], len(calls) if ends[1] is None else ends[1]
        found[side] = [seen for seen in calls[start + 1 : end] if not seen.inner]
    return found


def _with(scene: Scene, alone: dict[str, list[Seen]]) -> Scene:
    """Return the scene with the calls that one side alone makes there; its place names them, or what holds them."""
    scene.alone = alone
    named = []
    for side, calls in alone.items():
        works = [seen.path for seen in calls if seen.kind not in JOINS]
        named.append((side, _common(works or [seen.path for seen in calls])))
    told = ", ".join(f"{path} of {side}" for side, path in named if path)
    scene.where += f": {told}" if told else ""
    return scene


JOINS = ("Add", "dropout", "identity")


def _common(paths: Sequence[str]) -> str:
    """Return the path of a single call, or the module that all of several lie in."""
    if len(paths) < 2:
        return "".join(paths)
    mark = "/" if "/" in paths[0] else "."
    parts = [path.split(mark) for path in paths]
    shared = [row[0] for row in itertools.takewhile(lambda row: len(set(row)) == 1, zip(*parts, strict=False))]
    return mark.join(shared)


def _index(calls: Sequence[Seen], wanted: Seen) -> int | None:
    """Return the number of a call; of a pair either what was read or what was given may have been replaced."""
    return next((i for i, s in enumerate(calls) if s.outputs is wanted.outputs or s.inputs is wanted.inputs), None)


def _named(twin: Twin, couple: Couple) -> dict[str, Array]:
    array = twin.left.outputs[0] if twin.left.outputs else np.zeros(0)
    return {twin.name: first(array, couple, twin.left.kind)} if array.dtype.kind == "f" else {}


def _gaps(left: Sequence[Array], right: Sequence[Array], couple: Couple) -> float:
    """Return the largest gap of two lists of arrays; infinite where shapes do not fit."""
    return max((couple.layouts.gap(a, b) for a, b in zip(left, right, strict=False)), default=0.0)


def _worst(left: Sequence[Array], right: Sequence[Array], couple: Couple) -> tuple[Array, Array]:
    """Return the first two arrays that part, the right one in the left's order where it has one."""
    for a, b in zip(left, right, strict=False):
        other = couple.layouts.turned(a, b)
        if other is None or gap(a, other) > SAME:
            return a, b if other is None else other
    return left[0], right[0]


SPATIAL = ("convolution", "transposed convolution", "batch norm", "instance norm", "group norm", "max pool",
           "average pool", "adaptive average pool", "adaptive max pool", "upsample", "flatten", "pad")  # fmt: skip


def first(array: Array, couple: Couple, kind: str = "") -> Array:
    """Return an array of the left side with its channels first, where it is an image."""
    if couple.channels[0] == "last" and array.ndim in FIRST and (array.ndim > 3 or kind in SPATIAL):
        return np.transpose(array, FIRST[array.ndim])
    return array
