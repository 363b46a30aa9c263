"""Cost: the multiply-adds of a layer for one example, counted as the textbooks do: products of weights and values."""

import math

from dualnet.specs import convs as V
from dualnet.specs import layers as L
from dualnet.specs.graph import Step
from dualnet.specs.spec import Spec


def multiply_adds(step: Step) -> int:
    """Return the multiply-adds of a step for one example; 0 for all but Linear and convolutions.

    Linear: out x in for each position. Convolution: out-channels x (in / groups) x kernel area for each output place
    (Howard et al. 2017); transposed, the same for each place that it reads.
    """
    layer, made, read = step.layer, step.out_shapes[0], step.in_shapes[0]
    if isinstance(layer, L.Linear):
        return math.prod(made) * read[-1]
    if isinstance(layer, L._Conv):
        return math.prod(made) * (read[0] // layer.groups) * math.prod(layer.kernel)
    if isinstance(layer, V._ConvTranspose):
        return math.prod(read) * (layer.channels // layer.groups) * math.prod(layer.kernel)
    return 0


def total(spec: Spec) -> int:
    """Return the multiply-adds of a model for one example."""
    return sum(multiply_adds(step) for step in spec.graph.leaves())
