"""Moments: the mean and variance that theory gives each initializer."""

import math
from collections.abc import Callable
from typing import Any

from dualnet.specs import initializers as I
from dualnet.specs.draw import fan
from dualnet.specs.weights import Parameter

Moments = tuple[float, float]


def moments(parameter: Parameter) -> Moments | None:
    """Return (mean, variance) of a parameter's entries; None for the patterns eye and dirac."""
    rule = RULES.get(type(parameter.initializer))
    return rule(parameter.initializer, parameter) if rule else None


def _truncated(start: I.TruncatedNormal, p: Parameter) -> Moments:
    """Return the moments of a normal between two bounds (Johnson, Kotz & Balakrishnan 1994, 13.134)."""
    low, high = ((bound - start.mean) / start.std for bound in (start.low, start.high))
    inside = 0.5 * (math.erf(high * math.sqrt(0.5)) - math.erf(low * math.sqrt(0.5)))
    below, above = (math.exp(-x * x / 2) / math.sqrt(2 * math.pi) / inside for x in (low, high))
    shift = below - above
    return start.mean + start.std * shift, start.std**2 * (1 + low * below - high * above - shift**2)


def _xavier(start: Any, p: Parameter) -> Moments:
    return 0.0, start.gain**2 * 2.0 / (p.fan_in + p.fan_out)


def _kaiming(start: Any, p: Parameter) -> Moments:
    return 0.0, I.gain(start.nonlinearity, start.slope) ** 2 / fan(start, p)


def _lecun(start: Any, p: Parameter) -> Moments:
    return 0.0, 1.0 / p.fan_in


RULES: dict[type[I.Initializer], Callable[[Any, Parameter], Moments]] = {
    I.Zeros: lambda i, p: (0.0, 0.0),
    I.Ones: lambda i, p: (1.0, 0.0),
    I.Constant: lambda i, p: (i.value, 0.0),
    I.Uniform: lambda i, p: ((i.low + i.high) / 2, (i.high - i.low) ** 2 / 12),
    I.Normal: lambda i, p: (i.mean, i.std**2),
    I.TruncatedNormal: _truncated,
    # Orthonormal rows or columns: the squares of the longer side add up to one.
    I.Orthogonal: lambda i, p: (0.0, i.gain**2 / max(p.shape[0], math.prod(p.shape[1:]))),
    I.XavierUniform: _xavier,
    I.XavierNormal: _xavier,
    I.KaimingUniform: _kaiming,
    I.KaimingNormal: _kaiming,
    I.LecunUniform: _lecun,
    I.LecunNormal: _lecun,
    I.FanInUniform: lambda i, p: (0.0, 1.0 / (3.0 * p.fan_in)),
}
