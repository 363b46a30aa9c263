"""Parts of activations and arithmetic: PyTorch's constants, edges and gradients."""

import math

import keras
import numpy as np
from keras import ops


def hardsigmoid(x):
    """A sigmoid of straight lines. PyTorch's gradient has 1/6 in float32 in every precision."""
    exact = ops.clip(x + 3.0, 0.0, 6.0) / 6.0
    slope = ops.where(ops.abs(x) < 3.0, 0.1666666716337204 * ops.ones_like(x), ops.zeros_like(x))
    return ops.stop_gradient(exact) + (x - ops.stop_gradient(x)) * slope


def gelu(x, approximate=False):
    """x·Φ(x), or its form with tanh. (TensorFlow's own keeps its constants in float32.)"""
    if approximate:
        return 0.5 * x * (1.0 + ops.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1.0 + ops.erf(x * math.sqrt(0.5)))


def leaky_relu(x, slope=0.01):
    """x above 0, slope·x below. (TensorFlow's own keeps the slope in float32.)"""
    return ops.where(x > 0, x, slope * x)


def mish(x):
    """x·tanh(log(1 + eˣ))."""
    return x * ops.tanh(ops.softplus(x))


def selu(x):
    """The self-normalising ELU (Klambauer et al. 2017)."""
    alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
    return scale * ops.where(x > 0, x, alpha * ops.expm1(x))


def elu(x, alpha=1.0, scale=1.0, input_scale=1.0):
    """x above 0, alpha·(eˣ - 1) below."""
    return scale * ops.where(x > 0, x, alpha * ops.expm1(input_scale * ops.minimum(x, 0.0)))


def celu(x, alpha=1.0):
    """x above 0, alpha·(e^(x/alpha) - 1) below."""
    return ops.where(x > 0, x, alpha * ops.expm1(ops.minimum(x, 0.0) / alpha))


def softplus(x, beta=1.0, threshold=20.0):
    """log(1 + e^(beta·x)) / beta; x itself where beta·x is above the threshold."""
    return ops.where(beta * x > threshold, x, ops.softplus(ops.minimum(beta * x, threshold)) / beta)


def hardshrink(x, lambd=0.5):
    """x outside [-lambd, lambd], 0 inside."""
    return ops.where((x >= -lambd) & (x <= lambd), ops.zeros_like(x), x)


def softshrink(x, lambd=0.5):
    """x drawn towards 0 by lambd."""
    return ops.where(x > lambd, x - lambd, ops.where(x < -lambd, x + lambd, ops.zeros_like(x)))


def hardtanh(x, low=-1.0, high=1.0):
    """x cut to [low, high]; at the bounds the gradient is 0."""
    return ops.where((x > low) & (x < high), x, ops.stop_gradient(ops.clip(x, low, high)))


def clamp(x, low, high):
    """x cut to [low, high]; at the bounds the gradient is 1."""
    return ops.where((x >= low) & (x <= high), x, ops.stop_gradient(ops.clip(x, low, high)))


def logit(x, eps=None):
    """log(x / (1 - x)), x cut to [eps, 1 - eps] first."""
    x = x if eps is None else clamp(x, eps, 1.0 - eps)
    return ops.log(x / (1.0 - x))


def nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    """x with numbers for what is none, and for what is infinite: the largest, if none is given."""
    largest = float(np.finfo(keras.backend.standardize_dtype(x.dtype)).max)
    posinf, neginf = largest if posinf is None else posinf, -largest if neginf is None else neginf
    x = ops.where(ops.isnan(x), ops.full_like(x, nan), x)
    x = ops.where(ops.equal(x, float("inf")), ops.full_like(x, posinf), x)
    return ops.where(ops.equal(x, float("-inf")), ops.full_like(x, neginf), x)


def heaviside(x, values):
    """0 below 0, 1 above, and a value of its own at 0."""
    return ops.where(ops.equal(x, 0), values + ops.zeros_like(x), ops.cast(x > 0, x.dtype))


def sinc(x):
    """sin(πx) / (πx), 1 at 0."""
    safe = ops.where(ops.equal(x, 0), ops.ones_like(x), x)
    return ops.where(ops.equal(x, 0), ops.ones_like(x), ops.sin(math.pi * safe) / (math.pi * safe))


def xlogy(x, y):
    """x·log(y), 0 where x is 0."""
    safe = ops.where(ops.equal(x, 0), ops.ones_like(y), y)
    return ops.where(ops.equal(x, 0), ops.zeros_like(x * safe), x * ops.log(safe))


def lerp(start, end, weight):
    """start + weight·(end - start)."""
    return start + weight * (end - start)


def truncate(x, dtype):
    """x without what is behind the point, as integers."""
    return ops.cast(ops.trunc(x), dtype)


def trunc_divide(x, y):
    """x / y, rounded towards 0."""
    return ops.trunc(x / y)


def fmod(x, y):
    """The remainder of x / y with the sign of x."""
    return x - y * ops.trunc(x / y)


def maximum(x, y):
    """The larger one; equal ones share the gradient."""
    return ops.where(ops.equal(x, y), 0.5 * (x + y), ops.maximum(x, y))


def minimum(x, y):
    """The smaller one; equal ones share the gradient."""
    return ops.where(ops.equal(x, y), 0.5 * (x + y), ops.minimum(x, y))


def rrelu(x, lower=0.125, upper=1.0 / 3.0, seed=None):
    """x above 0; below, x by a slope drawn between two, or their mean if there is no seed."""
    slope = (lower + upper) / 2.0
    if seed is not None:
        slope = keras.random.uniform(ops.shape(x), lower, upper, dtype=x.dtype, seed=seed)
    return ops.where(x > 0, x, slope * x)


def safe_softmax(x, axis=-1):
    """Softmax in which what is -inf all along the axis becomes zeros."""
    hidden = ops.all(ops.equal(x, float("-inf")), axis=axis, keepdims=True)
    y = ops.softmax(ops.where(hidden, ops.zeros_like(x), x), axis=axis)
    return ops.where(hidden, ops.zeros_like(y), y)
