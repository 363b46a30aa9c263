"""Modules that look through windows, for paddings that ``torch.nn``'s own do not have."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


def same(sizes: Sequence[int], *windows: Sequence[int]) -> list[int]:
    """Return the padding by which there are ceil(size / stride) windows, the odd place at the end, as ``F.pad`` has it.

    ``windows`` are kernel, stride and dilation of each axis.
    """
    pads: list[int] = []
    for size, kernel, stride, dilation in zip(sizes, *windows, strict=True):
        total = max((-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
        pads = [total // 2, total - total // 2, *pads]
    return pads


class _SameConv(nn.modules.conv._ConvNd):
    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of the padded x."""
        return self._conv_forward(self._padded(x), self.weight, self.bias)

    def _padded(self, x: Tensor) -> Tensor:
        pads = same(x.shape[2:], self.kernel_size, self.stride, self.dilation)
        return F.pad(x, pads, "constant" if self.padding_mode == "zeros" else self.padding_mode)


class SameConv1d(_SameConv, nn.Conv1d):
    """Conv1d of output size ceil(size / stride), the odd place of padding at the end (TensorFlow's "same")."""


class SameConv2d(_SameConv, nn.Conv2d):
    """Conv2d of output size ceil(size / stride), the odd place of padding at the end (TensorFlow's "same")."""


class SameConv3d(_SameConv, nn.Conv3d):
    """Conv3d of output size ceil(size / stride), the odd place of padding at the end (TensorFlow's "same")."""


class CausalConv1d(_SameConv, nn.Conv1d):
    """Conv1d padded in front only, so that no output sees a later input (Keras's "causal")."""

    def _padded(self, x: Tensor) -> Tensor:
        ahead = self.dilation[0] * (self.kernel_size[0] - 1)
        return F.pad(x, (ahead, 0), "constant" if self.padding_mode == "zeros" else self.padding_mode)


class _Cut(nn.modules.conv._ConvTransposeNd):
    def __init__(self, *sizes: Any, cut: Sequence[int], behind: Sequence[int], **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.cut, self.behind = cut, behind

    def forward(self, x: Tensor) -> Tensor:
        """Return what is left."""
        y: Tensor = super().forward(x)
        for axis, (first, last) in enumerate(zip(self.cut, self.behind, strict=True), start=2):
            y = y.narrow(axis, first, y.shape[axis] - first - last)
        return y


class CutConvTranspose1d(_Cut, nn.ConvTranspose1d):
    """ConvTranspose1d without the ``cut`` places in front of each axis and those ``behind`` it."""


class CutConvTranspose2d(_Cut, nn.ConvTranspose2d):
    """ConvTranspose2d without the ``cut`` places in front of each axis and those ``behind`` it."""


class CutConvTranspose3d(_Cut, nn.ConvTranspose3d):
    """ConvTranspose3d without the ``cut`` places in front of each axis and those ``behind`` it."""


class NearestUpsample(nn.Module):
    """Place i from place ⌊i / scale⌋, also where ``nn.Upsample`` takes a size that is kept or doubled for its scale."""

    def __init__(self, sizes: Sequence[int], scales: Sequence[float]) -> None:
        super().__init__()
        self.sizes, self.scales = sizes, scales
        for axis, (size, scale) in enumerate(zip(sizes, scales, strict=True), 2):
            self.register_buffer(f"places_{axis}", self._places(size, scale), persistent=False)

    @staticmethod
    def _places(size: int, scale: float) -> Tensor:
        step = np.float32(1.0 / scale)  # as PyTorch holds it; in NumPy, so that it is a number where a call is traced
        places = np.arange(math.floor(size * scale), dtype=np.float32) * step
        return torch.from_numpy(np.minimum(places.astype(np.int64), size - 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return x at its new size; where the layer is shared, that may be another than it was made for."""
        for axis, (size, scale) in enumerate(zip(self.sizes, self.scales, strict=True), 2):
            same, other = x.shape[axis] == size, x.shape[axis]
            places = getattr(self, f"places_{axis}") if same else self._places(other, scale).to(x.device)
            x = x.index_select(axis, places)
        return x


class SameMaxPool(nn.Module):
    """Maximum over ceil(size / stride) windows, the odd place of padding at the end (TensorFlow's "same")."""

    def __init__(self, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> None:
        super().__init__()
        self.kernel, self.stride, self.dilation = kernel, stride, dilation

    def forward(self, x: Tensor) -> Tensor:
        """Return the maxima; padding counts as minus infinity."""
        pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(self.kernel) - 1]
        x = F.pad(x, same(x.shape[2:], self.kernel, self.stride, self.dilation), value=float("-inf"))
        return pool(x, self.kernel, self.stride, 0, self.dilation)


class SameAvgPool(nn.Module):
    """Mean over ceil(size / stride) windows, the odd place of padding at the end (TensorFlow's "same")."""

    def __init__(
        self, kernel: Sequence[int], stride: Sequence[int], counted: bool = False, divisor: int | None = None
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.counted, self.divisor = kernel, stride, counted, divisor

    def forward(self, x: Tensor) -> Tensor:
        """Return the means: padding counts as zeros, or not at all."""
        pads = same(x.shape[2:], self.kernel, self.stride, (1,) * len(self.kernel))
        made = self._pool(F.pad(x, pads), self.divisor)
        if self.counted or self.divisor:
            return made
        return made / self._pool(F.pad(x.new_ones((1, 1, *x.shape[2:])), pads), None)

    def _pool(self, x: Tensor, divisor: int | None) -> Tensor:
        if len(self.kernel) == 1:
            return F.avg_pool1d(x, self.kernel, self.stride)
        pool = F.avg_pool2d if len(self.kernel) == 2 else F.avg_pool3d
        return pool(x, self.kernel, self.stride, divisor_override=divisor)
