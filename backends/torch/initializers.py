"""Native draws: each initializer by ``torch.nn.init`` and torch's own generator.

Kaiming's and Xavier's spread comes from the spec's fans: ``torch.nn.init`` knows none for a bias.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dualnet.specs import initializers as I
from dualnet.specs.draw import fan, scaling_fan
from dualnet.specs.parameter import Parameter

# What these layers draw for weight and bias as they are made, in float32: U(-1/√fan_in, 1/√fan_in), `reset_parameters`.
BY_ITSELF = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
ITS_OWN = (I.KaimingUniform(nonlinearity="leaky_relu", slope=math.sqrt(5.0)), I.FanInUniform())


def drawn(layer: nn.Module, parameter: Parameter, dtype: torch.dtype) -> bool:
    """Return whether a layer that was just made holds a draw of this parameter's initializer already."""
    if type(layer) not in BY_ITSELF or parameter.initializer not in ITS_OWN or dtype != torch.float32:
        return False
    return bool(parameter.fan_in == math.prod(layer.weight.shape[1:]))  # a depthwise kernel may have another rule


@torch.no_grad()
def fill(tensor: Tensor, parameter: Parameter) -> None:
    """Start a parameter in place by its initializer, drawn in the spec's order whatever the order of memory."""
    drawn = torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device)
    RULES[type(parameter.initializer)](drawn, parameter.initializer, parameter)
    tensor.copy_(drawn)


def _kaiming_std(i: I.KaimingUniform | I.KaimingNormal, p: Parameter) -> float:
    return I.gain(i.nonlinearity, i.slope) / math.sqrt(fan(i, p))


def _xavier_std(i: I.XavierUniform | I.XavierNormal, p: Parameter) -> float:
    return i.gain * math.sqrt(2.0 / (p.fan_in + p.fan_out))


def _spread(t: Tensor, std: float, truncated: bool) -> None:
    if truncated:
        _truncated(t, std)
    else:
        nn.init.normal_(t, 0.0, std)


def _truncated(t: Tensor, std: float) -> None:
    """Fill by a normal cut at 2σ whose variance after the cut is std²."""
    wide = std / I.TRUNCATED_STD
    nn.init.trunc_normal_(t, 0.0, wide, -2 * wide, 2 * wide)


def _uniform(t: Tensor, bound: float) -> None:
    nn.init.uniform_(t, -bound, bound)


def _scaling(t: Tensor, i: I.VarianceScaling, p: Parameter) -> None:
    std = math.sqrt(i.scale / scaling_fan(i, p))
    if i.distribution == "uniform":
        _uniform(t, math.sqrt(3.0) * std)
    else:
        _spread(t, std, i.distribution == "truncated_normal")


def _rows(t: Tensor, i: I.Rows, p: Parameter) -> None:
    RULES[type(i.rest)](t, i.rest, p)
    t[i.first : i.end] = i.value


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
    I.XavierUniform: lambda t, i, p: _uniform(t, math.sqrt(3.0) * _xavier_std(i, p)),
    I.XavierNormal: lambda t, i, p: _spread(t, _xavier_std(i, p), i.truncated),
    I.KaimingUniform: lambda t, i, p: _uniform(t, math.sqrt(3.0) * _kaiming_std(i, p)),
    I.KaimingNormal: lambda t, i, p: _spread(t, _kaiming_std(i, p), i.truncated),
    I.LecunUniform: lambda t, i, p: _uniform(t, math.sqrt(3.0 / p.fan_in)),
    I.LecunNormal: lambda t, i, p: _spread(t, 1.0 / math.sqrt(p.fan_in), i.truncated),
    I.VarianceScaling: _scaling,
    I.Sparse: lambda t, i, p: nn.init.sparse_(t, i.sparsity, i.std),
    I.FanInUniform: lambda t, i, p: _uniform(t, 1.0 / math.sqrt(p.fan_in)),
    I.Rows: _rows,
}
