"""Native draws: each initializer by ``torch.nn.init`` and torch's own generator."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dualnet.specs import initializers as I
from dualnet.specs.weights import Parameter


@torch.no_grad()
def fill(tensor: Tensor, parameter: Parameter) -> None:
    """Start a parameter in place by its initializer."""
    RULES[type(parameter.initializer)](tensor, parameter.initializer, parameter)


def _kaiming(rule: Callable[..., Any]) -> Callable[[Tensor, Any, Parameter], Any]:
    return lambda t, i, p: rule(t, a=i.slope, mode=i.mode, nonlinearity=i.nonlinearity)


def _kaiming_normal(t: Tensor, i: I.KaimingNormal, p: Parameter) -> None:
    fan = p.fan_in if i.mode == "fan_in" else p.fan_out
    if i.truncated:
        _truncated(t, I.gain(i.nonlinearity, i.slope) / math.sqrt(fan))
    else:
        _kaiming(nn.init.kaiming_normal_)(t, i, p)


def _xavier_normal(t: Tensor, i: I.XavierNormal, p: Parameter) -> None:
    if i.truncated:
        _truncated(t, i.gain * math.sqrt(2.0 / (p.fan_in + p.fan_out)))
    else:
        nn.init.xavier_normal_(t, i.gain)


def _lecun_normal(t: Tensor, i: I.LecunNormal, p: Parameter) -> None:
    std = 1.0 / math.sqrt(p.fan_in)
    if i.truncated:
        _truncated(t, std)
    else:
        nn.init.normal_(t, 0.0, std)


def _truncated(t: Tensor, std: float) -> None:
    """Fill by a normal cut at 2σ whose variance after the cut is std²."""
    wide = std / I.TRUNCATED_STD
    nn.init.trunc_normal_(t, 0.0, wide, -2 * wide, 2 * wide)


def _uniform(t: Tensor, bound: float) -> None:
    nn.init.uniform_(t, -bound, bound)


RULES: dict[type[I.Initializer], Callable[[Tensor, Any, Parameter], Any]] = {
    I.Zeros: lambda t, i, p: nn.init.zeros_(t),
    I.Ones: lambda t, i, p: nn.init.ones_(t),
    I.Constant: lambda t, i, p: nn.init.constant_(t, i.value),
    I.Uniform: lambda t, i, p: nn.init.uniform_(t, i.low, i.high),
    I.Normal: lambda t, i, p: nn.init.normal_(t, i.mean, i.std),
    I.TruncatedNormal: lambda t, i, p: nn.init.trunc_normal_(t, i.mean, i.std, i.low, i.high),
    I.Eye: lambda t, i, p: nn.init.eye_(t),
    I.Dirac: lambda t, i, p: nn.init.dirac_(t),
    I.Orthogonal: lambda t, i, p: nn.init.orthogonal_(t, i.gain),
    I.XavierUniform: lambda t, i, p: nn.init.xavier_uniform_(t, i.gain),
    I.XavierNormal: _xavier_normal,
    I.KaimingUniform: _kaiming(nn.init.kaiming_uniform_),
    I.KaimingNormal: _kaiming_normal,
    I.LecunUniform: lambda t, i, p: _uniform(t, math.sqrt(3.0 / p.fan_in)),
    I.LecunNormal: _lecun_normal,
    I.FanInUniform: lambda t, i, p: _uniform(t, 1.0 / math.sqrt(p.fan_in)),
}
