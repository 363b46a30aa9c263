"""Resident: one input of a held data set, of which rows are gathered into batches; images lie channels last."""

from collections.abc import Iterator

import torch
from torch import Tensor

# The order of axes in which images and volumes lie, and the way back. Convolution and pooling are fastest on them so.
# ``to(memory_format=channels_last)`` does nothing to images of one channel, whose strides it finds good for either
# order, and kernels then take the slow one: a step of a small CNN takes 61 ms for 42.
LAST = {4: ((0, 2, 3, 1), (0, 3, 1, 2)), 5: ((0, 2, 3, 4, 1), (0, 4, 1, 2, 3))}


class Resident:
    """A tensor (N, …) on the device; ``spatial`` says that convolutions read it."""

    def __init__(self, tensor: Tensor, spatial: bool) -> None:
        there, back = LAST[tensor.dim()] if spatial and tensor.dim() in LAST else (None, None)
        self.back = back
        self.tensor = tensor if there is None else tensor.permute(there).contiguous()

    def rows(self, row: Tensor) -> Tensor:
        """Return the samples of these numbers, in the shape that the model reads."""
        # index_select copies rows; tensor[row] looks up every number, five times as slow
        return self._turned(torch.index_select(self.tensor, 0, row))

    def batches(self, size: int) -> Iterator[Tensor]:
        """Yield all samples in order, so many at a time."""
        return map(self._turned, self.tensor.split(size))

    def _turned(self, tensor: Tensor) -> Tensor:
        return tensor if self.back is None else tensor.permute(self.back)
