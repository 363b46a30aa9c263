"""What is known of a live ``nn.Module``: the kind and role of each weight, and its values."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from dualnet.backends.draws import Arrays, Order
from dualnet.backends.fact import Fact, laid_as_torch
from dualnet.backends.live import Inputs
from dualnet.backends.torch import attention, recurrent
from dualnet.backends.torch.kinds import kind_of
from dualnet.backends.torch.live import TorchLive, named
from dualnet.specs.carry import Carry

# A layer, or a cell by itself → the kind that both frameworks share.
RECURRENT = (((nn.LSTM, nn.LSTMCell), "lstm"), ((nn.GRU, nn.GRUCell), "gru"), ((nn.RNN, nn.RNNCell), "rnn"))
CELLS = (nn.RNNBase, nn.RNNCellBase)
HEADS = (nn.MultiheadAttention, attention.MultiheadAttention)


def live(model: nn.Module, dtype: str, carries: Sequence[Carry] | None = None, **orders: Any) -> TorchLive:
    """Return a live module."""
    return TorchLive(model, dtype, carries, **orders)


def facts(module: nn.Module) -> list[Fact]:
    """Return what is known of each weight."""
    return [fact for name, tensor in named(module).items() for fact in _facts(module, name, tensor)]


def _facts(module: nn.Module, name: str, tensor: Any) -> Iterator[Fact]:
    """Yield what is known of one weight."""
    path, _, own = name.rpartition(".")
    owner, above = module.get_submodule(path), module.get_submodule(path.rpartition(".")[0])
    kind, shape = kind_of(owner), tuple(tensor.shape)
    rows: tuple[int, ...] = ()
    if isinstance(owner, CELLS):
        kind = next(kind for base, kind in RECURRENT if isinstance(owner, base))
    elif isinstance(owner, recurrent.Recurrent):
        kind = owner.kind.lower()
    elif isinstance(owner, HEADS):
        rows = owner.rows if isinstance(owner, attention.MultiheadAttention) else (owner.embed_dim,) * 3
    elif isinstance(above, HEADS):
        kind, own = kind_of(above), f"out_proj_{own}"
    else:
        axes = tuple(range(len(shape)))
        yield Fact(name, kind, own, shape, axes, shape, tensor.requires_grad, "torch")
        return
    yield from laid_as_torch(name, own, kind, shape, tensor.requires_grad, "torch", rows)


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
