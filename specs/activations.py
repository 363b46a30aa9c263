"""More activations, each entry by entry; the common ones stand in ``dualnet.specs.layers``.

The formulas are those of ``torch.nn``; where Keras's layer or function means another, the field says so.
"""

from dataclasses import dataclass

from dualnet.errors import SpecError
from dualnet.specs.kinds import NonNegative, Positive
from dualnet.specs.layers import Layer


@dataclass(frozen=True)
class _Activation(Layer):
    pass


@dataclass(frozen=True)
class SELU(_Activation):
    """1.0507·x above 0, 1.0507·1.6733·(eˣ - 1) below (Klambauer et al. 2017)."""


@dataclass(frozen=True)
class CELU(_Activation):
    """max(x, 0) + min(0, alpha·(e^(x/alpha) - 1)) (Barron 2017)."""

    alpha: Positive = 1.0


@dataclass(frozen=True)
class Softplus(_Activation):
    """log(1 + e^(beta·x)) / beta; where beta·x exceeds ``threshold``, x itself (PyTorch). 0: nowhere (Keras)."""

    beta: Positive = 1.0
    threshold: NonNegative = 20.0


@dataclass(frozen=True)
class Softsign(_Activation):
    """x / (1 + |x|)."""


@dataclass(frozen=True)
class Hardtanh(_Activation):
    """x cut off at ``low`` and ``high``; ReLU6 is Hardtanh(0, 6)."""

    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low < self.high:
            msg = f"{self.place()}: low must lie below high. Received: low={self.low} and high={self.high}"
            raise SpecError(msg)


@dataclass(frozen=True)
class Hardswish(_Activation):
    """x·min(max(x + 3, 0), 6) / 6 (Howard et al. 2019); Keras calls it hard_silu."""


@dataclass(frozen=True)
class LogSigmoid(_Activation):
    """-log(1 + e⁻ˣ)."""


@dataclass(frozen=True)
class Tanhshrink(_Activation):
    """x - tanh x."""


@dataclass(frozen=True)
class Softshrink(_Activation):
    """x - limit above limit, x + limit below -limit, 0 between."""

    limit: NonNegative = 0.5


@dataclass(frozen=True)
class Hardshrink(_Activation):
    """x outside [-limit, limit], 0 inside."""

    limit: NonNegative = 0.5


@dataclass(frozen=True)
class Threshold(_Activation):
    """x above ``limit``, ``value`` else."""

    limit: float
    value: float = 0.0


@dataclass(frozen=True)
class Mish(_Activation):
    """x·tanh(log(1 + eˣ)) (Misra 2019)."""


@dataclass(frozen=True)
class Exponential(_Activation):
    """eˣ."""


@dataclass(frozen=True)
class Identity(_Activation):
    """x."""
