"""Layers that treat each channel as a whole: norms and dropout of places; the common ones stand in ``layers``."""

from dataclasses import dataclass
from typing import ClassVar

from dualnet.specs.kinds import Fraction, Positive, Share, Size
from dualnet.specs.layers import _BatchNorm, _Spatial


@dataclass(frozen=True)
class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (N, C, D, H, W); the fields mean what they mean in ``BatchNorm1d``."""


@dataclass(frozen=True)
class _InstanceNorm(_Spatial):
    epsilon: Positive = 1e-5
    momentum: Share = 0.1
    affine: bool = False
    track_running_stats: bool = False


@dataclass(frozen=True)
class InstanceNorm1d(_InstanceNorm):
    """Normalisation of each example and channel of (N, C, L); the fields mean what they mean in ``InstanceNorm2d``."""

    spatial: ClassVar[int] = 1


@dataclass(frozen=True)
class InstanceNorm2d(_InstanceNorm):
    """Normalisation of each example and channel of (N, C, H, W) over its places (Ulyanov et al. 2016).

    With ``track_running_stats``, running ← (1 - momentum)·running + momentum·(mean of the examples'), their variances
    times n/(n-1), and evaluation uses those. Keras's like is ``GroupNormalization(groups=-1)``.
    """


@dataclass(frozen=True)
class InstanceNorm3d(_InstanceNorm):
    """Normalisation of each example and channel of (N, C, D, H, W); the fields as in ``InstanceNorm2d``."""

    spatial: ClassVar[int] = 3


@dataclass(frozen=True)
class _ChannelDropout(_Spatial):
    rate: Fraction = 0.5


@dataclass(frozen=True)
class Dropout1d(_ChannelDropout):
    """Dropout of whole channels of (N, C, L): Keras's SpatialDropout1D; otherwise as ``Dropout``."""

    spatial: ClassVar[int] = 1


@dataclass(frozen=True)
class Dropout2d(_ChannelDropout):
    """Dropout of whole channels of (N, C, H, W): Keras's SpatialDropout2D; otherwise as ``Dropout``."""


@dataclass(frozen=True)
class Dropout3d(_ChannelDropout):
    """Dropout of whole channels of (N, C, D, H, W): Keras's SpatialDropout3D; otherwise as ``Dropout``."""

    spatial: ClassVar[int] = 3


@dataclass(frozen=True)
class LocalResponseNorm(_Spatial):
    """x / (k + alpha/size · Σ x²)^beta, the sum over ``size`` neighbouring channels (Krizhevsky et al. 2012).

    ⌊size/2⌋ of them stand before the channel, as in PyTorch.
    """

    spatial: ClassVar[int] = 0
    size: Size
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0
