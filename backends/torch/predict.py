"""Prediction: a module called in evaluation mode, without a graph."""

from typing import Any

import numpy as np
import torch
from torch import nn

from dualnet.specs.program import replaced


class Caller:
    """Calls a module on arrays; it stays in whichever modes its parts are in."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Return what the module gives, in its own structure, arrays for tensors."""
        trained = [each for each in self.module.modules() if each.training]
        held = next(self.module.parameters(), None)
        try:
            for each in trained:
                each.training = False
            with torch.inference_mode():
                made = self.module(*(_tensors(arg, held) for arg in args), **_tensors(named, held))
        finally:
            for each in trained:
                each.training = True
        return replaced(made, lambda tensor: tensor.cpu().numpy() if isinstance(tensor, torch.Tensor) else tensor)


def _tensors(value: Any, held: Any) -> Any:
    """Return arrays as tensors where the parameters are, floating ones in their precision."""

    def tensor(array: Any) -> Any:
        if not isinstance(array, np.ndarray):
            return array
        kind = held.dtype if held is not None and array.dtype.kind == "f" else None
        return torch.tensor(
            array, dtype=kind, device=None if held is None else held.device
        )  # a copy: a layer may write

    return replaced(value, tensor)
