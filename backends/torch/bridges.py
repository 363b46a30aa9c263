"""Modules for what ``torch.nn`` has no class for, or none with this meaning."""

import math
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Add(nn.Module):
    """Sum of its inputs."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return Σ inputs, broadcast."""
        total = inputs[0]
        for tensor in inputs[1:]:
            total = total + tensor
        return total


class Subtract(nn.Module):
    """The first input less the second."""

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Return left - right, broadcast."""
        return left - right


class Average(nn.Module):
    """Mean of its inputs."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return Σ inputs / their number, broadcast."""
        return sum(inputs[1:], inputs[0]) / len(inputs)


class Maximum(nn.Module):
    """Largest of its inputs, entry by entry."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the maximum, broadcast."""
        return reduce(torch.maximum, inputs)


class Minimum(nn.Module):
    """Smallest of its inputs, entry by entry."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the minimum, broadcast."""
        return reduce(torch.minimum, inputs)


class Multiply(nn.Module):
    """Product of its inputs."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return Π inputs, broadcast."""
        product = inputs[0]
        for tensor in inputs[1:]:
            product = product * tensor
        return product


class Concat(nn.Module):
    """Inputs joined along ``dim``."""

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the joined inputs."""
        return torch.cat(inputs, self.dim)


class Sum(nn.Module):
    """Σ x along ``dim``, which stays."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum."""
        return x.sum(self.dim, keepdim=True)


class Halve(nn.Module):
    """x, halved while Σ|x| is finite and above ``limit``."""

    def __init__(self, limit: float = 1.0) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, x: Tensor) -> Tensor:
        """Return x / 2ᵏ."""
        while self.limit < x.abs().sum() < math.inf:
            x = x / 2
        return x


class Reshape(nn.Module):
    """(N, …) → (N, *shape)."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """Return x in the new shape."""
        return x.reshape(x.shape[0], *self.shape)


class ShiftedReLU(nn.Module):
    """max(x, 0) - shift."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = shift

    def forward(self, x: Tensor) -> Tensor:
        """Return max(x, 0) - shift."""
        return F.relu(x) - self.shift


class Hardsigmoid(nn.Module):
    """relu6(x + 3) / 6. ``nn.Hardsigmoid`` multiplies the gradient by float32(1/6), also in float64."""

    def forward(self, x: Tensor) -> Tensor:
        """Return relu6(x + 3) / 6."""
        return F.relu6(x + 3) / 6


class Hardswish(nn.Module):
    """x·relu6(x + 3) / 6, as ``Hardsigmoid`` above."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x·relu6(x + 3) / 6."""
        return x * F.relu6(x + 3) / 6


class CELU(nn.Module):
    """max(x, 0) + min(0, alpha·(e^(x/alpha) - 1)). ``nn.CELU`` holds 1/alpha in float32 for its gradient."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of x."""
        return torch.where(x > 0, x, self.alpha * torch.expm1(torch.where(x > 0, 0, x) / self.alpha))


class Exponential(nn.Module):
    """eˣ."""

    def forward(self, x: Tensor) -> Tensor:
        """Return eˣ."""
        return x.exp()


class BiasedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """BatchNorm whose running variance follows the biased batch variance, as Keras's does."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any rank."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x normalised by the batch in training, by the running statistics else."""
        if not self.training:
            return super().forward(x)
        axes = [axis for axis in range(x.dim()) if axis != 1]
        with torch.no_grad():
            variance, mean = torch.var_mean(x, axes, correction=0)  # in 16 bits under autocast
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)
        return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)
