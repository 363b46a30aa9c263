"""Scales: learned slopes, gates, and norms that divide by the size of what they read."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

from dualnet.specs.initializers import Initializer
from dualnet.specs.kinds import Axis, Numbers, Positive, Size
from dualnet.specs.layers import Layer


@dataclass(frozen=True)
class PReLU(Layer):
    """x above 0, ``weight``·x below (He et al. 2015); starts at 0.25 (PyTorch) or 0 (Keras).

    One ``slopes`` "all" entries share, (1,); one for each of the "channels", (C,) along dim 1; or of the "entries",
    which is Keras's default.
    """

    lacks: ClassVar[dict[str, str]] = {
        "num_parameters": 'slopes "all" is num_parameters=1, "channels" is C of them.',
        "shared_axes": 'slopes "all" shares them all, "channels" all but the channels, "entries" none.',
    }

    slopes: Literal["all", "channels", "entries"] = "all"
    _: KW_ONLY
    trainable: bool = True
    weight_init: Initializer | None = None


@dataclass(frozen=True)
class GLU(Layer):
    """a·σ(b), a and b the halves along ``dim`` (Dauphin et al. 2017)."""

    dim: Axis = -1


@dataclass(frozen=True)
class Softmin(Layer):
    """e⁻ˣ / Σ e⁻ˣ along ``dim``."""

    dim: Axis = -1


@dataclass(frozen=True)
class RMSNorm(Layer):
    """x / √(mean x² + epsilon) over the last ``axes`` axes, times ``weight`` of their shape (Zhang & Sennrich 2019).

    ``epsilon`` left out is the smallest ε for which 1 + ε ≠ 1 in the precision at work (PyTorch); Keras's is 1e-6.
    """

    axes: Size = 1
    epsilon: Positive | None = None
    affine: bool = True


@dataclass(frozen=True)
class UnitNormalization(Layer):
    """x / max(‖x‖₂, epsilon) along ``dim`` (Keras; ``torch.nn.functional.normalize``)."""

    dim: Axis = -1
    epsilon: Positive = 1e-12


@dataclass(frozen=True)
class Normalization(Layer):
    """(x - mean) / max(√variance, 1e-7) with fixed numbers, one or one for each entry of ``dim`` (Keras).

    ``invert`` undoes it: x·max(√variance, 1e-7) + mean.
    """

    mean: Numbers
    variance: Numbers
    _: KW_ONLY
    dim: Axis = 1
    invert: bool = False

    def affine(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the scale and the offset that this is."""
        size = max(len(self.mean), len(self.variance))
        stds = [max(math.sqrt(each), 1e-7) for each in self.variance] * (size // len(self.variance))
        means = [float(each) for each in self.mean] * (size // len(self.mean))
        if self.invert:
            return tuple(stds), tuple(means)
        return tuple(1 / std for std in stds), tuple(-mean / std for mean, std in zip(means, stds, strict=True))


@dataclass(frozen=True)
class Rescaling(Layer):
    """scale·x + offset with fixed numbers (Keras)."""

    scale: float
    offset: float = 0.0
