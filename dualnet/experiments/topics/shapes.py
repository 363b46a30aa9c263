"""Shapes: W_out = ⌊(W + 2·padding - dilation·(kernel - 1) - 1) / stride⌋ + 1, against both live models."""

from collections.abc import Iterable
from itertools import product
from typing import Any

import numpy as np

from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.forecast import announcement
from dualnet.report.exhibits import Table
from dualnet.report.result import Result
from dualnet.specs.extents import conv_size
from dualnet.specs.layers import Block, Conv2d
from dualnet.specs.spec import Spec

WIDTH = 28
KERNELS, STRIDES, PADDINGS, DILATIONS = (1, 3, 5), (1, 2, 3), (0, 1, "same"), (1, 2)


def shapes(*, bench: Bench = HERE, **_: Any) -> Result:
    """Build a convolution for every combination, run all of them on both backends, and compare widths."""
    every: Iterable[tuple[int, int, Any, int]] = product(KERNELS, STRIDES, PADDINGS, DILATIONS)
    grid = [each for each in every if each[0] > 1 or each[3] == 1]
    bench.say(announcement(f"{len(grid)} convolutions of an image {WIDTH} pixels wide", 5.0))
    layers = [
        Conv2d(1, k, stride=s, padding=p, dilation=d, name=f"conv{at}", inputs=("input",))
        for at, (k, s, p, d) in enumerate(grid)
    ]
    spec = Spec("shapes", Block(tuple(layers), outputs=tuple(layer.name for layer in layers)), (1, WIDTH, WIDTH))
    image = {"input": np.ones((1, 1, WIDTH, WIDTH), np.float32)}
    made = bench.each(lambda name: bench.open(name, spec).forward(image)["layers"])
    rows, wrong = [], 0
    for layer, (k, s, p, d) in zip(layers, grid, strict=True):
        expected = conv_size(WIDTH, k, s, p, d)
        found = [side[layer.name].shape[-1] for side in made.values()]
        wrong += any(width != expected for width in found)
        rows.append((f"{k}", f"{s}", f"{p}", f"{d}", f"{expected}", *(f"{width}" for width in found)))
    note = "padding same: ⌈W / stride⌉, TensorFlow's rule; PyTorch itself knows it at stride 1 only"
    table = Table(f"Width of what a convolution makes of {WIDTH}", (*HEADS, *made), tuple(rows), note)
    says = [f"{len(grid)} convolutions: {wrong or 'none'} off the formula"]
    data = {"rows": [list(row) for row in rows]}
    return Result("blocks_shapes", "Stride, padding, dilation", says, [table], data, "divergent" if wrong else "equal")


HEADS = ("kernel", "stride", "padding", "dilation", "formula")
