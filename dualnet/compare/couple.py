"""The couple under comparison: two live models, each in both precisions, on the same weights, inputs and draws."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from dualnet.backends.draws import Array, Arrays, Draw
from dualnet.backends.live import Inputs, Live, Run
from dualnet.backends.recipe import Learned, Recipe
from dualnet.backends.watch import Seen
from dualnet.compare.stage import judged
from dualnet.compare.twins import Layouts, Twin, twins
from dualnet.compare.verdict import Finding, Four
from dualnet.run.train import nudged
from dualnet.specs.draw import uniform
from dualnet.specs.program import leaves, replaced

Made = dict[tuple[str, str], Any]

# Each step moves the weights by about this share of their norm: enough for a wrong update to show, too little for a
# few steps to leave the neighbourhood in which rounding stays rounding.
SHARE, MOMENTUM = 0.01, 0.9
DTYPES = ("float32", "float64")


@dataclass
class Trained:
    """A few training steps: what the first pass gave, and all weights after the first update and after the last."""

    first: Run
    one: Arrays
    last: Arrays


@dataclass
class Couple:
    """``makers`` open each side in a precision, left first. ``source`` is the side whose weights both start from."""

    makers: tuple[Callable[[str], Live], Callable[[str], Live]]
    sides: tuple[str, str]
    inputs: Inputs
    source: str | None = "left"
    count: int = 5
    rate: float = 0.0
    channels: tuple[str, str] = ("first", "last")
    recipes: tuple[Recipe, Recipe] | None = None
    targets: Any = None
    opened: dict[tuple[str, str], Live] = field(default_factory=dict)
    seen: dict[tuple[str, bool], list[Seen]] = field(default_factory=dict)
    paired_calls: dict[bool, list[Twin]] = field(default_factory=dict)
    started: set[tuple[str, str]] = field(default_factory=set)

    def live(self, side: str, dtype: str) -> Live:
        """Return a side in a precision, opened on first use."""
        if (side, dtype) not in self.opened:
            self.opened[side, dtype] = self.makers[self.sides.index(side)](dtype)
        return self.opened[side, dtype]

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Every side in every precision, the source first."""
        return [(side, dtype) for dtype in reversed(DTYPES) for side in self.sides]

    def four(self, made: Mapping[tuple[str, str], Any], pick: Callable[[Any], Any]) -> Four:
        """Return one tensor of both sides in both precisions."""
        keys = [(side, dtype) for dtype in DTYPES for side in self.sides]
        one, two, three, four = (np.asarray(pick(made[key])) for key in keys)
        return Four(one, two, three, four)

    def judged(self, made: Made, prefix: str = "", **options: Any) -> list[Finding]:
        """Return a finding for each named tensor."""
        return judged(self, made, prefix, **options)

    @cached_property
    def own(self) -> dict[str, Arrays]:
        """The weights that each side comes with."""
        return {side: self.live(side, "float64").weights() for side in self.sides}

    @cached_property
    def paired(self) -> list[str]:
        """The weights that both sides have."""
        ours, theirs = (self.own[side] for side in self.sides)
        return [name for name in ours if name in theirs]

    @cached_property
    def alone(self) -> dict[str, list[str]]:
        """What each side has that the other has not."""
        found = {}
        for side, other in (self.sides, self.sides[::-1]):
            found[side] = [*sorted(self.own[side].keys() - self.own[other].keys()), *self.live(side, "float64").rest()]
        return found

    @cached_property
    def start(self) -> dict[str, Arrays]:
        """The weights that each side starts from, exact in float32."""
        own = {side: _exact(self.own[side]) for side in self.sides}
        if self.source is None:
            return own
        given = own[self.sides[self.source == "right"]]
        moved = {name: _moved(name, given[name]) for name in self.paired}
        return {side: own[side] | moved for side in self.sides}

    def fresh(self, key: tuple[str, str]) -> Live:
        """Return a side at its start; where no update was made since, only what a pass may move is put back."""
        live, start = self.live(*key), self.start[key[0]]
        trained = set(live.trainable()) if key in self.started else set()
        live.load({name: array for name, array in start.items() if name not in trained})
        live.restore()
        self.started.add(key)
        return live

    def run(self, key: tuple[str, str], training: bool, like: Sequence[Draw] = (), **how: Any) -> Run:
        """Make one pass."""
        return self.live(*key).run(self._given(key[1]), training=training, like=like, **how)

    def _given(self, dtype: str) -> Inputs:
        return {name: replaced(value, lambda v: _rounded(v, dtype)) for name, value in self.inputs.items()}

    @cached_property
    def evaluated(self) -> dict[tuple[str, str], Run]:
        """One pass of each in evaluation mode."""
        return self._passes(False)

    @cached_property
    def trained(self) -> dict[tuple[str, str], Trained]:
        """A few steps of each in training mode, by momentum, at one learning rate."""
        first = self._passes(True)
        self.rate = self._rate(first[self.sides[0], "float64"])
        return {key: self._steps(key, first[key], self.rate) for key in self.keys}

    @cached_property
    def learned(self) -> dict[tuple[str, str], list[Learned]]:
        """A few steps of each side's own recipe, from the start, random draws shared."""
        assert self.recipes is not None  # the stages that ask are run with recipes only
        recipes = dict(zip(self.sides, self.recipes, strict=True))
        like = {key: each.first for key, each in self.trained.items()}[self.keys[0]]["draws"]
        made = {}
        for key in self.keys:
            self.started.discard(key)
            self.fresh(key)
            made[key] = self._lessons(key, recipes[key[0]], like)
        return made

    def _lessons(self, key: tuple[str, str], recipe: Recipe, like: Sequence[Draw]) -> list[Learned]:
        live, targets = self.live(*key), self._targets(key[1])
        live.begin(recipe)
        count = self.count if recipe.optimizer else 1
        self.started.discard(key)
        return [live.learn(self._given(key[1]), targets, step=step, like=like) for step in range(count)]

    @cached_property
    def taught(self) -> dict[tuple[str, str], Trained]:
        """``trained``, with the weights after steps of the recipes where there are optimizers."""
        if self.recipes is None or self.recipes[0].optimizer is None:
            return self.trained
        return {
            key: Trained(self.trained[key].first, made[0].weights, made[-1].weights)
            for key, made in self.learned.items()
        }

    def _targets(self, dtype: str) -> Any:
        return replaced(self.targets, lambda v: _rounded(np.asarray(v), dtype))

    @cached_property
    def astray(self) -> tuple[Run, Trained]:
        """What the left side gives in float64 once its weights are off by one ulp: how far rounding alone carries."""
        key, start = (self.sides[0], "float64"), self.start[self.sides[0]]
        rate, runs = self.rate, []
        wide = {name: a.astype(np.float64) for name, a in start.items() if np.issubdtype(a.dtype, np.floating)}
        for training in (False, True):
            self.started.discard(key)
            self.fresh(key).load(nudged(wide, 0, 1))
            runs.append(self.run(key, training))
        if self.recipes is None or self.recipes[0].optimizer is None:
            return runs[0], self._steps(key, runs[1], rate)
        self.started.discard(key)
        self.fresh(key).load(nudged(wide, 0, 1))
        made = self._lessons(key, self.recipes[0], runs[1]["draws"])
        return runs[0], Trained(runs[1], made[0].weights, made[-1].weights)

    def strayed(self, side: str, training: bool, number: int) -> Run:
        """Return a pass of a side in float32, its weights off by one ulp; ``number`` draws which way."""
        key = (side, "float32")
        live, start = self.fresh(key), self.start[side]
        live.load(nudged({n: a for n, a in start.items() if a.dtype == np.float32}, number, 1))
        self.started.discard(key)
        return self.run(key, training, self._drawn(training))

    def _drawn(self, training: bool) -> Sequence[Draw]:
        made = self.trained[self.keys[0]].first if training else self.evaluated[self.keys[0]]
        return made["draws"]

    def _passes(self, training: bool) -> dict[tuple[str, str], Run]:
        made: dict[tuple[str, str], Run] = {}
        for key in self.keys:
            like = made[self.keys[0]]["draws"] if made else ()
            self.fresh(key)
            made[key] = self.run(key, training, like)
            if not training:
                self.live(*key).forget()
        return made

    def _rate(self, run: Run) -> float:
        weights, gradients = self.start[self.sides[0]], run["parameters"]
        sizes = [_norm(weights[name] for name in gradients), _norm(gradients.values())]
        return float(np.float32(SHARE * sizes[0] / sizes[1])) if sizes[1] > 0 and np.isfinite(sizes[1]) else 0.0

    def _steps(self, key: tuple[str, str], first: Run, rate: float) -> Trained:
        """Continue from the first pass, which has moved the buffers already."""
        live = self.live(*key)
        self.started.discard(key)
        live.descend(rate, MOMENTUM)
        one = live.weights()
        for step in range(1, self.count):
            self.run(key, True, first["draws"], step=step, tell=False)
            live.descend(rate, MOMENTUM)
        live.forget()
        return Trained(first, one, live.weights())

    def watched(self, side: str, training: bool) -> list[Seen]:
        """Return every call of a layer in one pass of a side in float64, from the start."""
        if (side, training) not in self.seen:
            live = self.fresh((side, "float64"))
            given, like = self._given("float64"), self._drawn(training)
            self.seen[side, training] = live.watch(given, training=training, like=like)
            self.started.discard((side, "float64"))
        return self.seen[side, training]

    def twins(self, training: bool) -> list[Twin]:
        """Return the calls of one pass in pairs."""
        if training not in self.paired_calls:
            self.paired_calls[training] = twins(*(self.watched(side, training) for side in self.sides))
        return self.paired_calls[training]

    def outputs(self, side: str, training: bool) -> list[Array]:
        """Return what a side gives in float64, in the left one's order."""
        run = self.trained[side, "float64"].first if training else self.evaluated[side, "float64"]
        return run["outputs"]

    @cached_property
    def layouts(self) -> Layouts:
        """How arrays of the right side may lie, by the images that the left one's layers gave."""
        if self.channels[0] == self.channels[1]:
            return Layouts(False)
        last = self.channels[0] == "last"
        arrays = [
            a for mode in (False, True) for seen in self.seen.get((self.sides[0], mode), []) for a in seen.outputs
        ]
        images = {a.shape[1:] for a in arrays if a.ndim in (4, 5)}
        return Layouts(True, frozenset((size[-1], *size[:-1]) if last else size for size in images))

    @property
    def arrays(self) -> list[Array]:
        """The inputs in order, in the left side's layout, as float64 reads them."""
        return [np.asarray(each) for each in leaves(dict(self._given("float64"))) if isinstance(each, np.ndarray)]

    def lasting(self, side: str) -> bool:
        """Return whether a side gives the same once more in evaluation mode."""
        self.fresh((side, "float64"))
        again = self.run((side, "float64"), False, gradients=False)["outputs"]
        first = self.evaluated[side, "float64"]["outputs"]
        # As below.
        return all(np.allclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True) for a, b in zip(first, again, strict=True))

    def steady(self, side: str) -> bool:
        """Return whether a side gives the same when run twice in training mode."""
        made = []
        for _ in range(2):
            self.fresh((side, "float64"))
            made.append(self.run((side, "float64"), True)["outputs"])
        # Threads may add in another order; draws of one's own differ by whole numbers.
        return all(np.allclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True) for a, b in zip(*made, strict=True))


def _norm(arrays: Any) -> float:
    flat = (np.asarray(array, np.float64).ravel() for array in arrays)
    return float(np.sqrt(sum(float(array @ array) for array in flat)))


def _exact(weights: Arrays) -> Arrays:
    return {n: a.astype(np.float32) if np.issubdtype(a.dtype, np.floating) else a for n, a in weights.items()}


def _rounded(value: Any, dtype: str) -> Any:
    """Return an input that both precisions read as the same numbers."""
    if not (isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.floating)):
        return value
    return value.astype(np.float32).astype(dtype)


def _moved(name: str, array: Array) -> Array:
    """Return a weight; zeros and ones, which hide a swapped scale, a lost bias, a stale buffer, are moved off."""
    constant = array.size and np.issubdtype(array.dtype, np.floating) and (array == array.flat[0]).all()
    if not constant or not np.isfinite(array.flat[0]):
        return array
    off = 0.25 * (uniform(array.size, "off", name).reshape(array.shape) + 0.5)
    return np.asarray(array + off, np.float32)
