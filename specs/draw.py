"""Shared draws: initial weights in NumPy, bit-identical on every machine and NumPy version.

Random bits come from the counter-based Philox generator keyed by (seed, parameter path). From there on only
+ - * / and square roots are used, which IEEE 754 rounds in one way: the logarithm and the normal quantile are written
out below, because a library's differ in the last bit from one machine to the next.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualnet.errors import SpecError
from dualnet.specs import initializers as I
from dualnet.specs.parameter import Parameter

Array = NDArray[np.float64]


def generator(*key: object) -> np.random.Philox:
    """Return the Philox bit generator that belongs to a key, such as (seed, path)."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return np.random.Philox(key=np.frombuffer(digest[:16], dtype="<u8").astype(np.uint64))


def uniform(size: int, *key: object) -> Array:
    """Return ``size`` float64 draws of U(0, 1), the open interval, with 52 random bits each."""
    raw = generator(*key).random_raw(size)
    return ((raw >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def normal(size: int, *key: object) -> Array:
    """Return ``size`` float64 draws of N(0, 1)."""
    return normal_quantile(uniform(size, *key))


def draw(parameter: Parameter, *key: object) -> Array:
    """Return the float64 start of a parameter. Raises ``SpecError`` where the initializer cannot fill its shape."""
    start = parameter.initializer
    filled = RULES[type(start)](start, parameter, key)
    return np.array(np.broadcast_to(filled, parameter.shape), dtype=np.float64, order="C")


def log(x: Array) -> Array:
    """Return ln x for x > 0 by fdlibm's ``e_log.c``: 2ᵏ·(1 + f), then a polynomial in s = f / (2 + f)."""
    mantissa, exponent = np.frexp(x)
    low = mantissa < math.sqrt(0.5)
    f = np.where(low, 2.0 * mantissa, mantissa) - 1.0
    k = exponent.astype(np.float64) - low
    s = f / (2.0 + f)
    z = s * s
    tail = z * _polynomial(z, _LOG)
    half = 0.5 * f * f
    return k * _LN2_HIGH - ((half - (s * (half + tail) + k * _LN2_LOW)) - f)


def normal_quantile(p: Array) -> Array:
    """Return Φ⁻¹(p) for 0 < p < 1 by Wichura's algorithm AS 241 (PPND16, 1988), about 1e-16 relative."""
    q = p - 0.5
    centre = 0.180625 - q * q
    middle = q * _polynomial(centre, _AS241[0]) / _polynomial(centre, _AS241[1])
    r = np.sqrt(-log(np.where(q < 0, p, 1.0 - p)))
    near = _polynomial(r - 1.6, _AS241[2]) / _polynomial(r - 1.6, _AS241[3])
    far = _polynomial(r - 5.0, _AS241[4]) / _polynomial(r - 5.0, _AS241[5])
    tail = np.where(r <= 5.0, near, far)
    return np.where(np.abs(q) <= 0.425, middle, np.where(q < 0, -tail, tail))


def orthonormal(rows: int, columns: int, *key: object) -> Array:
    """Return (rows, columns) with orthonormal rows (or columns, if fewer): Gram-Schmidt, twice, of normal draws.

    Sums run strictly in order (``cumsum``); a BLAS product would round differently on another machine.
    """
    basis = normal(rows * columns, *key).reshape(rows, columns)
    basis = basis if rows <= columns else basis.T.copy()
    for i in [*range(len(basis))] * 2:
        basis[i] /= np.sqrt(np.cumsum(basis[i] * basis[i])[-1])
        rest = basis[i + 1 :]
        rest -= np.cumsum(rest * basis[i], axis=1)[:, -1:] * basis[i]
    return basis if rows <= columns else basis.T


def _polynomial(x: Array, coefficients: tuple[float, ...]) -> Array:
    total = np.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + coefficient
    return total


def _between(bound: float, p: Parameter, key: tuple[object, ...]) -> Array:
    return ((uniform(math.prod(p.shape), *key) * 2.0 - 1.0) * bound).reshape(p.shape)


def _spread(variance: float, truncated: bool, p: Parameter, key: tuple[object, ...]) -> Array:
    std = math.sqrt(variance)
    if truncated and std:  # a gain of 1e-300 has none
        cut = I.TruncatedNormal(0.0, std / I.TRUNCATED_STD, -2 * std / I.TRUNCATED_STD, 2 * std / I.TRUNCATED_STD)
        return _truncated(cut, p, key)
    return (normal(math.prod(p.shape), *key) * std).reshape(p.shape)


def _truncated(start: I.TruncatedNormal, p: Parameter, key: tuple[object, ...]) -> Array:
    low, high = (_phi((bound - start.mean) / start.std) for bound in (start.low, start.high))
    if not low < high:
        rule = "low must lie below high, and part of their range within 7 std of the mean"
        msg = f"TruncatedNormal: {rule}. Received: low={start.low} and high={start.high}"
        raise SpecError(msg)
    inside = low + (high - low) * uniform(math.prod(p.shape), *key)
    drawn = start.mean + start.std * normal_quantile(np.clip(inside, 2.0**-53, 1.0 - 2.0**-53))
    return np.clip(drawn, start.low, start.high).reshape(p.shape)


def _phi(x: float) -> float:
    """Return Φ(x) rounded to 40 bits, so that libraries whose erfc differs in the last bit agree."""
    return round(0.5 * math.erfc(-x / math.sqrt(2.0)) * 2.0**40) / 2.0**40


def fan(start: I.KaimingUniform | I.KaimingNormal, p: Parameter) -> int:
    """Return the fan that a Kaiming initializer divides by."""
    return p.fan_in if start.mode == "fan_in" else p.fan_out


def scaling_fan(start: I.VarianceScaling, p: Parameter) -> float:
    """Return the fan that variance scaling divides by."""
    return {"fan_in": p.fan_in, "fan_out": p.fan_out, "fan_avg": (p.fan_in + p.fan_out) / 2}[start.mode]


def zeros(start: I.Sparse, p: Parameter) -> int:
    """Return how many zeros a sparse start puts into each column."""
    return math.ceil(start.sparsity * p.shape[0])


def _scaling(start: I.VarianceScaling, p: Parameter, key: tuple[object, ...]) -> Array:
    variance = start.scale / scaling_fan(start, p)
    if start.distribution == "uniform":
        return _between(math.sqrt(3.0 * variance), p, key)
    return _spread(variance, start.distribution == "truncated_normal", p, key)


def _sparse(start: I.Sparse, p: Parameter, key: tuple[object, ...]) -> Array:
    _needs(len(p.shape) == 2, start, p, "two axes")
    drawn = normal(math.prod(p.shape), *key).reshape(p.shape) * start.std
    order = np.argsort(uniform(math.prod(p.shape), *key, "zeros").reshape(p.shape), axis=0, kind="stable")
    np.put_along_axis(drawn, order[: zeros(start, p)], 0.0, axis=0)
    return drawn


def _eye(start: I.Eye, p: Parameter, key: tuple[object, ...]) -> Array:
    _needs(len(p.shape) == 2, start, p, "two axes")
    return np.eye(p.shape[0], p.shape[1])


def _dirac(start: I.Dirac, p: Parameter, key: tuple[object, ...]) -> Array:
    _needs(len(p.shape) >= 3, start, p, "convolution weights")
    filled = np.zeros(p.shape)
    for channel in range(min(p.shape[:2])):
        filled[(channel, channel, *(size // 2 for size in p.shape[2:]))] = 1.0
    return filled


def _orthogonal(start: I.Orthogonal, p: Parameter, key: tuple[object, ...]) -> Array:
    _needs(len(p.shape) >= 2, start, p, "two axes or more")
    return start.gain * orthonormal(p.shape[0], math.prod(p.shape[1:]), *key).reshape(p.shape)


def _rows(start: I.Rows, p: Parameter, key: tuple[object, ...]) -> Array:
    _needs(start.end <= p.shape[0], start, p, f"parameters of {start.end} rows or more")
    filled = draw(replace(p, initializer=start.rest), *key)
    filled[start.first : start.end] = start.value
    return filled


def _needs(holds: bool, start: I.Initializer, p: Parameter, what: str) -> None:
    if not holds:
        msg = f"{type(start).__name__} fills {what}. Received: {p.name} of shape {list(p.shape)}"
        raise SpecError(msg)


def _glorot(p: Parameter) -> float:
    return 2.0 / (p.fan_in + p.fan_out)


def _gain(start: I.KaimingUniform | I.KaimingNormal) -> float:
    return I.gain(start.nonlinearity, start.slope)


RULES: dict[type[I.Initializer], Callable[[Any, Parameter, tuple[object, ...]], Any]] = {
    I.Zeros: lambda i, p, key: 0.0,
    I.Ones: lambda i, p, key: 1.0,
    I.Constant: lambda i, p, key: i.value,
    I.Uniform: lambda i, p, key: (i.low + (i.high - i.low) * uniform(math.prod(p.shape), *key)).reshape(p.shape),
    I.Normal: lambda i, p, key: (i.mean + i.std * normal(math.prod(p.shape), *key)).reshape(p.shape),
    I.TruncatedNormal: _truncated,
    I.Eye: _eye,
    I.Dirac: _dirac,
    I.Orthogonal: _orthogonal,
    I.XavierUniform: lambda i, p, key: _between(i.gain * math.sqrt(3.0 * _glorot(p)), p, key),
    I.XavierNormal: lambda i, p, key: _spread(i.gain * i.gain * _glorot(p), i.truncated, p, key),
    I.KaimingUniform: lambda i, p, key: _between(_gain(i) * math.sqrt(3.0 / fan(i, p)), p, key),
    I.KaimingNormal: lambda i, p, key: _spread(_gain(i) * _gain(i) / fan(i, p), i.truncated, p, key),
    I.LecunUniform: lambda i, p, key: _between(math.sqrt(3.0 / p.fan_in), p, key),
    I.LecunNormal: lambda i, p, key: _spread(1.0 / p.fan_in, i.truncated, p, key),
    I.VarianceScaling: _scaling,
    I.Sparse: _sparse,
    I.FanInUniform: lambda i, p, key: _between(1.0 / math.sqrt(p.fan_in), p, key),
    I.Rows: _rows,
}

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_LOG = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
)
_AS241 = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
     2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip
