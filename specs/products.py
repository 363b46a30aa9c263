"""Products: two inputs of features or sequences made one, by their entries' products or distances."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from dualnet.specs.initializers import Initializer
from dualnet.specs.kinds import Axis, Positive, Size
from dualnet.specs.layers import Layer


@dataclass(frozen=True)
class Dot(Layer):
    """Σ over dim ``left`` of the first and dim ``right`` of the second input (Keras): (N, other axes of both).

    Of rows (N, F) it is (N, 1). ``normalize`` divides both by max(‖·‖₂, epsilon) first, which makes it the cosine.
    """

    lacks: ClassVar[dict[str, str]] = {"axes": "here they are called left and right."}

    left: Axis = -1
    right: Axis = -1
    _: KW_ONLY
    normalize: bool = False
    epsilon: Positive = 1e-12


@dataclass(frozen=True)
class PairwiseDistance(Layer):
    """(Σ |x - y + epsilon|^norm)^(1 / norm) over the last axis, which stays as one of size 1."""

    lacks: ClassVar[dict[str, str]] = {
        "keepdim": "the axis stays: a wire has an axis besides N.",
        "p": "here it is called norm.",
    }

    norm: Positive = 2.0
    epsilon: Positive = 1e-6


@dataclass(frozen=True)
class Bilinear(Layer):
    """xᵀ W y + b over the last axes. ``weight`` (features, in of x, in of y), ``bias`` (features,)."""

    features: Size
    _: KW_ONLY
    bias: bool = True
    trainable: bool = True
    weight_init: Initializer | None = None
    bias_init: Initializer | None = None
