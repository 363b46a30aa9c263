"""More pools; those of images that are most used stand in ``dualnet.specs.layers``, and say what the fields mean."""

from dataclasses import dataclass
from typing import ClassVar

from dualnet.specs.kinds import Positive, Size, Sizes
from dualnet.specs.layers import _Adaptive, _AvgPool, _MaxPool, _Spatial


@dataclass(frozen=True)
class MaxPool1d(_MaxPool):
    """Maximum over windows of [C, L]; as ``MaxPool2d``."""

    spatial: ClassVar[int] = 1


@dataclass(frozen=True)
class MaxPool3d(_MaxPool):
    """Maximum over windows of [C, D, H, W]; as ``MaxPool2d``."""

    spatial: ClassVar[int] = 3


@dataclass(frozen=True)
class AvgPool1d(_AvgPool):
    """Mean over windows of [C, L]; as ``AvgPool2d``."""

    spatial: ClassVar[int] = 1


@dataclass(frozen=True)
class AvgPool3d(_AvgPool):
    """Mean over windows of [C, D, H, W]; as ``AvgPool2d``."""

    spatial: ClassVar[int] = 3
    divisor_override: Size | None = None


@dataclass(frozen=True)
class AdaptiveAvgPool1d(_Adaptive):
    """Mean over as many windows as ``size`` asks for; as ``AdaptiveAvgPool2d``."""

    spatial: ClassVar[int] = 1


@dataclass(frozen=True)
class AdaptiveAvgPool3d(_Adaptive):
    """Mean over as many windows as ``size`` asks for; as ``AdaptiveAvgPool2d``."""

    spatial: ClassVar[int] = 3


@dataclass(frozen=True)
class _AdaptiveMax(_Adaptive):
    pass


@dataclass(frozen=True)
class AdaptiveMaxPool1d(_AdaptiveMax):
    """Maximum over the windows of ``AdaptiveAvgPool1d``; of equal values the first takes the gradient."""

    spatial: ClassVar[int] = 1


@dataclass(frozen=True)
class AdaptiveMaxPool2d(_AdaptiveMax):
    """Maximum over the windows of ``AdaptiveAvgPool2d``. Size 1 and Flatten is Keras's ``GlobalMaxPooling2D``."""


@dataclass(frozen=True)
class AdaptiveMaxPool3d(_AdaptiveMax):
    """Maximum over the windows of ``AdaptiveAvgPool3d``; of equal values the first takes the gradient."""

    spatial: ClassVar[int] = 3


@dataclass(frozen=True)
class _LPPool(_Spatial):
    power: Positive
    kernel: Sizes
    stride: Sizes | None = None
    ceil_mode: bool = False


@dataclass(frozen=True)
class LPPool1d(_LPPool):
    """(Σ xᵖ)^(1/p) over windows, p the ``power``; as ``LPPool2d``."""

    spatial: ClassVar[int] = 1


@dataclass(frozen=True)
class LPPool2d(_LPPool):
    """(Σ xᵖ)^(1/p) over windows, p the ``power``: not a number where that sum is negative and 1/p no integer.

    A window that ``ceil_mode`` lets reach over the edge counts the mean of what it holds for what it lacks (PyTorch).
    """


@dataclass(frozen=True)
class LPPool3d(_LPPool):
    """(Σ xᵖ)^(1/p) over windows, p the ``power``; as ``LPPool2d``."""

    spatial: ClassVar[int] = 3
