"""Parts of reductions and products."""

import math

from keras import ops


def variance(x, axis, correction=1, keepdims=False):
    """The mean square distance from the mean, with n - correction for n."""
    count = math.prod(x.shape[a] if x.shape[a] is not None else ops.shape(x)[a] for a in axis)
    square = ops.sum(ops.square(x - ops.mean(x, axis=axis, keepdims=True)), axis=axis, keepdims=keepdims)
    return square / ops.cast(count - correction, x.dtype)


def nanmean(x, axis=None, keepdims=False):
    """The mean of what is a number."""
    known = ops.logical_not(ops.isnan(x))
    total = ops.sum(ops.where(known, x, ops.zeros_like(x)), axis=axis, keepdims=keepdims)
    return total / ops.sum(ops.cast(known, x.dtype), axis=axis, keepdims=keepdims)


def nansum(x, axis=None, keepdims=False):
    """The sum of what is a number."""
    return ops.sum(ops.where(ops.isnan(x), ops.zeros_like(x), x), axis=axis, keepdims=keepdims)


def logcumsumexp(x, axis):
    """log of the running sum of eˣ."""
    top = ops.stop_gradient(ops.max(x, axis=axis, keepdims=True))
    return top + ops.log(ops.cumsum(ops.exp(x - top), axis=axis))


def vector_norm(x, p=2.0, axis=None, keepdims=False):
    """(Σ |x|ᵖ)^(1/p); the gradient at 0 is 0."""
    if p == float("inf"):
        return ops.max(ops.abs(x), axis=axis, keepdims=keepdims)
    if p == 1.0:
        return ops.sum(ops.abs(x), axis=axis, keepdims=keepdims)
    if p == 0.0:
        return ops.sum(ops.cast(ops.not_equal(x, 0), x.dtype), axis=axis, keepdims=keepdims)
    total = ops.sum(ops.square(x) if p == 2.0 else ops.abs(x) ** p, axis=axis, keepdims=keepdims)
    safe = ops.where(ops.equal(total, 0), ops.ones_like(total), total)
    return ops.where(ops.equal(total, 0), ops.zeros_like(total), safe ** (1.0 / p))


def kron(x, y):
    """Kronecker's product: each value of x times all of y."""
    rank = max(len(x.shape), len(y.shape))
    left, right = ([1] * (rank - len(each.shape)) + list(ops.shape(each)) for each in (x, y))
    x = ops.reshape(x, [n for size in left for n in (size, 1)])
    y = ops.reshape(y, [n for size in right for n in (1, size)])
    return ops.reshape(x * y, [a * b for a, b in zip(left, right)])


def bilinear(left, right, weight, bias):
    """Σ left_i weight_oij right_j + bias_o."""
    y = ops.einsum("...i,oij,...j->...o", left, weight, right)
    return y if bias is None else y + bias


def cdist(left, right, p=2.0):
    """The p-norm distance of each row of one to each row of the other."""
    return vector_norm(ops.expand_dims(left, -2) - ops.expand_dims(right, -3), p=p, axis=(-1,))


def cosine_similarity(left, right, axis=1, eps=1e-8):
    """left·right / (|left| |right|)."""
    dot = ops.sum(left * right, axis=axis)
    a, b = (ops.sum(ops.square(x), axis=axis) for x in (left, right))
    return dot / (ops.sqrt(ops.maximum(a, eps * eps)) * ops.sqrt(ops.maximum(b, eps * eps)))


def pairwise_distance(left, right, p=2.0, eps=1e-6, keepdim=False):
    """The p-norm of left - right + eps over the last axis."""
    return vector_norm(left - right + eps, p=p, axis=(-1,), keepdims=keepdim)
