"""Layout: in which order a wire's tensor lies in memory. Decided in one pass over the graph, before any layer is made.

Images and volumes are channels-last. So is what has channels and one more axis where it comes from a spatial layer, or
is an input that one reads; elsewhere, as in sequences (L, F), it lies as in the spec. Each layer says which order it
reads (``_reads``) and gives (``_gives``), and where a wire lies otherwise a Permute is put in front.

What is flattened keeps its channels-last order where only Linear layers read it (their kernels' rows are permuted
instead); elsewhere it is permuted back before it is flattened.
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

# Layers that act entry by entry, and those that find their axes wherever these lie.
FORMULAS = (L.ReLU, L.LeakyReLU, L.ELU, L.GELU, L.Sigmoid, L.Hardsigmoid, L.Tanh, L.SiLU, A._Activation, Rescaling)
POINTWISE = (*FORMULAS, L.Dropout, N.AlphaDropout, N.GaussianNoise, N.GaussianDropout, N.RReLU)
ANYWHERE = (
    *(*POINTWISE, L._BatchNorm, L.LayerNorm, L.GroupNorm, L.Softmax, L.LogSoftmax, L.Sum, L.Halve),
    *(L.Flatten, L.Reshape),  # which turn what they read themselves
)


# Layers whose parameters belong to an axis: a second use reads it where the first has it.
AXES = (L._BatchNorm, L.LayerNorm, L.GroupNorm)


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
        return np.moveaxis(np.arange(math.prod(self.image)).reshape(self.image), 0, -1).ravel()

    def axis(self, dim: int) -> int:
        """Return the physical axis (N counted) of the spec's dim."""
        rank = len(self.axes) + 1
        return self.axes.index((dim + rank if dim < 0 else dim) - 1) + 1

    def turn(self, to: "Layout") -> tuple[int, ...]:
        """Return the physical axes (N counted) of this layout in the order of another."""
        return tuple(self.axes.index(axis) + 1 for axis in to.axes)

    def text(self) -> str:
        """Return the layout in words."""
        if self.axes == tuple(range(len(self.axes))):
            return "flattened channels-last" if self.image is not None else "as in the spec"
        return "channels-last"


def last(rank: int) -> Layout:
    """Return the channels-last layout of a wire of ``rank`` axes (without N)."""
    return Layout((*range(1, rank), 0))


def plain(rank: int) -> Layout:
    """Return the layout of a wire of ``rank`` axes (without N) of which no more is known: channels-last for images."""
    return last(rank) if rank > 2 else Layout(tuple(range(rank)))


@dataclass(frozen=True)
class Layouts:
    """The layouts of the model's inputs and outputs; by path, as each step's wires come, and as it reads and gives."""

    inputs: tuple[Layout, ...]
    outputs: tuple[Layout, ...]
    comes: dict[str, tuple[Layout, ...]]
    reads: dict[str, tuple[Layout, ...]]
    gives: dict[str, Layout]


def layouts(graph: Scope, in_ranks: Sequence[int]) -> Layouts:
    """Decide the layout of every wire of a graph."""
    readers, outputs = _readers(graph)
    keeps = _keepers(graph, readers, outputs)
    comes: dict[str, tuple[Layout, ...]] = {}
    reads: dict[str, tuple[Layout, ...]] = {}
    gives: dict[str, Layout] = {}

    def visit(step: Step, wires: list[Layout]) -> Layout:
        comes[step.path], reads[step.path] = tuple(wires), _reads(step, wires)
        if step.shared and isinstance(step.layer, AXES) and len(reads[step.owner][0].axes) == len(wires[0].axes):
            reads[step.path] = reads[step.owner]
        gives[step.path] = _gives(step, reads[step.path][0], step.path in keeps)
        return gives[step.path]

    inputs = tuple(_input(rank, readers, str(index)) for index, rank in enumerate(in_ranks))
    return Layouts(inputs, walk(graph, inputs, visit), comes, reads, gives)


def _input(rank: int, readers: dict[str, list[Step]], wire: str) -> Layout:
    """Return the layout of an input: channels-last if a spatial layer reads it, be it through layers that keep it."""

    def spatial(wire: str) -> bool:
        return any(
            isinstance(step.layer, L._Spatial) or (_keeps(step.layer) and spatial(step.path)) for step in readers[wire]
        )

    return last(rank) if spatial(wire) else plain(rank)


def _keeps(layer: L.Layer) -> bool:
    """Return whether a layer gives the order that it reads, whichever that is."""
    return isinstance(layer, (*ANYWHERE, L._Join)) and not isinstance(layer, (L.Flatten, L.Reshape))


def _reads(step: Step, wires: Sequence[Layout]) -> tuple[Layout, ...]:
    """Return the layouts in which a step takes its wires."""
    if isinstance(step.layer, ANYWHERE) or any(wire.image for wire in wires):
        return tuple(wires)
    ends = tuple(last(len(wire.axes)) for wire in wires)
    if isinstance(step.layer, L._Spatial) or (isinstance(step.layer, L._Join) and set(wires) & set(ends)):
        return ends
    return tuple(plain(len(wire.axes)) for wire in wires)


def _gives(step: Step, read: Layout, keep: bool) -> Layout:
    rank = len(step.out_shapes[0])
    if isinstance(step.layer, L.Flatten) and keep and _matters(step.in_shapes[0], read):
        return Layout((0,), step.in_shapes[0])
    if isinstance(step.layer, L._Spatial):
        return last(rank)
    return read if _keeps(step.layer) else plain(rank)


def _matters(shape: tuple[int, ...], read: Layout) -> bool:
    """Return whether what is flattened lies channels-last, and that order is another than the spec's."""
    return read != Layout(tuple(range(len(shape)))) and shape[0] > 1 and math.prod(shape[1:]) > 1


def _readers(graph: Scope) -> tuple[dict[str, list[Step]], tuple[str, ...]]:
    """Return the outputs, and who reads each wire: the path of the layer that gives it, or the number of an input."""
    readers: dict[str, list[Step]] = defaultdict(list)

    def visit(step: Step, inputs: list[str]) -> str:
        for name in inputs:
            readers[name].append(step)
        return step.path

    outputs = walk(graph, [str(index) for index in range(len(graph.ports))], visit)
    return readers, outputs


def _keepers(graph: Scope, readers: dict[str, list[Step]], outputs: tuple[str, ...]) -> set[str]:
    """Return the paths of the Flatten layers whose output only Linear layers read, pointwise layers between allowed."""
    twice = {step.owner for step in graph.leaves() if step.shared}

    def keeps(path: str) -> bool:
        return path not in outputs and all(
            (isinstance(step.layer, L.Linear) and step.owner not in twice)
            or (isinstance(step.layer, POINTWISE) and keeps(step.path))
            for step in readers[path]
        )

    return {step.path for step in graph.leaves() if isinstance(step.layer, L.Flatten) and keeps(step.path)}
