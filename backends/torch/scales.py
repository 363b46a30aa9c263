"""Slopes, norms, products and moves that ``torch.nn`` has no class for, or none with this meaning."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class EntryPReLU(nn.Module):
    """x above 0, weight·x below, a slope for each entry."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation."""
        return torch.where(x > 0, x, self.weight * x)


class UnitNormalization(nn.Module):
    """x / max(‖x‖₂, epsilon) along ``dim``."""

    def __init__(self, dim: int = -1, epsilon: float = 1e-12) -> None:
        super().__init__()
        self.dim, self.epsilon = dim, epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Return x normalised."""
        return F.normalize(x, dim=self.dim, eps=self.epsilon)


class Affine(nn.Module):
    """scale·x + offset; numbers, or one for each entry of ``dim``."""

    def __init__(self, scale: tuple[float, ...], offset: tuple[float, ...], dim: int = 1) -> None:
        super().__init__()
        self.scale, self.offset, self.dim = scale, offset, dim

    def forward(self, x: Tensor) -> Tensor:
        """Return scale·x + offset."""
        if len(self.scale) == 1:
            return x * self.scale[0] + self.offset[0]
        shape = [1] * x.dim()
        shape[self.dim] = -1
        scale, offset = (x.new_tensor(each).reshape(shape) for each in (self.scale, self.offset))
        return x * scale + offset


class Dot(nn.Module):
    """Σ over one dim of each input; ``normalize`` divides them by their norms first."""

    def __init__(self, left: int = -1, right: int = -1, normalize: bool = False, epsilon: float = 1e-12) -> None:
        super().__init__()
        self.left, self.right, self.normalize, self.epsilon = left, right, normalize, epsilon

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return (N, the axes of x that are left, those of y), or (N, 1)."""
        if self.normalize:
            x, y = F.normalize(x, dim=self.left, eps=self.epsilon), F.normalize(y, dim=self.right, eps=self.epsilon)
        rows, columns = x.movedim(self.left, -1), y.movedim(self.right, -1)
        made = rows.flatten(1, -2) if rows.dim() > 2 else rows[:, None]
        other = columns if columns.dim() > 2 else columns[:, None]
        return (made @ other.transpose(1, 2)).reshape(x.shape[0], *(*rows.shape[1:-1], *columns.shape[1:-1]) or (1,))


class PairwiseDistance(nn.Module):
    """(Σ |x - y + epsilon|^norm)^(1 / norm) over the last axis, which stays."""

    def __init__(self, norm: float = 2.0, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.norm, self.epsilon = norm, epsilon

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the distances."""
        return F.pairwise_distance(x, y, self.norm, self.epsilon, keepdim=True)


class Permute(nn.Module):
    """The axes in another order; N stays."""

    def __init__(self, *dims: int) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        """Return x in the new order."""
        return x.permute(0, *self.dims)


class RepeatVector(nn.Module):
    """(N, F) → (N, times, F)."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        """Return the rows, repeated."""
        return x.unsqueeze(1).expand(-1, self.times, -1)
