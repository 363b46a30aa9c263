"""Mean-field theory of signals through depth: what a wide random network does to variances, layer by layer.

With weights N(0, σw²/n) and biases N(0, σb²), the pre-activations of layer l are N(0, q_l), where
q_{l+1} = σw²·E[φ(√q_l z)²] + σb², and the squared gradient shrinks by χ_l = σw²·E[φ'(√q_l z)²] on its way down
(Poole et al. 2016; Schoenholz et al. 2017; Glorot & Bengio 2010 for the linear regime). Expectations over z ~ N(0, 1).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dualnet.specs import layers as L

Values = NDArray[np.float64]
Function = Callable[[Values], Values]

# A fine grid, not Gauss-Hermite: activations have kinks. Beyond 8 standard deviations lie 1e-15 of the mass.
Z = np.linspace(-8.0, 8.0, 16001)
WEIGHT = np.exp(-Z * Z / 2) / np.exp(-Z * Z / 2).sum()


def expected(function: Function, variance: float) -> float:
    """Return E[f(√variance·z)] for z ~ N(0, 1)."""
    return float((function(np.sqrt(variance) * Z) * WEIGHT).sum())


def _sigmoid(x: Values) -> Values:
    return 1.0 / (1.0 + np.exp(-x))


def pair(layer: L.Layer) -> tuple[Function, Function] | None:
    """Return an activation and its derivative; None for one that has no entry here."""
    if isinstance(layer, L.Sigmoid):
        return _sigmoid, lambda x: _sigmoid(x) * (1.0 - _sigmoid(x))
    if isinstance(layer, L.Tanh):
        return np.tanh, lambda x: 1.0 - np.tanh(x) ** 2
    if isinstance(layer, L.ReLU):
        shift = layer.shift
        return lambda x: np.maximum(x, 0.0) - shift, lambda x: (x > 0) * 1.0
    if isinstance(layer, L.LeakyReLU):
        slope = layer.slope
        return lambda x: np.where(x > 0, x, slope * x), lambda x: np.where(x > 0, 1.0, slope)
    if isinstance(layer, L.ELU):
        alpha = layer.alpha
        return (
            lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0))),
            lambda x: np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0.0))),
        )
    return None


def next_variance(function: Function, variance: float, weight: float, bias: float) -> float:
    """Return q_{l+1} of q_l; ``weight`` is n·Var(w) of the layer between, ``bias`` the variance of its biases."""
    return weight * expected(lambda x: function(x) ** 2, variance) + bias


def shrinkage(derivative: Function, variance: float, weight: float) -> tuple[float, float]:
    """Return (χ, v): the mean factor of the squared gradient through a layer, and the n-fold relative variance of it.

    The squared norm gains the factor (σw²/n)·Σ φ'(h_i)²·g_i² with g ~ N(0, 1): its mean is χ = σw²·E[φ'²], and its
    relative variance v/n with v = 3·E[φ'⁴]/E[φ'²]² - 1.
    """
    square = expected(lambda x: derivative(x) ** 2, variance)
    fourth = expected(lambda x: derivative(x) ** 4, variance)
    return weight * square, 3.0 * fourth / square**2 - 1.0 if square > 0 else 0.0
