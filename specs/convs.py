"""More convolutions: of signals and of volumes, and transposed ones; ``Conv2d`` stands in ``dualnet.specs.layers``.

Keras's separable convolution is two of them: ``Conv2d(in · multiplier, kernel, groups=in, bias=False)`` with stride,
padding and dilation, and ``fans="depthwise"`` to start as Keras starts it; then ``Conv2d(channels, 1)``.
"""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from dualnet.errors import SpecError
from dualnet.specs.initializers import Initializer
from dualnet.specs.kinds import Causal, Counts, Padding, Size, Sizes
from dualnet.specs.layers import _Conv, _Spatial


@dataclass(frozen=True)
class Conv1d(_Conv):
    """1-D cross-correlation, ``weight`` (channels, in / groups, kernel); the fields mean what they mean in ``Conv2d``.

    ``padding`` "causal" puts dilation·(kernel - 1) in front and nothing behind: no output sees a later input (Keras).
    """

    spatial: ClassVar[int] = 1
    padding: Causal = 0


@dataclass(frozen=True)
class Conv3d(_Conv):
    """3-D cross-correlation, ``weight`` (channels, in / groups, kernel depth, height, width); as ``Conv2d``."""

    spatial: ClassVar[int] = 3


@dataclass(frozen=True)
class _ConvTranspose(_Spatial):
    channels: Size
    kernel: Sizes
    _: KW_ONLY
    stride: Sizes = 1
    padding: Padding = 0
    output_padding: Counts | None = None
    dilation: Sizes = 1
    groups: Size = 1
    bias: bool = True
    trainable: bool = True
    weight_init: Initializer | None = None
    bias_init: Initializer | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for more, *steps in zip(self.output_padding or (), self.stride, self.dilation, strict=False):
            if more >= max(steps):
                rule = f"below the stride or the dilation, of which the larger is {max(steps)}"
                msg = f"{self.place()}: output_padding must lie {rule}. Received: output_padding={more}"
                raise SpecError(msg)


@dataclass(frozen=True)
class ConvTranspose1d(_ConvTranspose):
    """The adjoint of ``Conv1d``; the fields mean what they mean in ``ConvTranspose2d``."""

    spatial: ClassVar[int] = 1


@dataclass(frozen=True)
class ConvTranspose2d(_ConvTranspose):
    """The adjoint of ``Conv2d``: ``weight`` (in, channels / groups, kernel height, width), ``bias`` (channels,).

    All of it is (size - 1)·stride + dilation·(kernel - 1) + 1 long. ``padding`` cuts that off both ends, and
    ``output_padding`` (left out: 0) gives back so much at the end (PyTorch). ``"same"`` makes it size·stride long, the
    odd place cut at the end; with ``output_padding`` given, the whole less 2·⌊kernel / 2⌋ plus that (Keras).
    Keras's "valid" is padding 0 and, where the stride exceeds the kernel, output_padding stride - kernel.

    Both frameworks' fans: (channels / groups · area, in · area).
    """


@dataclass(frozen=True)
class ConvTranspose3d(_ConvTranspose):
    """The adjoint of ``Conv3d``; the fields mean what they mean in ``ConvTranspose2d``."""

    spatial: ClassVar[int] = 3
