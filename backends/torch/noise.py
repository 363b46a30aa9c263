"""Noise whose draws can be shared: functions of (key, step, index), the same on every framework."""

import torch
from torch import Tensor

from dualnet.backends.torch.dropout import SharedDropout


class Noise(SharedDropout):
    """Draws of U[0, 1) in training; without a ``key`` they are torch's own. ``rate`` 0 draws nothing."""

    def __init__(self, rate: float, key: int | None = None) -> None:
        super().__init__(rate, key or 0)
        self.own = key is None

    def forward(self, x: Tensor) -> Tensor:
        """Return x with noise in training mode, x itself else."""
        return self.noisy(x) if self.training and self.rate else x

    def noisy(self, x: Tensor) -> Tensor:
        """Return x with noise."""
        raise NotImplementedError

    def uniform(self, like: Tensor) -> Tensor:
        """Return draws in the shape of a tensor."""
        if self.own:
            return torch.rand_like(like)
        return self.drawn(like.shape, like.device).to(like.dtype)

    def normal(self, like: Tensor) -> Tensor:
        """Return draws of N(0, 1), half a spacing up, for 0 has no quantile."""
        if self.own:
            return torch.randn_like(like)
        return torch.special.ndtri(self.drawn(like.shape, like.device) + 2.0**-54).to(like.dtype)


class AlphaDropout(Noise):
    """a·x + b, or a·fallen + b for what falls: entries, or whole ``features``."""

    def __init__(self, rate: float, affine: tuple[float, float, float], features: bool = False, key: int | None = None):
        super().__init__(rate, key)
        self.affine, self.features = affine, features

    def noisy(self, x: Tensor) -> Tensor:
        """Return x with what falls."""
        fallen, scale, shift = self.affine
        like = x[(..., *[slice(1)] * (x.dim() - 2))] if self.features else x
        return torch.where(self.uniform(like) >= self.rate, x, fallen) * scale + shift


class GaussianNoise(Noise):
    """x + N(0, std²)."""

    def noisy(self, x: Tensor) -> Tensor:
        """Return x with noise of standard deviation ``rate``."""
        return x + self.rate * self.normal(x)


class GaussianDropout(Noise):
    """x·N(1, rate / (1 - rate))."""

    def noisy(self, x: Tensor) -> Tensor:
        """Return x with noise."""
        return x * (1 + (self.rate / (1 - self.rate)) ** 0.5 * self.normal(x))


class RReLU(Noise):
    """x above 0, slope·x below."""

    def __init__(self, lower: float, upper: float, key: int | None = None) -> None:
        super().__init__(1.0, key)
        self.lower, self.upper = lower, upper

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation, its slopes drawn in training mode and their mean else."""
        slope = (self.lower + self.upper) / 2
        drawn = self.lower + (self.upper - self.lower) * self.uniform(x) if self.training else slope
        return torch.where(x > 0, x, x * drawn)
