"""Weights: each of a spec's arrays as a tensor of a live module, found by its name."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dualnet.backends import check
from dualnet.backends.protocol import Array, Arrays
from dualnet.backends.torch.device import array_of
from dualnet.specs.spec import Spec


def tensors(model: nn.Module, spec: Spec) -> dict[str, Tensor]:
    """Return every parameter and buffer of a live module by the spec's names. Raises ``WeightsError`` if one lacks."""
    found: dict[str, Tensor] = {}
    for name in spec.parameters:
        path, _, own = name.rpartition(".")
        module: Any = model
        for part in path.split("."):
            module = module._modules.get(part) if isinstance(module, nn.Module) else None
        tensor = getattr(module, own, None)
        if not isinstance(tensor, Tensor):
            check.lacks("torch", spec, name)
        found[name] = tensor
    return found


def weights(model: nn.Module, spec: Spec) -> Arrays:
    """Return every parameter and buffer of a live module by the spec's names, copied."""
    return {name: array_of(tensor) for name, tensor in tensors(model, spec).items()}


def load(model: nn.Module, spec: Spec, arrays: Mapping[str, Array]) -> None:
    """Put arrays by the spec's names into a live module: all of them, or none if one does not fit."""
    held = tensors(model, spec)
    check.weights(spec, arrays)
    check.precision(spec, arrays, {name: str(tensor.dtype).rpartition(".")[2] for name, tensor in held.items()})
    with torch.no_grad():
        for name, tensor in held.items():
            tensor.copy_(torch.from_numpy(np.array(arrays[name])))
