"""Initializers: where weights start. ``fan_in`` and ``fan_out`` are computed in ``dualnet.specs.weights``.

The formulas are those of ``torch.nn.init`` and ``keras.initializers``; the presets say which one a layer takes when
its spec names none.
"""

import math
from dataclasses import dataclass
from typing import Literal

from dualnet.errors import SpecError
from dualnet.specs.kinds import Count, Fraction, NonNegative, Positive, Size
from dualnet.specs.node import Node

Nonlinearity = Literal["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]

# Standard deviation of a normal cut at ±2σ, by which Keras divides so that its truncated draws keep their variance.
TRUNCATED_STD = 0.87962566103423978


@dataclass(frozen=True)
class Initializer(Node, family=True):
    """Base of all initializers."""


def _ordered(node: Initializer, low: float, high: float, names: tuple[str, str] = ("low", "high")) -> None:
    if low >= high:
        below = f"{names[0]} must lie below {names[1]}"
        msg = f"{node.place()}: {below}. Received: {names[0]}={low} and {names[1]}={high}"
        raise SpecError(msg)


@dataclass(frozen=True)
class Zeros(Initializer):
    """All zeros."""


@dataclass(frozen=True)
class Ones(Initializer):
    """All ones."""


@dataclass(frozen=True)
class Constant(Initializer):
    """All ``value``."""

    value: float


@dataclass(frozen=True)
class Uniform(Initializer):
    """U(low, high)."""

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _ordered(self, self.low, self.high)


@dataclass(frozen=True)
class Normal(Initializer):
    """N(mean, std²)."""

    mean: float = 0.0
    std: NonNegative = 1.0


@dataclass(frozen=True)
class TruncatedNormal(Initializer):
    """N(mean, std²) conditioned on low ≤ x ≤ high, absolute bounds as in ``torch.nn.init.trunc_normal_``.

    Keras's ``TruncatedNormal(mean, stddev)`` is low = mean - 2·stddev, high = mean + 2·stddev.
    """

    mean: float = 0.0
    std: Positive = 1.0
    low: float = -2.0
    high: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _ordered(self, self.low, self.high)


@dataclass(frozen=True)
class Eye(Initializer):
    """The identity, for weights of two axes."""


@dataclass(frozen=True)
class Dirac(Initializer):
    """Output channel i passes input channel i through, for convolution weights (``torch.nn.init.dirac_``)."""


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """gain·Q with orthonormal rows or columns (Saxe et al. 2013), rows being output channels."""

    gain: float = 1.0


@dataclass(frozen=True)
class XavierUniform(Initializer):
    """U(±gain·√(6 / (fan_in + fan_out))) (Glorot & Bengio 2010)."""

    gain: Positive = 1.0


@dataclass(frozen=True)
class XavierNormal(Initializer):
    """Variance gain²·2 / (fan_in + fan_out); ``truncated`` cuts at 2σ and rescales, as Keras's GlorotNormal does."""

    gain: Positive = 1.0
    truncated: bool = False


@dataclass(frozen=True)
class KaimingUniform(Initializer):
    """U(±gain·√(3 / fan)), gain of the nonlinearity (He et al. 2015). ``slope`` is leaky_relu's."""

    mode: Literal["fan_in", "fan_out"] = "fan_in"
    nonlinearity: Nonlinearity = "relu"
    slope: float = 0.01


@dataclass(frozen=True)
class KaimingNormal(Initializer):
    """Variance gain² / fan; ``truncated`` cuts at 2σ and rescales, as Keras's HeNormal does."""

    mode: Literal["fan_in", "fan_out"] = "fan_in"
    nonlinearity: Nonlinearity = "relu"
    slope: float = 0.01
    truncated: bool = False


@dataclass(frozen=True)
class LecunUniform(Initializer):
    """U(±√(3 / fan_in)) (LeCun et al. 1998)."""


@dataclass(frozen=True)
class LecunNormal(Initializer):
    """Variance 1 / fan_in; ``truncated`` as Keras's LecunNormal does."""

    truncated: bool = False


@dataclass(frozen=True)
class VarianceScaling(Initializer):
    """Variance scale / n, n the fan of ``mode``, "fan_avg" their mean (``keras.initializers.VarianceScaling``).

    "truncated_normal" cuts at 2σ and rescales, so that the variance after the cut is that.
    """

    scale: Positive = 1.0
    mode: Literal["fan_in", "fan_out", "fan_avg"] = "fan_in"
    distribution: Literal["truncated_normal", "untruncated_normal", "uniform"] = "truncated_normal"


@dataclass(frozen=True)
class Sparse(Initializer):
    """N(0, std²), and in each column (the weights of one input) ⌈sparsity·out⌉ zeros at random places.

    For weights of two axes (``torch.nn.init.sparse_``; Martens 2010).
    """

    sparsity: Fraction
    std: Positive = 0.01


@dataclass(frozen=True)
class FanInUniform(Initializer):
    """U(±1 / √fan_in) of the layer's weight: PyTorch's rule for the bias of Linear and Conv."""


@dataclass(frozen=True)
class Rows(Initializer):
    """``rest``, but rows ``first`` up to ``end`` (not included) all ``value``.

    A padding row that starts at zero; the ones of an LSTM's forget gate (Jozefowicz et al. 2015).
    """

    rest: Initializer
    first: Count
    end: Size
    value: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _ordered(self, self.first, self.end, ("first", "end"))


def gain(nonlinearity: str, slope: float = 0.01) -> float:
    """Return the gain that keeps variance through a nonlinearity (``torch.nn.init.calculate_gain``)."""
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2.0), "selu": 0.75}
    return math.sqrt(2.0 / (1.0 + slope * slope)) if nonlinearity == "leaky_relu" else gains[nonlinearity]


PRESETS: dict[str, dict[str, Initializer]] = {
    "torch_default": {
        "weight": KaimingUniform(nonlinearity="leaky_relu", slope=math.sqrt(5.0)),
        "bias": FanInUniform(),
    },
    "keras_default": {"weight": XavierUniform(), "bias": Zeros()},
}
