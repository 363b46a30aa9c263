"""Moments: the mean, variance, bounds and density that theory gives each initializer."""

import math
from collections.abc import Callable
from typing import Any

from dualnet.specs import initializers as I
from dualnet.specs.draw import fan, scaling_fan, zeros
from dualnet.specs.parameter import Parameter

Moments = tuple[float, float]


def moments(parameter: Parameter) -> Moments | None:
    """Return (mean, variance) of a parameter's entries; None for the patterns eye, dirac and rows."""
    rule = RULES.get(type(parameter.initializer))
    return rule(parameter.initializer, parameter) if rule else None


def bounds(parameter: Parameter) -> tuple[float, float]:
    """Return (low, high), between which all entries lie; infinite for a normal, ±gain for rows that are orthonormal."""
    start: Any = parameter.initializer
    found = moments(parameter)
    if isinstance(start, I.TruncatedNormal):
        return start.low, start.high
    if isinstance(start, I.Orthogonal):
        return -abs(start.gain), abs(start.gain)
    if found is None or isinstance(start, (I.Normal, I.Sparse)):
        return -math.inf, math.inf
    mean, std = found[0], math.sqrt(found[1])
    # a uniform one or a constant; a normal that is cut at 2σ and rescaled; one that is not cut
    reach = {None: math.sqrt(3.0) * std, True: 2 * std / I.TRUNCATED_STD, False: math.inf}[_cut(start)]
    return mean - reach, mean + reach


def _cut(start: Any) -> bool | None:
    """Return whether a normal is cut at 2σ; None where the start is no normal."""
    if isinstance(start, I.VarianceScaling):
        return None if start.distribution == "uniform" else start.distribution == "truncated_normal"
    return getattr(start, "truncated", None)


def density(parameter: Parameter, x: float) -> float | None:
    """Return the density of an entry at x; None where there is no closed form, or none at all (a constant)."""
    found, (low, high) = moments(parameter), bounds(parameter)
    if found is None or found[1] == 0 or isinstance(parameter.initializer, (I.Orthogonal, I.Sparse)):
        return None
    if not low <= x <= high:
        return 0.0
    start: Any = parameter.initializer
    mean, variance = found
    cut = isinstance(start, I.TruncatedNormal)
    if not cut and math.isfinite(high) and not _cut(start):
        return 1.0 / (high - low)
    middle = start.mean if cut else mean
    std = start.std if cut else math.sqrt(variance) / (I.TRUNCATED_STD if math.isfinite(high) else 1.0)
    below, above = ((bound - middle) / std * math.sqrt(0.5) for bound in (low, high))
    inside = 0.5 * (math.erf(above) - math.erf(below))
    return math.exp(-(((x - middle) / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi) * inside)


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


def _scaled(start: I.VarianceScaling, p: Parameter) -> Moments:
    return 0.0, start.scale / scaling_fan(start, p)


def _sparse(start: I.Sparse, p: Parameter) -> Moments:
    return 0.0, start.std**2 * (1 - zeros(start, p) / p.shape[0])


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
    I.VarianceScaling: _scaled,
    I.Sparse: _sparse,
    I.FanInUniform: lambda i, p: (0.0, 1.0 / (3.0 * p.fan_in)),
}
