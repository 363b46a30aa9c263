"""Rules: losses, optimizers and schedules of both backends against the stock class, in float64."""

from contextlib import nullcontext
from functools import cache
from typing import Any

import numpy as np

from dualnet import specs as S
from dualnet.backends import backend
from dualnet.specs.rates import learning_rates, plateau
from tests import stock, stock_losses, stock_schedules
from tests.coverage.found import Found, gap

STEPS = 5


@cache
def loss(name: str) -> Found:
    """Return the gaps of value and gradient, of every setting in the table of losses, from its judge."""
    sessions = [stock_losses.through(backend(side)) for side in ("torch", "keras")]
    values, slopes = [], []
    for each in (each for each in stock_losses.LOSSES if type(each).__name__ == name):
        value, gradient = stock_losses.judge(each)
        for session in sessions:
            found = session.gradients({"input": stock_losses.outputs(each)}, each, **stock_losses.data(each))
            values.append(gap({"": np.array(found["loss"])}, {"": np.array(value)}))
            slopes.append(gap({"": found["inputs"]["input"]}, {"": gradient}))
    return Found("yes", "", max(values), max(slopes))


def optimizer(side: str, name: str) -> Found:
    """Return the gap of the weights after some steps of both backends from the stock class, as it comes."""
    both = backend("torch"), backend("keras")
    spec = stock.MATRICES if (side, name) == ("torch", "Muon") else stock.SPEC
    with stock.unrounded() if spec is stock.MATRICES else nullcontext():
        if side == "torch":
            expected = stock.by_torch(both[0], spec, name, {}, STEPS)
        else:
            expected = stock.by_keras(both[1], spec, name, {}, STEPS)
    made = stock.spec_of(side, name, {})
    found = [stock.trained(each, spec, made, STEPS)[0] for each in both]
    return Found("yes", step=max(gap(weights, expected) for weights in found))


def schedule(side: str, name: str) -> Found:
    """Return the gap of the rates of a spec from those of the stock classes that mean it."""
    if name == "Plateau":
        return Found("yes", step=_plateau())
    table = getattr(stock_schedules, side.upper())
    rates: Any = {"torch": stock_schedules.by_torch, "keras": stock_schedules.by_keras}[side]
    rows = [row for row, (_, spec) in table.items() if type(spec).__name__ == name]
    gaps = [_rates(rates(row), table[row][1]) for row in rows]
    return Found("yes", step=max(gaps))


def _rates(expected: Any, spec: S.Schedule) -> float:
    found = learning_rates(S.SGD(stock_schedules.RATE), spec, 0, len(expected))
    return gap({"": found}, {"": expected})


def _plateau() -> float:
    """Return the gap from torch's scheduler, shown losses that fall, stall and rise."""
    import torch

    own = torch.optim.SGD([torch.zeros(1)], 0.1)
    original, seen, rates = torch.optim.lr_scheduler.ReduceLROnPlateau(own, patience=1), [5.0, 4, 4, 4, 4, 3, 4, 4], []
    for value in seen:
        original.step(value)
        rates.append(own.param_groups[0]["lr"])
    found = [plateau(S.Plateau(patience=1), 0.1, seen[: at + 1]) for at in range(len(seen))]
    return gap({"": np.array(found)}, {"": np.array(rates)})
