"""Optimizers that scale g by what its squares came to: RMSprop, Adagrad, Adadelta, Adafactor, Ftrl."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from dualnet.specs.kinds import Fraction, Kind, NonNegative, Positive, Share
from dualnet.specs.optimizers.base import Decay, Optimizer, Velocity, refuse


def _not_above_zero(value: object) -> float:
    number = -float(NonNegative.__metadata__[0].accept(-value))  # type: ignore[attr-defined,operator]
    return number or 0.0


NotPositive = Annotated[float, Kind("a finite number of at most 0", _not_above_zero)]


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


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """p ← p - lr / (1 + (t - 1)·rate_decay)·g / (√s + ε), s the sum of all g² and ``initial`` (Duchi et al. 2011).

    ``epsilon_placement`` as in ``RMSprop``: √s + ε (PyTorch) or √(s + ε) (Keras).
    """

    learning_rate: NonNegative = 1e-2
    rate_decay: NonNegative = 0.0
    initial: NonNegative = 0.0
    epsilon: NonNegative = 1e-10
    epsilon_placement: Literal["outside_root", "inside_root"] = "outside_root"


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """p ← p - lr·d, d = √(u + ε) / √(v + ε)·g, v and u the running means of g² and d² (Zeiler 2012)."""

    learning_rate: NonNegative = 1.0
    rho: Share = 0.9
    epsilon: NonNegative = 1e-6


@dataclass(frozen=True)
class Adafactor(Optimizer):
    """Adafactor without momentum (Shazeer & Stern 2018).

    With β = 1 - t^beta2_decay, v is the running mean of g², kept as the product of its means along two axes where there
    are as many. u = g / √v, then u / max(1, rms(u) / threshold); p ← p - max(epsilon2, rms(p))·min(lr, 1 / √t)·u.

    ``factored`` "last_two" axes as PyTorch holds them, a convolution's (kh, kw), or the "first_two", its (out, in),
    which are the last two of Keras. ``epsilon_placement`` "clamped": the means' mean is at least epsilon1, v at least
    epsilon1² (PyTorch, epsilon1 None being the precision's own epsilon); "added": g² + epsilon1 (Keras). ``rms_of`` p
    as it is "before_decay" (PyTorch) or "after_decay" (Keras).
    """

    learning_rate: NonNegative = 1e-2
    beta2_decay: NotPositive = -0.8
    epsilon1: NonNegative | None = None
    epsilon2: NonNegative = 1e-3
    threshold: Positive = 1.0
    epsilon_placement: Literal["clamped", "added"] = "clamped"
    factored: Literal["last_two", "first_two"] = "last_two"
    rms_of: Literal["before_decay", "after_decay"] = "before_decay"
    decay: Decay = field(default="decoupled", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        low = f"threshold must be at least 1, or every step is cut. Received: threshold={self.threshold}"
        refuse(self.threshold < 1, self, low)
        added = self.epsilon_placement == "added" and self.epsilon1 is None
        refuse(added, self, "epsilon1 must be given for epsilon_placement='added'. Received: epsilon1=None")


@dataclass(frozen=True)
class Ftrl(Optimizer):
    """Follow the regularized leader (McMahan et al. 2013, ``keras.optimizers.Ftrl``).

    n' = n + g², σ = (n'^-power - n^-power) / lr, z ← z + g + 2·shrinkage·p - σ·p;
    p ← (clip(z, ±l1) - z) / (n'^-power / lr + 2·l2 + beta / lr). n begins as ``initial``.
    """

    power: NotPositive = -0.5
    initial: NonNegative = 0.1
    l1: NonNegative = 0.0
    l2: NonNegative = 0.0
    shrinkage: NonNegative = 0.0
    beta: NonNegative = 0.0
    decay: Decay = field(default="decoupled", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse(self.learning_rate == 0, self, "learning_rate must be above 0, for z is divided by it. Received: 0.0")
