"""What is known of a live ``nn.Module``: the kind and role of each weight, and its values."""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from dualnet.backends.draws import Arrays, Order
from dualnet.backends.fact import Fact
from dualnet.backends.live import Inputs
from dualnet.backends.torch.kinds import kind_of
from dualnet.backends.torch.live import TorchLive, named
from dualnet.specs.carry import Carry

# A layer, or a cell by itself → the kind that both frameworks share.
RECURRENT = (((nn.LSTM, nn.LSTMCell), "lstm"), ((nn.GRU, nn.GRUCell), "gru"), ((nn.RNN, nn.RNNCell), "rnn"))
CELLS = (nn.RNNBase, nn.RNNCellBase)
LEVEL = re.compile(r"_l\d+(_reverse)?$")
PROJECTIONS = {"q_proj_weight": "query weight", "k_proj_weight": "key weight", "v_proj_weight": "value weight"}


def live(model: nn.Module, dtype: str, carries: Sequence[Carry] | None = None, **orders: Any) -> TorchLive:
    """Return a live module."""
    return TorchLive(model, dtype, carries, **orders)


def facts(module: nn.Module) -> list[Fact]:
    """Return what is known of each weight."""
    return [fact for name, tensor in named(module).items() for fact in _facts(module, name, tensor)]


def _facts(module: nn.Module, name: str, tensor: Any) -> Iterator[Fact]:
    """Yield what is known of one weight; the projections of attention are held in one, and are three."""
    path, _, own = name.rpartition(".")
    owner, above = module.get_submodule(path), module.get_submodule(path.rpartition(".")[0])
    kind, role, shape, trains = kind_of(owner), own, tuple(tensor.shape), tensor.requires_grad
    if isinstance(owner, CELLS):
        kind, role = next(kind for base, kind in RECURRENT if isinstance(owner, base)), LEVEL.sub("", own)
    elif isinstance(owner, nn.MultiheadAttention) and own.startswith("in_proj"):
        for index, part in enumerate(("query", "key", "value")):
            rows = (index * owner.embed_dim, (index + 1) * owner.embed_dim)
            size = (owner.embed_dim, *shape[1:])
            axes = tuple(range(len(size)))
            role = f"{part} {own.removeprefix('in_proj_')}"
            yield Fact(f"{name}[{part}]", kind, role, size, axes, size, trains, "torch", at=rows)
        return
    elif isinstance(owner, nn.MultiheadAttention):
        role = PROJECTIONS.get(own, own)
    elif isinstance(above, nn.MultiheadAttention):
        kind, role = kind_of(above), f"output {own}"
    yield Fact(name, kind, role, shape, tuple(range(len(shape))), shape, trains, "torch")


def fold(module: nn.Module, spare: Mapping[str, str]) -> nn.Module:
    """Return a copy in which each bias of ``spare``, a second one, is added to the one that it names, and is zero."""
    made = copy.deepcopy(module)
    tensors = named(made)
    with torch.no_grad():
        for name, first in spare.items():
            tensors[first].add_(tensors[name])
            tensors[name].zero_()
    return made


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
