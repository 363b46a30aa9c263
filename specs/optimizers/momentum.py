"""Optimizers whose step follows a velocity, or its sign, or its directions: SGD, ASGD, Rprop, Lion, Muon."""

from dataclasses import dataclass, field
from typing import Literal

from dualnet.specs.kinds import Count, Fraction, NonNegative, Positive
from dualnet.specs.optimizers.base import Decay, Optimizer, Velocity, refuse


@dataclass(frozen=True)
class SGD(Optimizer):
    """p ← p - lr·g, with momentum (Polyak; Nesterov as in Sutskever et al. 2013).

    ``velocity`` "gradient": v ← momentum·v + (1 - dampening)·g, p ← p - lr·v (PyTorch; the first v is g).
    "update": v ← momentum·v - lr·g, p ← p + v (Keras). They part when the learning rate changes.
    """

    momentum: Fraction = 0.0
    dampening: Fraction = 0.0
    nesterov: bool = False
    velocity: Velocity = "gradient"

    def __post_init__(self) -> None:
        super().__post_init__()
        given = f"Received: {self.momentum} and {self.dampening}"
        lacks = self.nesterov and (self.momentum == 0 or self.dampening != 0)
        refuse(lacks, self, f"nesterov needs momentum above 0 and dampening 0. {given}")
        damped = bool(self.dampening) and self.velocity == "update"
        defined = f"dampening is defined for velocity='gradient' only. Received: dampening={self.dampening}"
        refuse(damped, self, defined)


@dataclass(frozen=True)
class ASGD(Optimizer):
    """Averaged SGD (Polyak & Juditsky 1992, ``torch.optim.ASGD``).

    p ← (1 - lambd·η)·p - η·g, a ← a + (p - a)·μ, with η = lr and μ = 1 at first, then η = lr / (1 + lambd·lr·t)^alpha
    and μ = 1 / max(1, t - start) of the last update. a is the slot ``mean``; the model keeps p.
    """

    learning_rate: NonNegative = 1e-2
    lambd: NonNegative = 1e-4
    alpha: NonNegative = 0.75
    start: NonNegative = 1e6


@dataclass(frozen=True)
class Rprop(Optimizer):
    """Resilient backpropagation (Riedmiller & Braun 1993, ``torch.optim.Rprop``).

    Each entry has a step size, lr at first, times ``grow`` where g keeps its sign and ``shrink`` where it turns (g then
    counts as 0), within ``least`` and ``most``; p ← p - sign(g)·size. Later learning rates have no say.
    """

    learning_rate: NonNegative = 1e-2
    shrink: Positive = 0.5
    grow: Positive = 1.2
    least: NonNegative = 1e-6
    most: Positive = 50.0

    def __post_init__(self) -> None:
        super().__post_init__()
        wrong = not self.shrink < 1 < self.grow
        refuse(wrong, self, f"shrink must be below 1 and grow above 1. Received: {self.shrink} and {self.grow}")
        refuse(self.least > self.most, self, f"least must not exceed most. Received: {self.least} and {self.most}")
        decays = bool(self.weight_decay) or any(group.weight_decay for group in self.groups)
        no_decay = f"weight_decay must be 0: only signs of g count. Received: weight_decay={self.weight_decay}"
        refuse(decays, self, no_decay)


@dataclass(frozen=True)
class Lion(Optimizer):
    """p ← p - lr·sign(β₁·m + (1 - β₁)·g), then m ← β₂·m + (1 - β₂)·g (Chen et al. 2023, ``keras.optimizers.Lion``)."""

    beta1: Fraction = 0.9
    beta2: Fraction = 0.99
    decay: Decay = field(default="decoupled", kw_only=True)


@dataclass(frozen=True)
class Muon(Optimizer):
    """Momentum made orthogonal by Newton-Schulz (Jordan et al. 2024, ``torch.optim.Muon``, ``keras.optimizers.Muon``).

    ``velocity`` "mean": v ← momentum·v + (1 - momentum)·g, u = momentum·v + (1 - momentum)·g if nesterov (PyTorch);
    "sum": v ← momentum·v + g, u = g + momentum·v (Keras). Then x = u / max(‖u‖, ε) ("clamped", PyTorch) or
    u / (‖u‖ + ε) ("added", Keras), ``steps`` times x ← a·x + (b·A + c·A²)·x with A = x·xᵀ, on the flat side;
    p ← p - lr·scale·x. ``scale`` is "rows" √max(1, rows / columns) of the (out, in) matrix, "largest"
    factor·√max(rows, columns), or "none". Parameters that are no matrix go by ``others``, whose
    learning rate stays in the same proportion to this one.

    ``precision`` is the parameters' own. PyTorch's iterates in bfloat16, where no two libraries' products round alike.
    """

    momentum: Fraction = 0.95
    nesterov: bool = True
    velocity: Literal["mean", "sum"] = "mean"
    a: float = 3.4445
    b: float = -4.7750
    c: float = 2.0315
    steps: Count = 5
    epsilon: Positive = 1e-7
    epsilon_placement: Literal["clamped", "added"] = "clamped"
    scale: Literal["rows", "largest", "none"] = "rows"
    factor: Positive = 0.2
    precision: Literal["own", "bfloat16"] = "own"
    others: Optimizer | None = None
    weight_decay: NonNegative = field(default=0.1, kw_only=True)
    decay: Decay = field(default="decoupled", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        half = (
            "precision must be 'own': products in bfloat16 depend on the library that sums them. Received: 'bfloat16'"
        )
        refuse(self.precision == "bfloat16", self, half)
        refuse(self.steps >= 100, self, f"steps must be below 100. Received: steps={self.steps}")
        inner = self.others
        if inner is not None:
            shown = f"Received: others={inner.brief()}"
            refuse(isinstance(inner, Muon), self, f"others must be another optimizer. {shown}")
            outer = bool(inner.groups or inner.accumulate or inner.average or inner.maximize)
            refuse(outer, self, f"groups, accumulate, average and maximize belong on Muon itself. {shown}")
            zero = self.learning_rate == 0 and inner.learning_rate != 0
            refuse(zero, self, f"learning_rate must be above 0 for others to be in proportion to it. {shown}")
