"""Layout: in which order a wire's tensor lies in memory. Decided in one pass over the graph, before any layer is made.

Images are channels-last, everything else is as in the spec. A flattened image keeps its channels-last order where only
Linear layers read it (their kernels' rows are permuted instead); elsewhere it is permuted back before it is flattened.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualnet.backends.walk import walk
from dualnet.specs import activations as A
from dualnet.specs import layers as L
from dualnet.specs import noise as N
from dualnet.specs.graph import Scope, Step
from dualnet.specs.scales import Rescaling

FORMULAS = (L.ReLU, L.LeakyReLU, L.ELU, L.GELU, L.Sigmoid, L.Hardsigmoid, L.Tanh, L.SiLU, A._Activation, Rescaling)
POINTWISE = (*FORMULAS, L.Dropout, N.AlphaDropout, N.GaussianNoise, N.GaussianDropout, N.RReLU)


@dataclass(frozen=True)
class Layout:
    """Physical axis i (after N) holds the spec's axis ``axes[i]``; ``image`` is what was flattened, if it was."""

    axes: tuple[int, ...]
    image: tuple[int, ...] | None = None

    def physical(self, array: Any) -> Any:
        """Return (N, …) in the order of memory."""
        if self.image is not None:
            return array[:, self.order()]
        return np.transpose(array, (0, *(axis + 1 for axis in self.axes)))

    def logical(self, array: Any) -> Any:
        """Return (N, …) in the order of the spec."""
        if self.image is not None:
            return array[:, np.argsort(self.order())]
        return np.transpose(array, (0, *(int(axis) + 1 for axis in np.argsort(self.axes))))

    def order(self) -> Any:
        """Return which of the spec's features each physical feature is."""
        assert self.image is not None  # only flattened images have an order of their own
        return np.arange(math.prod(self.image)).reshape(self.image).transpose(1, 2, 0).ravel()

    def axis(self, dim: int) -> int:
        """Return the physical axis (N counted) of the spec's dim."""
        rank = len(self.axes) + 1
        return self.axes.index((dim + rank if dim < 0 else dim) - 1) + 1

    def text(self) -> str:
        """Return the layout in words."""
        if self.image is not None:
            return "flattened (H, W, C)"
        return "(N, H, W, C)" if self.axes == (1, 2, 0) else "as in the spec"


def plain(rank: int) -> Layout:
    """Return the layout of a wire of ``rank`` axes (without N): channels-last for images."""
    return Layout((1, 2, 0) if rank == 3 else tuple(range(rank)))


@dataclass(frozen=True)
class Layouts:
    """The layouts that each step reads and gives, by path."""

    reads: dict[str, tuple[Layout, ...]]
    gives: dict[str, Layout]


def layouts(graph: Scope, in_ranks: Sequence[int]) -> Layouts:
    """Decide the layout of every wire of a graph."""
    keeps = _keepers(graph)
    reads: dict[str, tuple[Layout, ...]] = {}
    gives: dict[str, Layout] = {}

    def visit(step: Step, inputs: list[Layout]) -> Layout:
        reads[step.path] = tuple(inputs)
        gives[step.path] = _gives(step, inputs[0], step.path in keeps)
        return gives[step.path]

    walk(graph, [plain(rank) for rank in in_ranks], visit)
    return Layouts(reads, gives)


def _gives(step: Step, read: Layout, keep: bool) -> Layout:
    if isinstance(step.layer, L.Flatten) and keep and _matters(step.in_shapes[0]):
        return Layout((0,), step.in_shapes[0])
    return read if isinstance(step.layer, POINTWISE) else plain(len(step.out_shapes[0]))


def _matters(shape: tuple[int, ...]) -> bool:
    """Return whether the two orders of a flattened image differ."""
    return len(shape) == 3 and shape[0] > 1 and shape[1] * shape[2] > 1


def _keepers(graph: Scope) -> set[str]:
    """Return the paths of the Flatten layers whose output only Linear layers read, pointwise layers between allowed."""
    readers: dict[str, list[Step]] = defaultdict(list)
    twice = {step.owner for step in graph.leaves() if step.shared}

    def visit(step: Step, inputs: list[str]) -> str:
        for name in inputs:
            readers[name].append(step)
        return step.path

    outputs = walk(graph, [""] * len(graph.ports), visit)

    def keeps(path: str) -> bool:
        return path not in outputs and all(
            (isinstance(step.layer, L.Linear) and step.owner not in twice)
            or (isinstance(step.layer, POINTWISE) and keeps(step.path))
            for step in readers[path]
        )

    return {step.path for step in graph.leaves() if isinstance(step.layer, L.Flatten) and keeps(step.path)}
