"""What PyTorch does otherwise than Keras, as a careful person writes it."""

from collections.abc import Iterable

import torch
from torch import Tensor


def clip_by_global_norm(parameters: Iterable[Tensor], limit: float) -> None:
    """Scale all gradients so that their common norm is at most ``limit``; ``clip_grad_norm_`` adds 1e-6 to the norm."""
    slopes = [each.grad for each in parameters if each.grad is not None]
    norm = torch.sqrt(sum((slope**2).sum() for slope in slopes))
    for slope in slopes:
        slope.mul_(torch.clamp(limit / norm, max=1.0))
