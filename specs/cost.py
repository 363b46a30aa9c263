"""Cost: the multiply-adds of a layer for one example, counted as the textbooks do: products of weights and values."""

import math
from collections.abc import Callable
from typing import Any

from dualnet.specs import attention as A
from dualnet.specs import convs as V
from dualnet.specs import layers as L
from dualnet.specs import products as P
from dualnet.specs import recurrent as R
from dualnet.specs.graph import Step
from dualnet.specs.sequence_shapes import heads, trio
from dualnet.specs.spec import Spec
from dualnet.specs.weights import parameters_of


def multiply_adds(step: Step) -> int:
    """Return the multiply-adds of a step for one example; 0 for layers without products of weights and values.

    Linear: out x in for each position. Convolution: out-channels x (in / groups) x kernel area for each output place
    (Howard et al. 2017); transposed, the same for each place that it reads. Recurrent layers: every matrix once for
    each step. Attention: its projections, and Lq x Lk products for scores and for values, of every feature of every
    head. Bilinear: its weight for each position.
    """
    layer, made, read = step.layer, step.out_shapes[0], step.in_shapes[0]
    if isinstance(layer, L.Linear):
        return math.prod(made) * read[-1]
    if isinstance(layer, L._Conv):
        return math.prod(made) * (read[0] // layer.groups) * math.prod(layer.kernel)
    if isinstance(layer, V._ConvTranspose):
        return math.prod(read) * (layer.channels // layer.groups) * math.prod(layer.kernel)
    if isinstance(layer, tuple(RULES)):
        return RULES[type(layer)](step)
    return 0


def _recurrent(step: Step) -> int:
    matrices = (p.shape for p in parameters_of(step.layer, step.in_shapes) if len(p.shape) == 2)
    return step.in_shapes[0][0] * sum(math.prod(shape) for shape in matrices)


def _multihead(step: Step) -> int:
    layer: Any = step.layer
    (queries, query), (keys, key), (_, value) = trio(step.in_shapes)
    size, wide, groups = heads(layer, (queries, query))
    made: int = queries * layer.heads * (query * size + wide * step.out_shapes[0][-1])
    made += keys * groups * (key * size + value * wide) + layer.heads * queries * keys * (size + wide)
    return made


def _attention(step: Step) -> int:
    (queries, size), (keys, _), (_, wide) = trio(step.in_shapes)
    return int(queries * keys * (size + wide))


def _bilinear(step: Step) -> int:
    return math.prod(step.out_shapes[0]) * step.in_shapes[0][-1] * step.in_shapes[1][-1]


RULES: dict[type[L.Layer], Callable[[Step], int]] = {
    **dict.fromkeys((R.RNN, R.LSTM, R.GRU), _recurrent),
    A.MultiheadAttention: _multihead,
    A.Attention: _attention,
    P.Bilinear: _bilinear,
}


def total(spec: Spec) -> int:
    """Return the multiply-adds of a model for one example."""
    return sum(multiply_adds(step) for step in spec.graph.leaves())
