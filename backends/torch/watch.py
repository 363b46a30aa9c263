"""Watching an ``nn.Module``: hooks on every module in it, for one pass."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from dualnet.backends.draws import Array
from dualnet.backends.live import flattened
from dualnet.backends.torch.kinds import kind_of, settings_of
from dualnet.backends.watch import Calls, Seen


def array(tensor: Tensor) -> Array:
    """Return a tensor as an array of its own."""
    return np.array(tensor.detach().cpu().numpy())


@contextmanager
def watching(root: nn.Module, names: dict[int, str]) -> Iterator[Calls]:
    """Enter every call of a module below ``root``; ``names`` are those of its tensors, by id.

    Each module hands on a copy of what it gave: a later layer that writes in place changes only that.
    """
    calls, stack = Calls(array), []

    def before(module: nn.Module, args: Any) -> None:
        stack.append(len(calls.seen))

    def after(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        start = stack.pop()
        own = pytree.tree_map(lambda v: v.clone() if isinstance(v, Tensor) else v, output)
        weights = {key: names[id(t)] for key, t in _own(module) if id(t) in names}
        seen = Seen(paths[id(module)], kind_of(module), settings_of(module), weights, inner=len(calls.seen) > start)
        inputs = (each for each in pytree.tree_leaves((args, kwargs)) if isinstance(each, Tensor))
        outputs = (each for each in flattened(own) if isinstance(each, Tensor))
        calls.enter(seen, inputs, outputs, lambda each: bool(each.requires_grad))
        return pytree.tree_map(lambda v: v.clone() if isinstance(v, Tensor) else v, own)

    paths = {id(module): path for path, module in root.named_modules()}
    with ExitStack() as hooks:
        for path, module in root.named_modules():
            if path and not isinstance(module, torch.jit.ScriptModule):
                for handle in (
                    module.register_forward_pre_hook(before),
                    module.register_forward_hook(after, with_kwargs=True),
                ):
                    hooks.callback(handle.remove)
        yield calls


def _own(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for found in (module._parameters, module._buffers):
        yield from ((name, tensor) for name, tensor in found.items() if tensor is not None)


def replayed(module: nn.Module, path: str, inputs: list[Array], dtype: torch.dtype) -> list[Array]:
    """Return what one module gives for arrays, called by place, in the mode that it is in."""
    given = [torch.from_numpy(np.array(each)) for each in inputs]
    given = [each.to(dtype) if each.is_floating_point() else each for each in given]
    with torch.no_grad():
        found = module.get_submodule(path)(*given)
    return [array(each) for each in flattened(found) if isinstance(each, Tensor)]
