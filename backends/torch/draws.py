"""Random draws of torch, made to be those that every framework makes."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from dualnet.backends.draws import Draws


class Shared(TorchDispatchMode):
    """While it is on, every random op draws from ``Draws``, and in float64 what asks for float32 is given float64."""

    def __init__(self, draws: Draws, dtype: str) -> None:
        super().__init__()
        self.draws, self.wide = draws, dtype == "float64"

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one op."""
        kwargs = dict(kwargs or {})
        if self.wide and kwargs.get("dtype") is torch.float32:
            kwargs["dtype"] = torch.float64
        name = func.overloadpacket.__name__
        given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
        if name == "native_dropout":
            return self._dropped(given)
        made = func(*args, **kwargs)
        if name in FILLS:
            values = FILLS[name](self.draws, given, made)
            made.copy_(torch.from_numpy(np.ascontiguousarray(values)))
        elif torch.Tag.nondeterministic_seeded in func.tags and not _silent(name, given):
            self.draws.lost.append(f"torch.{name}")
        return made

    def _dropped(self, given: Mapping[str, Any]) -> Any:
        x, rate = given["input"], given["p"]
        if not given["train"] or rate == 0.0:
            return x.clone(), torch.ones_like(x, dtype=torch.bool)
        kept = torch.from_numpy(self.draws.kept(x.shape, rate)).to(x.device)
        return x * kept / (1.0 - rate), kept


def _silent(name: str, given: Mapping[str, Any]) -> bool:
    """Return whether an op that may draw does not: attention without dropout, an op in evaluation mode."""
    rate = given.get("dropout_p", 0.0 if "attention" in name else given.get("dropout", given.get("p")))
    return rate == 0.0 or given.get("training", given.get("train")) is False or "rnn" in name or "lstm" in name


def _numbers(value: Any) -> Any:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value


def _bernoulli(draws: Draws, given: Mapping[str, Any], made: Tensor) -> Any:
    chance = _numbers(given.get("p", 0.5 if given["self"] is made else given["self"]))
    rate = 1.0 - chance
    return draws.uniform(made.shape, round(rate, 12) if isinstance(rate, float) else None) >= rate


def _between(draws: Draws, given: Mapping[str, Any], made: Tensor) -> Any:
    low, high = given.get("from", 0.0), given.get("to", 1.0)
    return low + (high - low) * draws.uniform(made.shape)


def _normal(draws: Draws, given: Mapping[str, Any], made: Tensor) -> Any:
    mean, std = _numbers(given.get("mean", 0.0)), _numbers(given.get("std", 1.0))
    return mean + std * draws.normal(made.shape)


def _integers(draws: Draws, given: Mapping[str, Any], made: Tensor) -> Any:
    low = given.get("low", 0)
    return np.floor(low + (given["high"] - low) * draws.uniform(made.shape))


FILLS: dict[str, Callable[[Draws, Mapping[str, Any], Tensor], Any]] = {
    "bernoulli": _bernoulli,
    "bernoulli_": _bernoulli,
    "uniform_": _between,
    "rand": lambda draws, given, made: draws.uniform(made.shape),
    "rand_like": lambda draws, given, made: draws.uniform(made.shape),
    "normal": _normal,
    "normal_": _normal,
    "randn": lambda draws, given, made: draws.normal(made.shape),
    "randn_like": lambda draws, given, made: draws.normal(made.shape),
    "randint": _integers,
    "randint_like": _integers,
    "randperm": lambda draws, given, made: np.argsort(draws.uniform(made.shape), kind="stable"),
}
