"""Dropout by shared masks: the same entries fall on every framework."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dualnet.backends.masks import GOLDEN, MIX1, MIX2, SHIFTS, STRIDE, signed


class SharedDropout(nn.Module):
    """Inverted dropout whose mask is a function of (key, step, index). The session sets ``step``.

    The last ``alike`` axes share a draw: whole channels go. ``first`` is the place in the batch of the first example,
    where a rank sees a slice of it.
    """

    first = 0

    def __init__(self, rate: float, key: int, alike: int = 0) -> None:
        super().__init__()
        self.rate, self.key, self.alike, self.step = rate, key, alike, 0

    def forward(self, x: Tensor) -> Tensor:
        """Return x with dropped entries in training mode, x itself else."""
        if not self.training or self.rate == 0.0:
            return x
        shape = (*x.shape[: x.dim() - self.alike], *(1 for _ in range(self.alike)))
        kept = self.drawn(shape, x.device) >= self.rate
        return x * kept.to(x.dtype) / (1.0 - self.rate)

    def drawn(self, shape: Sequence[int], device: torch.device) -> Tensor:
        """Return draws of U[0, 1), float64, examples along the first axis."""
        start = self.first * math.prod(shape[1:])
        return uniforms(self.key, self.step, math.prod(shape), device, start).reshape(shape)


def uniforms(key: int, step: int, size: int, device: torch.device, start: int = 0) -> Tensor:
    """Return ``masks.uniforms`` from an index on, in wrap-around int64, whose bits are those of uint64."""
    index = torch.arange(start, start + size, dtype=torch.int64, device=device)
    z = (index + signed(key + step * STRIDE)) * signed(GOLDEN)
    z = (z ^ _right(z, SHIFTS[0])) * signed(MIX1)
    z = (z ^ _right(z, SHIFTS[1])) * signed(MIX2)
    return _right(z ^ _right(z, SHIFTS[2]), 11).to(torch.float64) * 2.0**-53


def _right(z: Tensor, bits: int) -> Tensor:
    """Return z >> bits with zeros shifted in."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)
