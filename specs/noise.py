"""Noise: what falls on entries or channels in training only; masks and draws are the same on every framework."""

import math
from dataclasses import dataclass
from typing import ClassVar

from dualnet.errors import SpecError
from dualnet.specs.kinds import Fraction, NonNegative
from dualnet.specs.layers import Layer

_LACKS = {
    "seed": "draws are keyed by the seed of the session and the name of the layer.",
    "noise_shape": "say by the layer what falls together: entries, or whole channels.",
}


@dataclass(frozen=True)
class _Noise(Layer):
    lacks: ClassVar[dict[str, str]] = _LACKS


@dataclass(frozen=True)
class _AlphaDropout(_Noise):
    rate: Fraction = 0.5

    def affine(self) -> tuple[float, float, float]:
        """Return what dropped entries become, and scale and shift after it, which keep mean 0 and variance 1."""
        fallen = -1.7580993408473766  # -scale·alpha of SELU
        scale = 1.0 / math.sqrt((1.0 - self.rate) * (1.0 + self.rate * fallen**2))
        return fallen, scale, -scale * fallen * self.rate


@dataclass(frozen=True)
class AlphaDropout(_AlphaDropout):
    """a·x + b, or a·α' + b with probability ``rate``: dropout behind SELU (Klambauer et al. 2017)."""


@dataclass(frozen=True)
class FeatureAlphaDropout(_AlphaDropout):
    """``AlphaDropout`` of whole channels: of a row (L, F), of an image (C, H, W), along dim 1."""


@dataclass(frozen=True)
class GaussianNoise(_Noise):
    """x + N(0, std²)."""

    std: NonNegative = 0.1


@dataclass(frozen=True)
class GaussianDropout(_Noise):
    """x·N(1, rate / (1 - rate)) (Srivastava et al. 2014)."""

    rate: Fraction = 0.5


@dataclass(frozen=True)
class RReLU(_Noise):
    """x above 0, slope·x below; slope U(lower, upper) in training, their mean else (Xu et al. 2015)."""

    lower: float = 1 / 8
    upper: float = 1 / 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lower > self.upper:
            msg = f"{self.place()}: lower must not exceed upper. Received: lower={self.lower} and upper={self.upper}"
            raise SpecError(msg)
