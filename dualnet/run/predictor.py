"""Predictor: a live model of either framework as a function from arrays to arrays, by the cheapest call it has."""

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from dualnet.backends import backend
from dualnet.backends.live import framework
from dualnet.errors import SpecError
from dualnet.run.port import spread
from dualnet.specs.program import leaves, replaced


class Predictor:
    """Calls a live model in evaluation mode on arrays, and returns arrays; the model is left as it was.

    An ``nn.Module`` is called in ``torch.inference_mode``. A ``keras.Model`` is compiled once for each kind of input
    (dtypes and shapes but for the batch), where ``model.predict`` starts a loop for every call.
    """

    def __init__(self, model: Any) -> None:
        name = framework(model)
        backend(name)  # says what to install where the framework is not there
        self.model = model
        self.call = importlib.import_module(f"dualnet.backends.{name}.predict").Caller(model)

    def __call__(self, inputs: Any, batch_size: int | None = None) -> Any:
        """Return what the model gives for an array, a tuple of them, or a dictionary by keyword, in its own axes.

        The outputs are arrays in the model's own structure (lists become tuples). ``batch_size`` cuts the first axis of
        every array into batches and joins what they give; by default all goes at once. Raises ``SpecError`` where that
        cannot be done.
        """
        args, named = spread(inputs)
        given = replaced({**dict(enumerate(args)), **named}, _array)
        made = [
            self.call(tuple(part[place] for place in range(len(args))), {name: part[name] for name in named})
            for part in (_batches(given, batch_size) if batch_size is not None else (given,))
        ]
        return made[0] if len(made) == 1 else _joined(made)


def _array(value: Any) -> Any:
    """Return numbers as an array; what else a model takes stays itself."""
    if isinstance(value, (np.ndarray, str, bool, int, float, type(None))):
        return value
    return np.asarray(value)


def _batches(given: dict[Any, Any], size: int) -> Iterator[dict[Any, Any]]:
    """Yield inputs batch by batch."""
    if size < 1:
        msg = f"batch_size must be at least 1. Received: {size}"
        raise SpecError(msg)
    sizes = {len(each) for each in leaves(given) if isinstance(each, np.ndarray) and each.ndim}
    if len(sizes) != 1 or not max(sizes):
        found = ", ".join(map(str, sorted(sizes))) or "no arrays"
        msg = f"Batches are cut from first axes of one length, at least 1. Received lengths: {found}"
        raise SpecError(msg)
    for start in range(0, sizes.pop(), size):
        yield replaced(given, lambda e, at=start: e[at : at + size] if isinstance(e, np.ndarray) and e.ndim else e)


def _joined(parts: list[Any]) -> Any:
    """Return the outputs of several batches as those of one."""
    first = parts[0]
    if isinstance(first, dict):
        return {name: _joined([part[name] for part in parts]) for name in first}
    if isinstance(first, tuple):
        return tuple(_joined(list(each)) for each in zip(*parts, strict=True))
    if isinstance(first, np.ndarray) and first.ndim:
        return np.concatenate(parts)
    msg = "The model gives an output without a batch axis: batches of it cannot be joined. Leave batch_size out."
    raise SpecError(msg)
