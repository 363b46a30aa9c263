"""Summary: both live models layer by layer: output shapes, parameters, multiply-adds, and sizes in megabytes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dualnet.backends.protocol import Arrays, LayerFacts
from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.given import spec_of
from dualnet.report.exhibits import Table
from dualnet.report.result import Result
from dualnet.specs.convs import _ConvTranspose
from dualnet.specs.graph import Step
from dualnet.specs.spec import Spec

MEGA = 1e6


@dataclass(frozen=True)
class Seen:
    """One live layer: what the framework calls it, its output for one example, its trained numbers and its work."""

    path: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int

    def cells(self) -> tuple[str, ...]:
        """Return its cells of the table."""
        shape = ", ".join(map(str, ("N", *self.shape)))
        return self.kind, f"({shape})", f"{self.parameters:,}", f"{self.multiply_adds:,}"


def summary(spec: Spec | str | Path, *, bench: Bench = HERE) -> Result:
    """Build a spec on every backend, send one example through, and tell what each live layer is, gives and costs.

    Multiply-adds are products of weights and values: those of Linear and convolutions. Sizes are those of the bench's
    precision; activations are every layer's output for one example. Raises ``SpecError``.
    """
    net = spec_of(spec)
    one = {name: np.zeros((1, *shape), bench.dtype) for name, shape in net.inputs.items()}

    def side(name: str) -> list[Seen]:
        session = bench.open(name, net, shared_masks=False)
        made, held = session.forward(one)["layers"], session.weights()
        steps = {step.path: step for step in net.graph.leaves()}
        return [_seen(facts, made, held, steps[facts["path"]]) for facts in session.structure()]

    seen = bench.each(side)
    heads = [f"{name} {what}" for name in seen for what in ("layer", "output", "parameters", "multiply-adds")]
    sides = zip(*seen.values(), strict=True)
    rows = [(each[0].path, *(cell for layer in each for cell in layer.cells())) for each in sides]
    layers = Table("Layer by layer", ("layer", *heads), tuple(rows))
    return Result(
        "summary",
        f"{net.name}: {net.about}" if net.about else net.name,
        [],
        [layers, _sizes(net, seen, bench)],
        {"spec": net.name, "layers": {name: [vars(each) for each in side] for name, side in seen.items()}},
        settings={"spec": net.name, "dtype": bench.dtype},
    )


def _seen(facts: LayerFacts, made: Arrays, held: Arrays, step: Step) -> Seen:
    """Return a layer as it was seen: a kernel is used once for each place of its output, if transposed of its input."""
    path, weight = facts["path"], held.get(f"{step.owner}.weight")
    shape = made[path].shape[1:]  # in the spec's order; the facts have the order of memory
    work = 0
    if weight is not None and weight.ndim > 1:
        used = step.in_shapes[0] if isinstance(step.layer, _ConvTranspose) else shape
        work = weight.size * math.prod(used[1:] if weight.ndim > 2 else used[:-1])
    return Seen(path, facts["kind"], tuple(facts["shape"]), facts["parameters"], work)


def _sizes(net: Spec, seen: Mapping[str, list[Seen]], bench: Bench) -> Table:
    width = np.dtype(bench.dtype).itemsize
    buffers = sum(math.prod(p.shape) for p in net.parameters.values() if not p.trainable)
    rows = []
    for name, side in seen.items():
        parameters = sum(each.parameters for each in side)
        activations = sum(math.prod(each.shape) for each in side)
        cells = (parameters * width, buffers * width, activations * width)
        work = f"{sum(each.multiply_adds for each in side):,}"
        rows.append((name, f"{parameters:,}", *(f"{size / MEGA:.3f}" for size in cells), work))
    heads = ("side", "parameters", "parameters, MB", "buffers, MB", "activations, MB", "multiply-adds")
    return Table("In all", heads, tuple(rows), f"{bench.dtype}; activations and multiply-adds are those of one example")
