"""Moments: the mean and variance that theory gives each initializer."""

import math

from dualnet.specs import initializers as I
from dualnet.specs.draw import fan
from dualnet.specs.weights import Parameter


def moments(parameter: Parameter) -> tuple[float, float] | None:
    """Return (mean, variance) of a parameter's entries; None for the patterns eye and dirac."""
    start = parameter.initializer
    if isinstance(start, (I.Zeros, I.Ones, I.Constant)):
        return {I.Zeros: 0.0, I.Ones: 1.0}.get(type(start), getattr(start, "value", 0.0)), 0.0
    if isinstance(start, I.Uniform):
        return (start.low + start.high) / 2, (start.high - start.low) ** 2 / 12
    if isinstance(start, I.Normal):
        return start.mean, start.std**2
    if isinstance(start, I.TruncatedNormal):
        return _truncated(start)
    if isinstance(start, I.Orthogonal):
        return 0.0, start.gain**2 / max(parameter.shape[0], math.prod(parameter.shape[1:]))
    if isinstance(start, (I.XavierUniform, I.XavierNormal)):
        return 0.0, start.gain**2 * 2.0 / (parameter.fan_in + parameter.fan_out)
    if isinstance(start, (I.KaimingUniform, I.KaimingNormal)):
        return 0.0, I.gain(start.nonlinearity, start.slope) ** 2 / fan(start, parameter)
    if isinstance(start, (I.LecunUniform, I.LecunNormal)):
        return 0.0, 1.0 / parameter.fan_in
    return (0.0, 1.0 / (3.0 * parameter.fan_in)) if isinstance(start, I.FanInUniform) else None


def _truncated(start: I.TruncatedNormal) -> tuple[float, float]:
    """Return the moments of a normal between two bounds (Johnson, Kotz & Balakrishnan 1994, 13.134)."""
    low, high = ((bound - start.mean) / start.std for bound in (start.low, start.high))
    inside = 0.5 * (math.erf(high * math.sqrt(0.5)) - math.erf(low * math.sqrt(0.5)))
    below, above = (math.exp(-x * x / 2) / math.sqrt(2 * math.pi) / inside for x in (low, high))
    shift = below - above
    return start.mean + start.std * shift, start.std**2 * (1 + low * below - high * above - shift**2)
