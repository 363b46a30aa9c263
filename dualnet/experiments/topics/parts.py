"""A block of convolution, BatchNorm, activation and pooling: shapes, sizes, and what each part does to statistics."""

import math
from typing import Any

import numpy as np

from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.forecast import announcement
from dualnet.experiments.topics.pictures import agreement, images
from dualnet.report.exhibits import Bars, Group, Table, numbers
from dualnet.report.result import Result
from dualnet.specs import cost
from dualnet.specs.layers import BatchNorm2d, Conv2d, MaxPool2d, ReLU, Sequential
from dualnet.specs.spec import Spec

BLOCK = Sequential(
    Conv2d(16, 3, padding=1, name="conv"), BatchNorm2d(name="norm"), ReLU(name="relu"), MaxPool2d(2, name="pool")
)
IMAGES = 256


def block(*, bench: Bench = HERE, **_: Any) -> Result:
    """Send a batch through the block in training mode on every backend, in float64, and measure after each part."""
    bench.say(announcement(f"{IMAGES} images through one block", 3.0))
    batch, source = images(IMAGES)
    spec = Spec("block", BLOCK, (1, 28, 28))
    made = bench.each(lambda name: bench.open(name, spec, dtype="float64").forward({"input": batch}, training=True))
    layers = {name: found["layers"] for name, found in made.items()}
    gap, verdict = agreement({name: found["outputs"][0] for name, found in made.items()})
    first = next(iter(layers.values()))
    rows = []
    for step in spec.graph.leaves():
        own = [p for name, p in spec.parameters.items() if name.rpartition(".")[0] == step.path and p.trainable]
        values = first[step.path]
        shape = " x ".join(map(str, step.out_shapes[0]))
        size = f"{sum(math.prod(p.shape) for p in own):,}"
        rows.append(
            (step.path, shape, size, f"{cost.multiply_adds(step):,}", f"{values.mean():+.4f}", f"{values.std():.4f}")
        )
    heads = ("part", "output", "parameters", "multiply-adds", "mean", "std")
    spreads = tuple(
        Group(name, numbers([found[step.path].std() for step in spec.graph.leaves()]), dashed=bench.dashed(name))
        for name, found in layers.items()
    )
    says = ["BatchNorm makes every channel's mean 0 and standard deviation 1, whatever the convolution gave"]
    says += [f"the two sides' outputs differ by {gap:.1e} of the largest value"] if verdict else []
    data = {row[0]: {"mean": float(np.mean(first[row[0]])), "std": float(np.std(first[row[0]]))} for row in rows}
    shown = Bars("Spread after each part", tuple(row[0] for row in rows), "standard deviation", spreads)
    return Result(
        "blocks_block",
        "Convolution, BatchNorm, activation, pooling",
        says,
        [Table("The block", heads, tuple(rows)), shown],
        data,
        verdict,
        source,
    )
