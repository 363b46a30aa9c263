"""Porting's verbs for torch: read a live module, write a program, bring what was written to life, look at it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from dualnet.backends.live import listed
from dualnet.backends.source.document import Document
from dualnet.backends.source.load import module_of
from dualnet.backends.torch.live import TorchLive
from dualnet.backends.torch.read import read as read_module
from dualnet.backends.torch.write import write
from dualnet.specs.carry import Carry
from dualnet.specs.program import Program


def tensors(value: Any, dtype: str = "") -> Any:
    """Return nested arrays as tensors; tensors and everything else stay what they are."""

    def tensor(each: Any) -> Any:
        if isinstance(each, np.ndarray):
            return torch.from_numpy(np.array(each))
        return each

    return pytree.tree_map(tensor, value)


def arrays(value: Any) -> Any:
    """Return nested tensors as arrays."""
    return pytree.tree_map(lambda v: v.detach().cpu().numpy().copy() if isinstance(v, torch.Tensor) else v, value)


def read(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Program:
    """Return the program of a module called so."""
    return read_module(model, tensors(args), tensors(dict(kwargs)))


def run(model: nn.Module, inputs: Any) -> None:
    """Call a module once on arrays by place or by keyword, to see whether it takes them."""
    given = tensors(inputs)
    before = {each: each.training for each in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            model(**given) if isinstance(given, dict) else model(*given)
    finally:
        for each, was in before.items():
            each.training = was


def vocabulary(model: nn.Module) -> int:
    """Return how many rows the smallest embedding has; 0 if there is none."""
    rows = [each.num_embeddings for each in model.modules() if isinstance(each, (nn.Embedding, nn.EmbeddingBag))]
    return min(rows, default=0)


def make(document: Document, weights: Mapping[str, Any], dtype: str) -> nn.Module:
    """Return the live module of a document, with weights by its own names, in training mode as torch makes them."""
    model: nn.Module = module_of(document).build()
    model = model.double() if dtype == "float64" else model.float()  # complex numbers stay what they are
    fill(model, weights)
    return model


def fill(model: nn.Module, weights: Mapping[str, Any]) -> None:
    """Put arrays into a module by name."""
    state = model.state_dict(keep_vars=True)
    with torch.no_grad():
        for name, array in weights.items():
            state[name].copy_(torch.from_numpy(np.array(array)))


def load(model: nn.Module, arrays: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Load a state_dict given as arrays; return the names that the model lacks, and those that it has in addition."""
    own = {**dict(model.named_parameters(remove_duplicate=False)), **dict(model.named_buffers(remove_duplicate=False))}
    with torch.no_grad():
        for name, array in arrays.items():
            if name in own and tuple(own[name].shape) == tuple(np.shape(array)):
                own[name].copy_(torch.from_numpy(np.array(array)))
    wrong = [n for n, a in arrays.items() if n not in own or tuple(own[n].shape) != tuple(np.shape(a))]
    return wrong, [n for n in own if n not in arrays and not n.endswith("num_batches_tracked")]


def original(model: nn.Module, inputs: Any) -> Callable[[str], TorchLive]:
    """Return a side of the certificate, by precision: the module that was read."""
    return partial(TorchLive, model)


def ported(document: Document, model: nn.Module, dtype: str, carries: list[Carry]) -> TorchLive:
    """Return a side of the certificate: the module that was written."""
    return TorchLive(
        model, dtype, carries, in_orders=document.in_orders, out_orders=document.out_orders, draw_orders=document.draws
    )


def call(model: nn.Module, inputs: list[Any]) -> list[Any]:
    """Return a written module's outputs in evaluation mode, without gradients."""
    before = model.training
    model.eval()
    with torch.no_grad():
        place = next(model.parameters(), torch.zeros(0))
        given = [torch.from_numpy(np.array(each)) for each in inputs]
        made = listed(model(*(each.to(place.dtype) if each.is_floating_point() else each for each in given)))
    model.train(before)
    return [each.numpy() for each in made]


__all__ = ["read", "write"]
