"""Stock: ``torch.optim``'s own class for a spec whose fields mean what the class does, and its names of the slots.

Not NAdam, ASGD and Muon: the first two keep a product and a rate in float32 beside float64 parameters, the third
iterates in bfloat16.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from dualnet.specs import optimizers as S

# torch.optim's names of the slots → the spec's.
SLOTS = {
    "momentum_buffer": "velocity",
    "exp_avg": "first_moment",
    "exp_avg_sq": "second_moment",
    "max_exp_avg_sq": "largest_second_moment",
    "exp_inf": "largest_gradient",
    "square_avg": "mean_square",
    "grad_avg": "mean_gradient",
    "sum": "sum_of_squares",
    "acc_delta": "mean_square_update",
    "row_var": "row_mean",
    "col_var": "column_mean",
    "prev": "previous_gradient",
}

# Those of which torch has one kernel for all parameters, on a CPU too: 2.5 times as fast for a small net.
FUSED = ("SGD", "Adam", "AdamW", "Adagrad")


def stock(spec: S.Optimizer, parameters: list[nn.Parameter]) -> torch.optim.Optimizer | None:
    """Return torch's optimizer, or None where its meaning is another."""
    rule = RULES.get(type(spec))
    options = rule(spec) if rule else None
    if options is None:
        return None
    native = getattr(torch.optim, _class(spec))
    if not isinstance(spec, S.Rprop):
        options["weight_decay"] = spec.weight_decay
    if _class(spec) in FUSED and all(p.dtype in (torch.float32, torch.float64) for p in parameters):
        options["fused"] = True
    made: torch.optim.Optimizer = native(parameters, lr=spec.learning_rate, maximize=spec.maximize, **options)
    return made


def _class(spec: S.Optimizer) -> str:
    if isinstance(spec, S.Adam):
        return "AdamW" if _decoupled(spec) else "Adam"
    return type(spec).__name__


def _decoupled(o: S.Optimizer) -> bool:
    return bool(o.weight_decay) and o.decay == "decoupled"


def _sgd(o: S.SGD) -> dict[str, Any] | None:
    if (o.momentum and o.velocity == "update") or _decoupled(o):
        return None
    return {"momentum": o.momentum, "dampening": o.dampening, "nesterov": o.nesterov}


def _adam(o: S.Adam) -> dict[str, Any] | None:
    if o.epsilon_placement == "before_correction":
        return None
    return {"betas": (o.beta1, o.beta2), "eps": o.epsilon, "amsgrad": o.amsgrad}


def _adamax(o: S.Adamax) -> dict[str, Any] | None:
    if o.epsilon_placement == "outside" or _decoupled(o):
        return None
    return {"betas": (o.beta1, o.beta2), "eps": o.epsilon}


def _radam(o: S.RAdam) -> dict[str, Any]:
    return {"betas": (o.beta1, o.beta2), "eps": o.epsilon, "decoupled_weight_decay": o.decay == "decoupled"}


def _rmsprop(o: S.RMSprop) -> dict[str, Any] | None:
    if o.epsilon_placement == "inside_root" or (o.momentum and o.velocity == "update") or _decoupled(o):
        return None
    return {"alpha": o.alpha, "eps": o.epsilon, "momentum": o.momentum, "centered": o.centered}


def _adagrad(o: S.Adagrad) -> dict[str, Any] | None:
    if o.epsilon_placement == "inside_root" or _decoupled(o):
        return None
    return {"lr_decay": o.rate_decay, "initial_accumulator_value": o.initial, "eps": o.epsilon}


def _adadelta(o: S.Adadelta) -> dict[str, Any] | None:
    return None if _decoupled(o) else {"rho": o.rho, "eps": o.epsilon}


def _adafactor(o: S.Adafactor) -> dict[str, Any] | None:
    coupled = o.weight_decay and o.decay == "coupled"
    after = o.weight_decay and o.rms_of == "after_decay"
    if o.epsilon_placement == "added" or o.factored == "first_two" or coupled or after:
        return None
    return {"beta2_decay": o.beta2_decay, "eps": (o.epsilon1, o.epsilon2), "d": o.threshold}


def _rprop(o: S.Rprop) -> dict[str, Any]:
    return {"etas": (o.shrink, o.grow), "step_sizes": (o.least, o.most)}


RULES: dict[type[S.Optimizer], Callable[[Any], dict[str, Any] | None]] = {
    S.SGD: _sgd,
    S.Adam: _adam,
    S.AdamW: _adam,
    S.Adamax: _adamax,
    S.RAdam: _radam,
    S.RMSprop: _rmsprop,
    S.Adagrad: _adagrad,
    S.Adadelta: _adadelta,
    S.Adafactor: _adafactor,
    S.Rprop: _rprop,
}
