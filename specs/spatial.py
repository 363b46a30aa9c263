"""Layers that move places about, and change no value: padding, cropping, resizing, shuffling, windows as columns."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from dualnet.errors import SpecError
from dualnet.specs.kinds import Counts, Ends, Scales, Size, Sizes
from dualnet.specs.layers import Layer, _Spatial


@dataclass(frozen=True)
class Pad(_Spatial):
    """[C, …places] with more places around: ``value``, the mirror image, the edge, or the other end.

    ``padding`` is one amount for all ends, or a list of one for each axis; an amount is a number or (before, after).
    PyTorch's ZeroPad2d, ConstantPad2d, ReflectionPad2d, ReplicationPad2d, CircularPad2d; Keras's ZeroPadding2D.
    """

    spatial: ClassVar[int] = 0
    padding: Ends
    mode: Literal["constant", "reflect", "replicate", "circular"] = "constant"
    value: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.value and self.mode != "constant":
            msg = f"{self.place()}: value is what mode 'constant' pads with. Received: mode={self.mode!r}"
            raise SpecError(msg)


@dataclass(frozen=True)
class Cropping(_Spatial):
    """[C, …places] with so many places fewer at the ends; ``amounts`` are given as those of ``Pad``."""

    spatial: ClassVar[int] = 0
    amounts: Ends


@dataclass(frozen=True)
class Upsample(_Spatial):
    """[C, …places] of another ``size``, or of floor(places·``scale``): one number, or one for each axis.

    Output place i looks at (i + ½)·step - ½, or with ``align_corners`` at i·(old - 1)/(new - 1); step is 1/scale if
    that is given, else old/new. "linear" is PyTorch's linear, bilinear and trilinear, which copies an axis that keeps
    its size, whatever the scale; "cubic" (images) is its bicubic. "nearest" takes ⌊i·step⌋, also where a size is kept
    or doubled by a scale that is not quite 1 or 2, which PyTorch's kernels ignore. "nearest-exact" takes
    ⌊(i + ½)·step⌋. ``keras.layers.UpSampling2D``'s "bilinear" is "linear".
    """

    spatial: ClassVar[int] = 0
    scale: Scales | None = None
    size: Sizes | None = None
    mode: Literal["nearest", "nearest-exact", "linear", "cubic"] = "nearest"
    align_corners: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.scale is None) == (self.size is None):
            given = f"scale={self.scale} and size={self.size}"
            msg = f"{self.place()}: it takes scale or size, one of the two. Received: {given}"
            raise SpecError(msg)
        if self.align_corners and self.mode.startswith("nearest"):
            msg = f"{self.place()}: align_corners is for mode 'linear' or 'cubic'. Received: mode={self.mode!r}"
            raise SpecError(msg)


@dataclass(frozen=True)
class PixelShuffle(_Spatial):
    """(C·r², H, W) → (C, H·r, W·r), r the ``factor`` (Shi et al. 2016)."""

    factor: Size


@dataclass(frozen=True)
class PixelUnshuffle(_Spatial):
    """(C, H·r, W·r) → (C·r², H, W), r the ``factor``."""

    factor: Size


@dataclass(frozen=True)
class ChannelShuffle(_Spatial):
    """Channels of ``groups`` dealt out in turn: (g, n) is read as (n, g) (Zhang et al. 2018)."""

    spatial: ClassVar[int] = 0
    groups: Size


@dataclass(frozen=True)
class Unfold(Layer):
    """(C, H, W) → (C·kh·kw, windows): every window as a column. Padding is zeros."""

    spatial: ClassVar[int] = 2
    kernel: Sizes
    stride: Sizes = 1
    padding: Counts = 0
    dilation: Sizes = 1


@dataclass(frozen=True)
class Fold(Layer):
    """(C·kh·kw, windows) → (C, *size): columns added up where ``Unfold`` took them from, its adjoint."""

    spatial: ClassVar[int] = 2
    size: Sizes
    kernel: Sizes
    stride: Sizes = 1
    padding: Counts = 0
    dilation: Sizes = 1
