"""Optimizer: what all of them share: decay, direction, groups of parameters, accumulation, averages; clipping."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from dualnet.errors import SpecError
from dualnet.specs.kinds import Fraction, Kind, Names, NonNegative, Positive, Share, Size
from dualnet.specs.node import Node

Decay = Literal["coupled", "decoupled"]
Velocity = Literal["gradient", "update"]


@dataclass(frozen=True)
class Group(Node):
    """Parameters with settings of their own: those whose full name matches one of ``match``, such as "*.bias".

    Their learning rate is that of the step times ``rate_factor``; ``weight_decay`` left out is the optimizer's. A
    parameter belongs to the first group that it matches (``torch.optim``'s param_groups, Keras's
    ``exclude_from_weight_decay``).
    """

    match: Names
    rate_factor: NonNegative = 1.0
    weight_decay: NonNegative | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.match:
            msg = 'Group: match must name a pattern or more, such as ["*.bias"]. Received: an empty list'
            raise SpecError(msg)


@dataclass(frozen=True)
class Accumulate(Node):
    """One update for every ``steps`` batches, by the mean of their gradients (Keras) or the sum (torch's backward).

    The update takes the learning rate of its last batch. A schedule's t counts "updates" (torch, where one calls
    ``scheduler.step`` after ``optimizer.step``) or "batches" (Keras).
    """

    steps: Size
    reduction: Literal["mean", "sum"] = "mean"
    schedule_counts: Literal["updates", "batches"] = "updates"


@dataclass(frozen=True)
class WeightAverage(Node):
    """A running mean of the weights: a ← momentum·a + (1 - momentum)·p after each update, a copy after the first.

    ``torch.optim.swa_utils.AveragedModel`` with ``get_ema_multi_avg_fn``, Keras's ``use_ema``. Buffers have none.
    ``overwrite_every`` puts the mean into the weights after every so many updates (``ema_overwrite_frequency``), and
    ``finish`` "average" when training is over (as Keras's ``fit``). The means are slots: ``parameter/average``.
    """

    momentum: Fraction = 0.99
    overwrite_every: Size | None = None
    finish: Literal["weights", "average"] = "weights"


@dataclass(frozen=True)
class LossScale(Node):
    """The loss times a scale before backward, gradients divided by it after: in float16 small ones survive so.

    (Micikevicius et al. 2018.) An update whose gradients are not all finite is left out, and the scale times
    ``backoff``; after ``interval`` finite ones in a row it is times ``growth``, where float32 holds that. Left out, an
    update does not count for the optimizer's t; the schedule's goes on. ``torch.amp.GradScaler`` has these defaults,
    Keras's ``LossScaleOptimizer`` starts at 32768.
    """

    initial: Positive = 65536.0
    growth: Positive = 2.0
    backoff: Share = 0.5
    interval: Size = 2000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.growth < 1 or not self.backoff:
            received = f"growth={self.growth}, backoff={self.backoff}"
            msg = f"LossScale: growth must be at least 1 and backoff above 0. Received: {received}"
            raise SpecError(msg)


def _groups(value: object) -> tuple[Group, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, Group) for item in value):
        raise ValueError
    return tuple(value)


@dataclass(frozen=True)
class Optimizer(Node, family=True):
    """Base of all optimizers. g is the gradient, p the parameter, lr the learning rate, t the update from 1.

    ``maximize`` takes -g for g. ``decay`` "coupled" then adds weight_decay·p to g (L2, most of PyTorch), "decoupled"
    first shrinks p by lr·weight_decay·p (AdamW, all of Keras). Clipping comes before both, on gradients as they are.
    """

    refused: ClassVar[dict[str, str]] = {
        "LBFGS": "It takes the loss and gradient several times a step, in a line search; a step here takes them once.",
        "SparseAdam": "It is for sparse gradients; those of a spec's layers are dense, for which it is Adam.",
        "LossScaleOptimizer": "Give the optimizer a loss_scale.",
        "MultiOptimizer": "Give groups for other rates and decays, or Muon's others.",
    }

    learning_rate: NonNegative = 1e-3
    weight_decay: NonNegative = field(default=0.0, kw_only=True)
    decay: Decay = field(default="coupled", kw_only=True)
    maximize: bool = field(default=False, kw_only=True)
    groups: Annotated[tuple[Group, ...], Kind('a list of groups, such as [Group(["*.bias"])]', _groups)] = field(
        default=(), kw_only=True
    )
    accumulate: Accumulate | None = field(default=None, kw_only=True)
    average: WeightAverage | None = field(default=None, kw_only=True)
    loss_scale: LossScale | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Clip(Node):
    """Gradient clipping.

    "global_norm": all gradients by min(1, limit / (norm + epsilon)), epsilon 1e-6 in ``clip_grad_norm_``, 0 in Keras.
    "norm": the same for each parameter by itself (Keras's ``clipnorm``). "value": each entry to ±limit.
    """

    by: Literal["global_norm", "norm", "value"]
    limit: Positive
    epsilon: NonNegative = 1e-6


def refuse(condition: bool, node: Optimizer, message: str) -> None:
    """Raise ``SpecError``, opened by the node's name, if the condition holds."""
    if condition:
        msg = f"{type(node).__name__}: {message}"
        raise SpecError(msg)
