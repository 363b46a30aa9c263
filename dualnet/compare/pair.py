"""The pair under comparison: two sides, each in a precision and in float64, fed the same weights and inputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dualnet.backends.precision import Precision, low, precision
from dualnet.backends.protocol import Array, Arrays, Session
from dualnet.backends.walk import walk
from dualnet.compare.verdict import Four
from dualnet.run.hosts import Here, Host
from dualnet.specs.draw import draw, uniform
from dualnet.specs.graph import Step
from dualnet.specs.spec import Spec

Made = TypeVar("Made")


@dataclass(frozen=True)
class Side:
    """One side: what it is called, which backend builds it, and from what spec."""

    label: str
    backend: str
    spec: Spec


@dataclass
class Pair:
    """Two sides. ``size`` examples make a batch: small, and unlike every other size, so that mixed-up axes show.

    ``dtype`` is the precision under test, and that of the trainings; float64 runs beside it, and decides.
    """

    left: Side
    right: Side
    host: Host = field(default_factory=Here)
    seed: int = 0
    device: str = "cpu"
    dtype: str = "float32"
    size: int = 7
    opened: dict[tuple[str, str], Session] = field(default_factory=dict)

    @property
    def precision(self) -> Precision:
        """The lower of the two precisions: float32 where trainings run in float64."""
        return precision(low(self.dtype))

    @property
    def dtypes(self) -> tuple[str, str]:
        """Both precisions, the lower one first."""
        return self.precision.name, "float64"

    @property
    def spec(self) -> Spec:
        """The left side's spec, by which inputs, weights and settings are chosen."""
        return self.left.spec

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both sides."""
        return self.left, self.right

    def session(self, side: Side, dtype: str) -> Session:
        """Return a side's session in a precision, opened on first use."""
        key = (side.label, dtype)
        if key not in self.opened:
            self.opened[key] = self.fresh(side, dtype)
        return self.opened[key]

    def fresh(self, side: Side, dtype: str) -> Session:
        """Return a new session of a side, with the pair's weights."""
        session = self.host.open(side.backend, side.spec, dtype=dtype, device=self.device, seed=self.seed)
        session.load(self.weights)
        return session

    def both(self, call: Callable[[Side], Made]) -> dict[str, Made]:
        """Return ``call(side)`` of both sides, by label; at the same time where the host can."""
        sides = {side.label: side for side in self.sides}
        return self.host.each(sides, lambda label: call(sides[label]))

    def each(self, call: Callable[[Side, Session], Made]) -> dict[tuple[str, str], Made]:
        """Return ``call(side, session)`` of both sides in both precisions, by (label, dtype)."""

        found = self.both(lambda side: {dtype: call(side, self.session(side, dtype)) for dtype in self.dtypes})
        return {(label, dtype): made for label, by_dtype in found.items() for dtype, made in by_dtype.items()}

    def four(self, made: Mapping[tuple[str, str], Any], pick: Callable[[Any], Any]) -> Four:
        """Return one tensor of what ``each`` gave."""
        keys = [(side.label, dtype) for dtype in self.dtypes for side in self.sides]
        one, two, three, four = (np.asarray(pick(made[key])) for key in keys)
        return Four(one, two, three, four, self.precision.roundoff)

    @cached_property
    def weights(self) -> Arrays:
        """The weights of both sides: shared draws, with buffers and scales moved off 0 and 1 so that they count."""
        drawn = {name: draw(parameter, self.seed, name) for name, parameter in self.spec.parameters.items()}
        for name, array in drawn.items():
            if (array == array.flat[0]).all():  # zeros and ones hide a swapped scale, a lost bias, a stale buffer
                drawn[name] = array + 0.25 * (uniform(array.size, "off", self.seed, name).reshape(array.shape) + 0.5)
        return {name: self.precision.rounded(array) for name, array in drawn.items()}

    @cached_property
    def inputs(self) -> Arrays:
        """A batch of inputs, rounded so that both precisions read the same numbers."""
        return self.batch(self.size, "inputs")

    def batch(self, count: int, key: str) -> Arrays:
        """Return ``count`` random examples by input name: U(-1, 1), or integers below what they must stay below."""
        found: Arrays = {}
        for name, shape in self.spec.inputs.items():
            drawn, below = uniform(count * int(np.prod(shape)), key, self.seed, name), self.spec.integers.get(name)
            values = self.precision.rounded(2 * drawn - 1) if below is None else (drawn * below).astype(np.int64)
            found[name] = values.reshape(count, *shape)
        return found

    def labels(self, count: int, classes: int) -> NDArray[np.int64]:
        """Return ``count`` random labels."""
        return (uniform(count, "labels", self.seed) * classes).astype(np.int64)

    @cached_property
    def sources(self) -> dict[str, tuple[str, ...]]:
        """Which layers (by path) or inputs (as ``input:name``) each layer reads."""
        found: dict[str, tuple[str, ...]] = {}

        def visit(step: Step, inputs: list[str]) -> str:
            found[step.path] = tuple(inputs)
            return step.path

        walk(self.spec.graph, [f"input:{name}" for name in self.spec.inputs], visit)
        return found

    def read_by(self, path: str, layers: Mapping[str, Array]) -> list[Array]:
        """Return what a layer read, from the outputs of all layers."""
        return [
            self.inputs[source.removeprefix("input:")] if source.startswith("input:") else layers[source]
            for source in self.sources[path]
        ]
