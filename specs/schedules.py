"""Schedules: the factor by which the learning rate is multiplied at each step or epoch, in float64.

``t`` counts steps or epochs (``per``) from 0, the first update. Factors are of the optimizer's ``learning_rate``, so
what a framework gives as a rate (``eta_min``, ``end_learning_rate``) stands here divided by it.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, Literal

from dualnet.errors import SpecError
from dualnet.specs.kinds import Count, Fraction, NonNegative, Numbers, Positive, Shape, Share, Size
from dualnet.specs.node import Node

Curve = Literal["cosine", "linear"]


@dataclass(frozen=True)
class Schedule(Node, family=True):
    """Base of the schedules. ``per`` says what ``t`` counts."""

    refused: ClassVar[dict[str, str]] = {
        "LambdaLR": "A spec holds no code; PiecewiseConstant and Product say much of what a function would.",
        "MultiplicativeLR": "A spec holds no code; PiecewiseConstant and Product say much of what a function would.",
    }

    per: Literal["step", "epoch"] = field(default="step", kw_only=True)


@dataclass(frozen=True)
class StepDecay(Schedule):
    """factor^⌊t / every⌋ (``torch.optim.lr_scheduler.StepLR``)."""

    every: Size
    factor: Positive = 0.1


@dataclass(frozen=True)
class MultiStepDecay(Schedule):
    """factor^(how many of ``at`` are ≤ t) (``MultiStepLR``)."""

    at: Shape
    factor: Positive = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        _rising(self, "at", self.at)


@dataclass(frozen=True)
class PiecewiseConstant(Schedule):
    """The first of ``factors`` while t ≤ the first of ``boundaries``, … (``keras…PiecewiseConstantDecay``).

    A boundary is the last step of its piece, where ``MultiStepDecay.at`` is the first of the next.
    """

    boundaries: Shape
    factors: Numbers

    def __post_init__(self) -> None:
        super().__post_init__()
        _rising(self, "boundaries", self.boundaries)
        if len(self.factors) != len(self.boundaries) + 1 or min(self.factors) < 0:
            msg = (
                f"PiecewiseConstant: factors must be {len(self.boundaries) + 1} numbers of at least 0, one more than "
                f"the boundaries. Received: factors={self.factors!r}"
            )
            raise SpecError(msg)


@dataclass(frozen=True)
class ConstantFactor(Schedule):
    """``factor`` for t < ``steps``, then 1 (``ConstantLR``)."""

    factor: Share
    steps: Size


@dataclass(frozen=True)
class LinearRamp(Schedule):
    """From ``start`` to ``end`` along a line in ``steps``, then ``end`` (``LinearLR``); the usual warm-up."""

    steps: Size
    start: NonNegative = 1 / 3
    end: NonNegative = 1.0


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """factor^(t / every), the exponent rounded down if ``staircase`` (``ExponentialLR``, ``ExponentialDecay``)."""

    factor: Positive
    every: Size = 1
    staircase: bool = False


@dataclass(frozen=True)
class InverseTimeDecay(Schedule):
    """1 / (1 + factor·t / every), the quotient t / every rounded down if ``staircase`` (``keras…InverseTimeDecay``)."""

    factor: NonNegative
    every: Size = 1
    staircase: bool = False


@dataclass(frozen=True)
class PolynomialDecay(Schedule):
    """end + (1 - end)·(1 - t / steps)^power, then ``end`` (``PolynomialLR`` with end 0, ``PolynomialDecay``).

    ``cycle`` stretches ``steps`` to its next multiple instead of stopping there (Keras).
    """

    steps: Size
    power: Positive = 1.0
    end: NonNegative = 0.0
    cycle: bool = False


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """From 1 to ``floor`` along half a cosine in ``steps`` (Loshchilov & Hutter 2017).

    ``beyond`` "hold" stays at the floor (Keras), "rise" follows the cosine up again (``CosineAnnealingLR``).
    """

    steps: Size
    floor: Fraction = 0.0
    beyond: Literal["hold", "rise"] = "hold"


@dataclass(frozen=True)
class CosineRestarts(Schedule):
    """Half a cosine in ``steps``, begun anew at each end (SGDR, Loshchilov & Hutter 2017).

    Each round is ``stretch`` times as long as the last and its height above ``floor`` ``height`` times that of the last
    (Keras's ``t_mul`` and ``m_mul``; ``CosineAnnealingWarmRestarts`` has whole ``stretch`` and height 1).
    """

    steps: Size
    stretch: Positive = 1.0
    height: Positive = 1.0
    floor: Fraction = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stretch < 1:
            msg = f"CosineRestarts: stretch must be at least 1, or the rounds end. Received: stretch={self.stretch}"
            raise SpecError(msg)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """``start`` → 1 → start·``end`` in ``steps``, ``rise`` of them upwards (Smith & Topin 2018, ``OneCycleLR``).

    ``three_phase`` comes down to ``start`` as fast as it went up, then to start·end. The optimizer's rate is torch's
    ``max_lr``; start is 1 / ``div_factor``, end 1 / ``final_div_factor``.
    """

    steps: Size
    rise: Share = 0.3
    start: Positive = 1 / 25
    end: Positive = 1e-4
    curve: Curve = "cosine"
    three_phase: bool = False
    cycle_momentum: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cycle_momentum:
            msg = (
                "OneCycle: cycle_momentum must be false: a schedule sets the learning rate of a step, and betas are "
                "the optimizer's. Received: cycle_momentum=True"
            )
            raise SpecError(msg)
        if not self.phases()[0] > 0 or not all(a < b for a, b in pairwise(self.phases())):
            msg = (
                f"OneCycle: rise must leave every phase a step: steps={self.steps} end at {self.phases()}. "
                f"Received: rise={self.rise}"
            )
            raise SpecError(msg)

    def phases(self) -> tuple[float, ...]:
        """Return the step at which each phase ends, as torch counts."""
        up = self.rise * self.steps
        return (up - 1, 2 * up - 2, self.steps - 1) if self.three_phase else (up - 1, self.steps - 1)


@dataclass(frozen=True)
class Cyclic(Schedule):
    """``low`` → 1 in ``up`` steps and back in ``down``, again and again (Smith 2017, ``CyclicLR``).

    The height above ``low`` is "constant", "halved" with each cycle, or "exponential": factor^t. The optimizer's rate
    is torch's ``max_lr``.
    """

    low: Fraction
    up: Size = 2000
    down: Size = 2000
    height: Literal["constant", "halved", "exponential"] = "constant"
    factor: Positive = 1.0


@dataclass(frozen=True)
class Chain(Schedule):
    """One schedule after another, each counting from 0, the next from each of ``at`` on (``SequentialLR``)."""

    schedules: tuple[Schedule, ...]
    at: Shape

    def __post_init__(self) -> None:
        super().__post_init__()
        _members(self, self.schedules)
        _rising(self, "at", self.at)
        if len(self.at) != len(self.schedules) - 1:
            msg = f"Chain: at must be {len(self.schedules) - 1} steps, one for each change. Received: at={self.at!r}"
            raise SpecError(msg)


@dataclass(frozen=True)
class Product(Schedule):
    """All factors of several schedules at once (``ChainedScheduler``)."""

    schedules: tuple[Schedule, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        _members(self, self.schedules)


@dataclass(frozen=True)
class Plateau(Schedule):
    """The rate times ``factor`` when ``watch`` has not improved for ``patience`` epochs; at least ``floor``.

    An improvement passes the best by ``threshold``, a share of it or a difference. ``patience_rule`` "exceeded" waits
    for one bad epoch more (``lr_scheduler.ReduceLROnPlateau``), "reached" does not (``keras.callbacks…``).
    ``cooldown_rule`` "whole" forgives the last epoch of a cooldown too (torch), "but_last" counts it (Keras). A change
    of the rate of ``least_change`` or less is left undone (torch's ``eps``).
    """

    watch: Literal["loss", "train_accuracy", "validation_loss", "validation_accuracy"] = "validation_loss"
    better: Literal["lower", "higher"] = "lower"
    factor: Fraction = 0.1
    patience: Count = 10
    threshold: NonNegative = 1e-4
    threshold_mode: Literal["relative", "absolute"] = "relative"
    cooldown: Count = 0
    floor: Fraction = 0.0
    least_change: NonNegative = 1e-8
    patience_rule: Literal["exceeded", "reached"] = "exceeded"
    cooldown_rule: Literal["whole", "but_last"] = "whole"
    per: Literal["step", "epoch"] = field(default="epoch", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.per != "epoch":
            msg = "Plateau: per must be 'epoch', when losses are known on all data. Received: per='step'"
            raise SpecError(msg)


def _rising(node: Schedule, name: str, steps: tuple[int, ...]) -> None:
    if any(later <= earlier for earlier, later in pairwise(steps)):
        msg = f"{type(node).__name__}: {name} must be a rising list of positive integers. Received: {name}={steps!r}"
        raise SpecError(msg)


def _members(node: Schedule, schedules: Any) -> None:
    """Raise ``SpecError`` unless all are schedules that count as the outer one does."""
    what = type(node).__name__
    if not isinstance(schedules, (list, tuple)) or not schedules or not all(isinstance(s, Schedule) for s in schedules):
        msg = f"{what}: schedules must be a list of schedules, such as [LinearRamp(100)]. Received: {schedules!r}"
        raise SpecError(msg)
    object.__setattr__(node, "schedules", tuple(schedules))
    for inner in schedules:
        if isinstance(inner, Plateau):
            msg = f"{what}: a Plateau depends on what was seen and stands alone. Received: {inner.brief()}"
            raise SpecError(msg)
        if inner.per != "step":
            msg = f"{what}: say per='epoch' on the {what} itself, for all it holds. Received: {inner.brief()}"
            raise SpecError(msg)
