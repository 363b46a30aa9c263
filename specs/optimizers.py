"""Optimizers, clipping and schedules: how weights move.

Every difference between ``torch.optim`` and ``keras.optimizers`` is a field, and ``FLAVOURS`` holds the values that
each framework has by default. g is the gradient, p the parameter, lr the learning rate.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dualnet.errors import SpecError
from dualnet.specs.kinds import Fraction, NonNegative, Positive, Size
from dualnet.specs.node import Node

Decay = Literal["coupled", "decoupled"]
Velocity = Literal["gradient", "update"]


@dataclass(frozen=True)
class Optimizer(Node, family=True):
    """Base of all optimizers.

    ``decay`` "coupled" adds weight_decay·p to g (L2, PyTorch), "decoupled" first shrinks p by lr·weight_decay·p
    (AdamW, and all of Keras).
    """

    learning_rate: NonNegative = 1e-3


@dataclass(frozen=True)
class SGD(Optimizer):
    """p ← p - lr·g, with momentum (Polyak; Nesterov as in Sutskever et al. 2013).

    ``velocity`` "gradient": v ← momentum·v + (1 - dampening)·g, p ← p - lr·v (PyTorch; the first v is g).
    "update": v ← momentum·v - lr·g, p ← p + v (Keras). They part when the learning rate changes.
    """

    momentum: Fraction = 0.0
    dampening: Fraction = 0.0
    nesterov: bool = False
    weight_decay: NonNegative = 0.0
    decay: Decay = "coupled"
    velocity: Velocity = "gradient"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            msg = (
                f"SGD: nesterov needs momentum above 0 and dampening 0. Received: {self.momentum} and {self.dampening}"
            )
            raise SpecError(msg)
        if self.dampening and self.velocity == "update":
            msg = f"SGD: dampening is defined for velocity='gradient' only. Received: dampening={self.dampening}"
            raise SpecError(msg)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma & Ba 2015), AMSGrad (Reddi et al. 2018).

    With c₁ = 1 - β₁ᵗ and c₂ = 1 - β₂ᵗ, ``epsilon_placement`` "after_correction" divides m / c₁ by √(v / c₂) + ε
    (PyTorch), "before_correction" divides m·√c₂ / c₁ by √v + ε (Keras): no constant ε makes them equal.
    """

    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    epsilon: NonNegative = 1e-8
    epsilon_placement: Literal["after_correction", "before_correction"] = "after_correction"
    amsgrad: bool = False
    weight_decay: NonNegative = 0.0
    decay: Decay = "coupled"


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    weight_decay: NonNegative = 0.01
    decay: Decay = "decoupled"


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop (Hinton, lecture 6e). v is the running mean of g², less the square of that of g where ``centered``.

    ``epsilon_placement`` "outside_root" divides g by √v + ε (PyTorch), "inside_root" by √(v + ε) (Keras);
    ``velocity`` as in ``SGD``.
    """

    learning_rate: NonNegative = 1e-2
    alpha: Fraction = 0.99
    epsilon: NonNegative = 1e-8
    epsilon_placement: Literal["outside_root", "inside_root"] = "outside_root"
    centered: bool = False
    momentum: Fraction = 0.0
    velocity: Velocity = "gradient"
    weight_decay: NonNegative = 0.0
    decay: Decay = "coupled"


@dataclass(frozen=True)
class Clip(Node):
    """Gradient clipping.

    "global_norm": all gradients by min(1, limit / (norm + epsilon)), epsilon 1e-6 in ``clip_grad_norm_``, 0 in Keras.
    "norm": the same for each parameter by itself (Keras's ``clipnorm``). "value": each entry to ±limit.
    """

    by: Literal["global_norm", "norm", "value"]
    limit: Positive
    epsilon: NonNegative = 1e-6


@dataclass(frozen=True)
class Schedule(Node, family=True):
    """Base of the schedules: the factor by which the learning rate is multiplied at each optimizer step."""


@dataclass(frozen=True)
class StepDecay(Schedule):
    """factor^⌊step / every⌋ (``torch.optim.lr_scheduler.StepLR``)."""

    every: Size
    factor: Positive = 0.1


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """From 1 to ``floor`` along half a cosine in ``steps``, then ``floor`` (Loshchilov & Hutter 2017)."""

    steps: Size
    floor: Fraction = 0.0


def learning_rates(optimizer: Optimizer, schedule: Schedule | None, first: int, count: int) -> NDArray[np.float64]:
    """Return the learning rates of ``count`` steps from step ``first`` (0 is the first update), float64."""
    return np.array([optimizer.learning_rate * _factor(schedule, step) for step in range(first, first + count)])


def _factor(schedule: Schedule | None, step: int) -> float:
    if isinstance(schedule, StepDecay):
        return schedule.factor ** (step // schedule.every)
    if isinstance(schedule, CosineDecay):
        part = min(step / schedule.steps, 1.0)
        return schedule.floor + (1 - schedule.floor) * (1 + math.cos(math.pi * part)) / 2
    return 1.0


FLAVOURS: dict[str, dict[str, Optimizer]] = {
    "torch": {"SGD": SGD(1e-3), "Adam": Adam(), "AdamW": AdamW(), "RMSprop": RMSprop()},
    "keras": {
        "SGD": SGD(1e-2, velocity="update", decay="decoupled"),
        "Adam": Adam(1e-3, epsilon=1e-7, epsilon_placement="before_correction", decay="decoupled"),
        "AdamW": AdamW(1e-3, epsilon=1e-7, epsilon_placement="before_correction", weight_decay=0.004),
        "RMSprop": RMSprop(1e-3, 0.9, 1e-7, "inside_root", velocity="update", decay="decoupled"),
    },
}
