"""Adam and its kin: steps by a running mean of g, scaled by one of g² or |g|."""

from dataclasses import dataclass, field
from typing import Literal

from dualnet.specs.kinds import Count, Fraction, NonNegative
from dualnet.specs.optimizers.base import Decay, Optimizer, refuse


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


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    weight_decay: NonNegative = field(default=0.01, kw_only=True)
    decay: Decay = field(default="decoupled", kw_only=True)


@dataclass(frozen=True)
class Adamax(Optimizer):
    """p ← p - lr / (1 - β₁ᵗ)·m / u with u a running maximum of |g| (Kingma & Ba 2015, section 7).

    ``epsilon_placement`` "in_maximum": u ← max(β₂·u, |g| + ε) (PyTorch); "outside": u ← max(β₂·u, |g|), and m is
    divided by u + ε (Keras).
    """

    learning_rate: NonNegative = 2e-3
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    epsilon: NonNegative = 1e-8
    epsilon_placement: Literal["in_maximum", "outside"] = "in_maximum"


@dataclass(frozen=True)
class NAdam(Optimizer):
    """Adam with Nesterov momentum (Dozat 2016).

    With μₜ = β₁·(1 - ½·0.96^(t·momentum_decay)) and Π their product so far, p moves by lr times
    (μₜ₊₁·m / (1 - Π·μₜ₊₁) + (1 - μₜ)·g / (1 - Π)) / (√(v / (1 - β₂ᵗ)) + ε). ``momentum_decay`` is 4e-3 in PyTorch
    (``torch.optim.NAdam``) and 1 in Keras (``keras.optimizers.Nadam``).
    """

    learning_rate: NonNegative = 2e-3
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    epsilon: NonNegative = 1e-8
    momentum_decay: NonNegative = 4e-3


@dataclass(frozen=True)
class RAdam(Optimizer):
    """Rectified Adam (Liu et al. 2020, ``torch.optim.RAdam``).

    With ρ∞ = 2 / (1 - β₂) - 1 and ρ = ρ∞ - 2·t·β₂ᵗ / c₂: where ρ > 5, p moves by lr·m / c₁·√c₂ / (√v + ε)·r,
    r = √((ρ - 4)(ρ - 2)·ρ∞ / ((ρ∞ - 4)(ρ∞ - 2)·ρ)); before, by lr·m / c₁.
    """

    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    epsilon: NonNegative = 1e-8


@dataclass(frozen=True)
class Lamb(Optimizer):
    """Adam's step scaled to each parameter's norm (You et al. 2020, ``keras.optimizers.Lamb``).

    u = m / c₁ / (√(v / c₂) + ε); p ← p - lr·‖p‖ / ‖u‖·u, the quotient 1 where a norm is 0.
    """

    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    epsilon: NonNegative = 1e-7
    decay: Decay = field(default="decoupled", kw_only=True)


@dataclass(frozen=True)
class ScheduleFreeAdamW(Optimizer):
    """Adam that averages instead of decaying its rate (Defazio et al. 2024, ``keras.optimizers.ScheduleFreeAdamW``).

    z ← z - lr·g / (√(v / c₂) + ε), x ← (1 - 1 / t)·x + z / t, p = (1 - β₁)·z + β₁·x, where z begins as p and x is
    found again from p and z. lr rises along a line for ``warmup`` updates. ``recover`` "before" finds x by the z that
    p was made of (the paper), "after" by the z just moved (Keras on TensorFlow, where the old z is read too late).
    """

    learning_rate: NonNegative = 2.5e-3
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    epsilon: NonNegative = 1e-8
    warmup: Count = 0
    recover: Literal["before", "after"] = "before"
    decay: Decay = field(default="decoupled", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse(self.beta1 == 0, self, "beta1 must be above 0, for x is found by dividing by it. Received: beta1=0.0")
