"""What is known of a live ``nn.Module``: the kind and role of each weight, and its values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn
from torch.nn.parameter import UninitializedParameter

from dualnet.backends.draws import Arrays, Order
from dualnet.backends.live import Fact, Inputs
from dualnet.backends.torch.kinds import kind_of
from dualnet.backends.torch.live import TorchLive, named
from dualnet.specs.carry import Carry


def live(model: nn.Module, dtype: str, carries: Sequence[Carry] | None = None, **orders: Any) -> TorchLive:
    """Return a live module."""
    return TorchLive(model, dtype, carries, **orders)


def facts(module: nn.Module) -> list[Fact]:
    """Return what is known of each weight."""
    found = []
    for name, tensor in named(module).items():
        path, _, role = name.rpartition(".")
        owner = module.get_submodule(path)
        kind = kind_of(owner)
        shape = tuple(tensor.shape)
        found.append(Fact(name, kind, role, shape, tuple(range(len(shape))), shape, tensor.requires_grad))
    return found


def values(module: nn.Module) -> Arrays:
    """Return the weights as they are, by name."""
    return {name: np.array(tensor.detach().cpu().numpy()) for name, tensor in named(module).items()}


def expects(module: nn.Module) -> list[tuple[int | None, ...]]:
    """Return the shapes of the inputs that a module declares: none."""
    return []


def build(module: nn.Module, inputs: Inputs, orders: Sequence[Order]) -> None:
    """Run a module once, if its parameters have no shape yet."""
    if any(isinstance(each, UninitializedParameter) for each in module.parameters()):
        live = TorchLive(nn.Identity(), in_orders=orders)
        live.module = module
        live.run(inputs, training=False, gradients=False)


def name_of(module: nn.Module, path: str) -> str:
    """Return a weight's name, which is its path."""
    return path
