"""A module by itself: the Python that makes one like it."""

import inspect
from typing import Any

from torch import nn

from dualnet.errors import UnsupportedError

RECURRENT = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")


def written(module: nn.Module) -> str:
    """Return the call that makes a module of ``torch.nn``. Raises ``UnsupportedError`` for a class of one's own."""
    kind = type(module)
    if not kind.__module__.startswith("torch.nn.") or isinstance(module, (nn.Sequential, nn.ModuleList)):
        msg = f"{kind.__name__} is no class of torch.nn, so that no line of code makes it."
        raise UnsupportedError(msg)
    names = RECURRENT if isinstance(module, nn.RNNBase) else tuple(inspect.signature(kind.__init__).parameters)
    given = [f"{name}={_value(module, name)!r}" for name in names if name not in LEFT_OUT and _has(module, name)]
    return f"torch.nn.{kind.__name__}({', '.join(given)})"


LEFT_OUT = ("self", "device", "dtype", "args", "kwargs", "_weight", "_freeze", "inplace")


def _has(module: nn.Module, name: str) -> bool:
    return name == "bias" or hasattr(module, name)


def _value(module: Any, name: str) -> Any:
    """Return an argument as it was given; of a bias the module keeps the tensor, or none."""
    if name != "bias" or isinstance(getattr(module, "bias", None), bool):
        return getattr(module, name)
    held = module.in_proj_bias if isinstance(module, nn.MultiheadAttention) else module.bias
    return held is not None
