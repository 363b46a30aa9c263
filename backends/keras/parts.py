"""Parts: what a ported model needs that Keras has no word for. Each stands in the ported file as it stands here."""

import json
import math

import keras
import numpy as np
from keras import layers, ops

from dualnet.backends.keras.parts_losses import *  # noqa: F403 - whatever stands there is a part
from dualnet.backends.keras.parts_order import *  # noqa: F403
from dualnet.backends.keras.parts_signal import *  # noqa: F403


class BatchNormalization(layers.BatchNormalization):
    """PyTorch's batch normalisation: the running variance takes in the unbiased one, n / (n - 1) times the batch's."""

    running_variance = "unbiased"

    def call(self, x, training=False):
        axes = [axis for axis in range(len(x.shape)) if axis != self.axis % len(x.shape)]
        shape = [1] * len(x.shape)
        shape[self.axis] = x.shape[self.axis]
        if training and self.trainable:
            mean, variance = ops.moments(x, axes=axes)
            count = ops.cast(ops.size(x) // x.shape[self.axis], x.dtype)
            unbiased = variance * count / ops.maximum(count - 1, 1)
            self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1.0 - self.momentum))
            self.moving_variance.assign(self.moving_variance * self.momentum + unbiased * (1.0 - self.momentum))
        else:
            mean, variance = self.moving_mean, self.moving_variance
        scale = ops.rsqrt(variance + self.epsilon)
        if self.scale:
            scale = scale * self.gamma
        shift = -mean * scale
        if self.center:
            shift = shift + self.beta
        return x * ops.reshape(scale, shape) + ops.reshape(shift, shape)


class CumulativeBatchNormalization(BatchNormalization):
    """PyTorch's batch normalisation with momentum=None: the running statistics are the mean of all batches' so far."""

    def build(self, shape):
        super().build(shape)
        self.batches = self.add_weight(shape=(), initializer="zeros", trainable=False, name="batches")

    def call(self, x, training=False):
        if training and self.trainable:
            self.batches.assign(self.batches + 1)
            self.momentum = 1.0 - 1.0 / ops.convert_to_tensor(self.batches)
        return super().call(x, training=training)


class InstanceNormalization(layers.Layer):
    """PyTorch's instance normalisation with running statistics: they are what evaluation uses."""

    def __init__(self, axis=-1, momentum=0.9, epsilon=1e-5, affine=False):
        super().__init__()
        self.axis, self.momentum, self.epsilon, self.affine = axis, momentum, epsilon, affine

    def build(self, shape):
        size = (shape[self.axis],)
        if self.affine:
            self.gamma = self.add_weight(shape=size, initializer="ones", name="gamma")
            self.beta = self.add_weight(shape=size, initializer="zeros", name="beta")
        self.moving_mean = self.add_weight(shape=size, initializer="zeros", trainable=False, name="moving_mean")
        self.moving_variance = self.add_weight(shape=size, initializer="ones", trainable=False, name="moving_variance")

    def call(self, x, training=False):
        rank, channels = len(x.shape), self.axis % len(x.shape)
        axes = [axis for axis in range(1, rank) if axis != channels]
        one = [-1 if axis == channels else 1 for axis in range(rank)]
        if training:
            mean, variance = ops.moments(x, axes=axes, keepdims=True)
            count = math.prod(x.shape[axis] for axis in axes)
            self.follow(self.moving_mean, mean)
            self.follow(self.moving_variance, variance * (count / (count - 1)))
        else:
            mean, variance = (ops.reshape(each, one) for each in (self.moving_mean, self.moving_variance))
        y = (x - mean) * ops.rsqrt(variance + self.epsilon)
        return y * ops.reshape(self.gamma, one) + ops.reshape(self.beta, one) if self.affine else y

    def follow(self, moving, current):
        """Move running statistics towards the mean of the batch's."""
        current = ops.reshape(ops.mean(current, axis=0), moving.shape)
        moving.assign(moving * self.momentum + current * (1.0 - self.momentum))


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


def take(x, indices, axis):
    """x at places along an axis; negative ones count from the end."""
    size = ops.cast(ops.shape(x)[axis], indices.dtype)
    return ops.take(x, ops.where(indices < 0, indices + size, indices), axis=axis)


def replaced(x, y, places, axis):
    """x with y at some places along an axis."""
    order = [places.index(i) + x.shape[axis] if i in places else i for i in range(x.shape[axis])]
    return ops.take(ops.concatenate([x, y], axis=axis), order, axis=axis)


def gather(x, indices, axis):
    """x at places along an axis, each position its own; other axes may be shorter than x's."""
    spans = tuple(slice(0, n) if i != axis else slice(None) for i, n in enumerate(indices.shape))
    return ops.take_along_axis(x[spans] if len(spans) else x, indices, axis=axis)


def places_of(x, indices):
    """x with the indexed axes in front and merged, the merged places, the indexed axes and the others."""
    at = [axis for axis, index in enumerate(indices) if index is not None]
    rest = [axis for axis in range(len(x.shape)) if axis not in at]
    flat = 0
    for axis in at:
        size = ops.cast(ops.shape(x)[axis], "int64")
        index = ops.cast(indices[axis], "int64")
        flat = flat * size + ops.where(index < 0, index + size, index)
    front = ops.transpose(x, (*at, *rest))
    merged = ops.reshape(front, (-1, *[ops.shape(x)[axis] for axis in rest]))
    return merged, flat, at, rest


def indexed_order(rank, at, rest):
    """Where the axes of x[i, :, j] come from: those of the places first, or where they stood if they stood together."""
    before = at[0] if at == list(range(at[0], at[0] + len(at))) else 0
    return [*range(rank, rank + before), *range(rank), *range(rank + before, rank + len(rest))]


def indexed(x, indices):
    """x[i, :, j] for tensors of places; None takes a whole axis."""
    merged, flat, at, rest = places_of(x, indices)
    return ops.transpose(ops.take(merged, flat, axis=0), indexed_order(len(flat.shape), at, rest))


def index_put(x, indices, values, accumulate=False):
    """x with x[i, j] = values, or with values added there."""
    indices = [*indices, *[None] * (len(x.shape) - len(indices))]
    merged, flat, at, rest = places_of(x, indices)
    order = indexed_order(len(flat.shape), at, rest)
    sizes = [*[ops.shape(flat)[i] for i in range(len(flat.shape))], *[ops.shape(x)[axis] for axis in rest]]
    values = ops.broadcast_to(values, [sizes[i] for i in order])
    values = ops.transpose(values, [order.index(i) for i in range(len(order))])
    flat = ops.reshape(flat, (-1, 1))
    values = ops.reshape(values, (-1, *sizes[len(sizes) - len(rest) :]))
    if accumulate:
        made = merged + ops.scatter(flat, values, ops.shape(merged))
    else:
        made = ops.scatter_update(merged, flat, values)
    made = ops.reshape(made, [ops.shape(x)[axis] for axis in (*at, *rest)])
    return ops.transpose(made, [(*at, *rest).index(axis) for axis in range(len(x.shape))])


def index_add(x, indices, values, axis):
    """x with values added at places along an axis."""
    moved = ops.moveaxis(x, axis, 0)
    added = ops.scatter(ops.expand_dims(indices, -1), ops.moveaxis(values, axis, 0), ops.shape(moved))
    return ops.moveaxis(moved + added, 0, axis)


def index_copy(x, indices, values, axis):
    """x with values put at places along an axis."""
    moved = ops.moveaxis(x, axis, 0)
    made = ops.scatter_update(moved, ops.expand_dims(indices, -1), ops.moveaxis(values, axis, 0))
    return ops.moveaxis(made, 0, axis)


def index_fill(x, indices, value, axis):
    """x with one value at places along an axis."""
    places = ops.arange(x.shape[axis], dtype="int64")[:, None]
    chosen = ops.any(ops.equal(places, ops.reshape(ops.cast(indices, "int64"), (1, -1))), axis=1)
    shape = [-1 if i == axis else 1 for i in range(len(x.shape))]
    return ops.where(ops.reshape(chosen, shape), ops.cast(value, x.dtype), x)


def scatter(x, indices, values, axis, accumulate=False):
    """x with values put, or added, at places along an axis, each position its own."""
    sizes = [ops.shape(indices)[a] for a in range(len(indices.shape))]
    values = values[tuple(slice(0, n) for n in sizes)]
    grid = []
    for a, n in enumerate(sizes):
        line = ops.reshape(ops.arange(n, dtype="int64"), [-1 if i == a else 1 for i in range(len(sizes))])
        grid.append(ops.cast(indices, "int64") if a == axis else line + ops.zeros_like(indices, dtype="int64"))
    places = ops.reshape(ops.stack(grid, axis=-1), (-1, len(sizes)))
    values = ops.reshape(values, (-1,))
    if accumulate:
        return x + ops.scatter(places, values, ops.shape(x))
    return ops.scatter_update(x, places, values)


def diag_embed(x):
    """Matrices with x on their diagonals."""
    return ops.expand_dims(x, -1) * ops.eye(x.shape[-1], dtype=x.dtype)


def diagonal_scatter(x, values, offset=0):
    """Matrices with values on their diagonals."""
    rows, columns = x.shape[-2:]
    at = np.arange(columns)[None, :] - np.arange(rows)[:, None] == offset
    index = np.minimum(np.arange(rows) - max(-offset, 0), values.shape[-1] - 1)
    spread = ops.take(values, np.maximum(index, 0), axis=-1)
    return ops.where(at, ops.expand_dims(spread, -1), x)


def embedding_bag(weight, places, first, mode="sum", shares=None, padding=None):
    """The sum, mean or maximum of rows of a table, in bags that begin at ``first``."""
    at = ops.arange(ops.shape(places)[0], dtype="int64")[None, :]
    first = ops.cast(first, "int64")
    last = ops.concatenate([first[1:], ops.expand_dims(ops.cast(ops.shape(places)[0], "int64"), 0)], axis=0)
    inside = ops.logical_and(at >= first[:, None], at < last[:, None])
    if padding is not None:
        inside = ops.logical_and(inside, ops.not_equal(places, padding)[None, :])
    rows = ops.take(weight, places, axis=0)
    share = ops.cast(inside, weight.dtype)
    if mode == "max":
        top = ops.max(ops.where(inside[:, :, None], rows[None, :, :], float("-inf")), axis=1)
        return ops.where(ops.any(inside, axis=1, keepdims=True), top, ops.zeros_like(top))
    total = ops.matmul(share if shares is None else share * shares[None, :], rows)
    return total / ops.maximum(ops.sum(share, axis=1, keepdims=True), 1.0) if mode == "mean" else total


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


def causal_mask(length, width):
    """True where a place may look: at itself and before."""
    return ops.arange(length)[:, None] >= ops.arange(width)[None, :]


def grouped_conv(x, kernel, groups, strides=1, padding="valid", dilation_rate=1):
    """A convolution whose channels fall into groups, one after the other."""
    pairs = zip(ops.split(x, groups, axis=-1), ops.split(kernel, groups, axis=-1))
    made = [ops.conv(a, b, strides=strides, padding=padding, dilation_rate=dilation_rate) for a, b in pairs]
    return ops.concatenate(made, axis=-1)


class GroupedConv1D(layers.Conv1D):
    """Conv1D whose groups are separate convolutions. (Keras compiles a grouped one anew at each eager call.)"""

    def convolution_op(self, inputs, kernel):
        return grouped_conv(inputs, kernel, self.groups, list(self.strides), self.padding, self.dilation_rate)


class GroupedConv2D(layers.Conv2D):
    """Conv2D whose groups are separate convolutions. (Keras compiles a grouped one anew at each eager call.)"""

    def convolution_op(self, inputs, kernel):
        return grouped_conv(inputs, kernel, self.groups, list(self.strides), self.padding, self.dilation_rate)


class GroupedConv3D(layers.Conv3D):
    """Conv3D whose groups are separate convolutions. (Keras compiles a grouped one anew at each eager call.)"""

    def convolution_op(self, inputs, kernel):
        return grouped_conv(inputs, kernel, self.groups, list(self.strides), self.padding, self.dilation_rate)


def conv_transpose(x, kernel, strides, padding, output_padding, dilation=None, groups=1):
    """PyTorch's transposed convolution: any padding, output padding, dilation and groups."""
    rank = len(strides)
    for axis in range(rank if dilation else 0):
        if dilation[axis] > 1:
            size = kernel.shape[axis]
            spread = np.zeros(((size - 1) * dilation[axis] + 1, size))
            spread[np.arange(size) * dilation[axis], np.arange(size)] = 1.0
            spread = ops.convert_to_tensor(spread, dtype=kernel.dtype)
            kernel = ops.moveaxis(ops.tensordot(spread, kernel, axes=(1, axis)), 0, axis)
    pairs = zip(ops.split(x, groups, axis=-1), ops.split(kernel, groups, axis=-1))
    y = ops.concatenate(
        [ops.conv_transpose(a, b, strides=strides, padding="valid", output_padding=0) for a, b in pairs], axis=-1
    )
    more = [max(e - p, 0) for e, p in zip(output_padding, padding)]
    y = ops.pad(y, ((0, 0), *((0, m) for m in more), (0, 0)))
    spans = [slice(p, n - (p - e + m)) for p, e, m, n in zip(padding, output_padding, more, y.shape[1:-1])]
    return y[(slice(None), *spans)]


def batch_norm(x, mean, variance, scale, shift, training, axis, epsilon):
    """Batch normalisation by statistics that are given, or by the batch's own."""
    axis = axis % len(x.shape)
    shape = [x.shape[axis] if i == axis else 1 for i in range(len(x.shape))]
    if training or mean is None:
        mean, variance = ops.moments(x, axes=[i for i in range(len(x.shape)) if i != axis])
    y = (x - ops.reshape(mean, shape)) * ops.rsqrt(ops.reshape(variance, shape) + epsilon)
    y = y if scale is None else y * ops.reshape(scale, shape)
    return y if shift is None else y + ops.reshape(shift, shape)


def normalise(x, axis, epsilon):
    """x less its mean, over its standard deviation."""
    mean, variance = ops.moments(x, axes=axis, keepdims=True)
    return (x - mean) * ops.rsqrt(variance + epsilon)


def rms_normalise(x, axis, epsilon=None):
    """x over the root of its mean square."""
    epsilon = float(np.finfo(keras.backend.standardize_dtype(x.dtype)).eps) if epsilon is None else epsilon
    return x * ops.rsqrt(ops.mean(ops.square(x), axis=axis, keepdims=True) + epsilon)


def group_normalise(x, groups, scale=None, shift=None, axis=-1, epsilon=1e-5):
    """x normalised in groups of channels."""
    axis = axis % len(x.shape)
    shape = [-1 if i == 0 else n for i, n in enumerate(x.shape)]
    channels = shape[axis]
    apart = [*shape[:axis], groups, channels // groups, *shape[axis + 1 :]]
    y = normalise(ops.reshape(x, apart), [i for i in range(1, len(apart)) if i != axis], epsilon)
    y = ops.reshape(y, shape)
    one = [channels if i == axis else 1 for i in range(len(shape))]
    y = y if scale is None else y * ops.reshape(scale, one)
    return y if shift is None else y + ops.reshape(shift, one)


class PaddedEmbedding(layers.Embedding):
    """An embedding of which one row takes no gradient."""

    def __init__(self, input_dim, output_dim, padding, **options):
        super().__init__(input_dim, output_dim, **options)
        self.padding = padding

    def call(self, inputs):
        rows = super().call(inputs)
        return ops.where(ops.expand_dims(ops.equal(inputs, self.padding), -1), ops.stop_gradient(rows), rows)


def max_pool(x, size, strides, padding):
    """The maximum over windows, padded by what counts as minus infinity."""
    x = ops.pad(x, ((0, 0), *padding, (0, 0)), constant_values=float("-inf"))
    return ops.max_pool(x, size, strides, padding="valid")


def max_pool_by_axis(x, size, strides, padding, dilation):
    """The maximum over windows of any dilation, one axis after the other."""
    x = ops.pad(x, ((0, 0), *padding, (0, 0)), constant_values=float("-inf"))
    for axis in range(len(size), 0, -1):
        k, s, d = size[axis - 1], strides[axis - 1], dilation[axis - 1]
        count = (x.shape[axis] - d * (k - 1) - 1) // s + 1
        places = np.arange(count)[:, None] * s + np.arange(k)[None, :] * d
        x = first_max(ops.take(x, places, axis=axis), axis=axis + 1)
    return x


def avg_pool(x, size, strides, padding, divisors=None):
    """The mean over windows padded by zeros; ``divisors`` are a number, or how many values count along each axis."""
    x = ops.pad(x, ((0, 0), *padding, (0, 0)))
    for axis, (k, s) in enumerate(zip(size, strides), start=1):
        count = (x.shape[axis] - k) // s + 1
        places = np.arange(count)[:, None] * s + np.arange(k)[None, :]
        x = ops.sum(ops.take(x, places, axis=axis), axis=axis + 1)
        counts = divisors[axis - 1] if isinstance(divisors, (tuple, list)) else [1 if divisors else k] * count
        shape = [count if i == axis else 1 for i in range(len(x.shape))]
        x = x / ops.reshape(ops.convert_to_tensor(counts, dtype=x.dtype), shape)
    return x / divisors if isinstance(divisors, float) else x


def adaptive_avg_pool(x, size):
    """The mean over as many windows as are asked for."""
    for axis, out in enumerate(size, start=1):
        matrix = np.zeros((out, x.shape[axis]))
        for i, window in enumerate(adaptive_windows(x.shape[axis], out)):
            matrix[i, window] = 1.0 / len(window)
        matrix = ops.convert_to_tensor(matrix, dtype=x.dtype)
        x = ops.moveaxis(ops.tensordot(x, matrix, axes=(axis, 1)), -1, axis)
    return x


def adaptive_max_pool(x, size):
    """The maximum over as many windows as are asked for."""
    for axis in range(len(size), 0, -1):
        windows = adaptive_windows(x.shape[axis], size[axis - 1])
        x = ops.stack([first_max(ops.take(x, window, axis=axis), axis=axis) for window in windows], axis=axis)
    return x


def padded(x, pads, mode, value=0.0):
    """x padded by a value, its reflection, its edge, or around its other end; negative amounts cut."""
    for axis, (before, after) in enumerate(pads):
        if (before, after) == (0, 0):
            continue
        size = x.shape[axis]
        places = np.arange(-before, size + after)
        if mode == "constant":
            x = ops.take(x, np.clip(places, 0, size - 1), axis=axis)
            shape = [len(places) if i == axis else 1 for i in range(len(x.shape))]
            inside = np.reshape((places >= 0) & (places < size), shape)
            x = ops.where(inside, x, ops.full_like(x, value))
        elif mode == "reflect":
            x = ops.take(x, (size - 1) - np.abs((size - 1) - np.abs(places)), axis=axis)
        else:
            x = ops.take(x, np.clip(places, 0, size - 1) if mode == "replicate" else places % size, axis=axis)
    return x


def resize_matrix(size, out, mode, align_corners=False, scale=None):
    """(out, size): which of the old values make each new one, and by how much (``torch.nn.functional.interpolate``)."""
    matrix, rows = np.zeros((out, size)), np.arange(out)
    ratio = 1.0 / scale if scale else size / out
    if mode == "nearest":
        ratio = float(np.float32(ratio))
        matrix[rows, np.minimum(np.floor(rows * ratio).astype(int), size - 1)] = 1.0
        return matrix
    if mode == "nearest-exact":
        matrix[rows, np.minimum(np.floor((rows + 0.5) * ratio).astype(int), size - 1)] = 1.0
        return matrix
    if align_corners:
        place = rows * ((size - 1) / (out - 1) if out > 1 else 0.0)
    else:
        place = (rows + 0.5) * ratio - 0.5
    if mode == "linear":
        place = np.maximum(place, 0.0)
        low = np.minimum(np.floor(place).astype(int), size - 1)
        part = place - low
        np.add.at(matrix, (rows, low), 1.0 - part)
        np.add.at(matrix, (rows, np.minimum(low + 1, size - 1)), part)
        return matrix
    low, a = np.floor(place).astype(int), -0.75
    for offset in range(-1, 3):
        t = np.abs(place - (low + offset))
        near = ((a + 2) * t - (a + 3)) * t * t + 1
        far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
        np.add.at(matrix, (rows, np.clip(low + offset, 0, size - 1)), np.where(t <= 1, near, far))
    return matrix


def resize(x, size, mode, align_corners=False, scales=None):
    """Images of another size, by a matrix for each axis."""
    for axis, out in enumerate(size, start=1):
        scale = scales[axis - 1] if scales else None
        matrix = resize_matrix(x.shape[axis], out, mode, align_corners, scale)
        matrix = ops.convert_to_tensor(matrix, dtype=x.dtype)
        x = ops.moveaxis(ops.tensordot(x, matrix, axes=(axis, 1)), -1, axis)
    return x


def windows(x, axis, size, step):
    """Windows along an axis, their places as a new last axis."""
    count = (x.shape[axis] - size) // step + 1
    places = np.arange(count)[:, None] * step + np.arange(size)[None, :]
    return ops.moveaxis(ops.take(x, places, axis=axis), axis + 1, -1)


def patch_places(size, kernel, dilation, padding, stride):
    """(windows, kernel): which place of a padded axis each place of each window is."""
    count = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    return np.arange(count)[:, None] * stride + np.arange(kernel)[None, :] * dilation


def unfold(x, kernel_size, dilation, padding, stride):
    """(N, H, W, C) → (N, C·kh·kw, windows): every window as a column."""
    x = ops.pad(x, ((0, 0), (padding[0], padding[0]), (padding[1], padding[1]), (0, 0)))
    for axis, at in ((1, 0), (3, 1)):
        places = patch_places(x.shape[axis], kernel_size[at], dilation[at], 0, stride[at])
        x = ops.take(x, places, axis=axis)
    x = ops.transpose(x, (0, 5, 2, 4, 1, 3))
    return ops.reshape(x, (-1, x.shape[1] * x.shape[2] * x.shape[3], x.shape[4] * x.shape[5]))


def fold(x, output_size, kernel_size, dilation, padding, stride):
    """(N, C·kh·kw, windows) → (N, H, W, C): columns added up where their windows were."""
    spreads = []
    for at in range(2):
        places = patch_places(output_size[at], kernel_size[at], dilation[at], padding[at], stride[at])
        spread = np.zeros((*places.shape, output_size[at] + 2 * padding[at]))
        spread[np.arange(places.shape[0])[:, None], np.arange(places.shape[1])[None, :], places] = 1.0
        spread = spread[:, :, padding[at] : padding[at] + output_size[at]]
        spreads.append(ops.convert_to_tensor(spread, dtype=x.dtype))
    rows, columns = spreads
    channels = x.shape[1] // (kernel_size[0] * kernel_size[1])
    x = ops.reshape(x, (-1, channels, *kernel_size, rows.shape[0], columns.shape[0]))
    return ops.einsum("ncklab,akh,blw->nhwc", x, rows, columns)


def cell(kind, x, state, weight_ih, weight_hh, bias_ih=None, bias_hh=None):
    """One step of an LSTM (state h, c), GRU or RNN (state h): the new state (``torch.nn.LSTM``, ``GRU``, ``RNN``)."""
    x = ops.matmul(x, ops.transpose(weight_ih))
    return recurrent_step(kind, x if bias_ih is None else x + bias_ih, state, weight_hh, bias_hh)


def recurrent_step(kind, x, state, weight_hh, bias_hh=None, weight_hr=None):
    """One step, given x·weight_ihᵀ + bias_ih."""
    h = ops.matmul(state[0], ops.transpose(weight_hh))
    h = h if bias_hh is None else h + bias_hh
    if kind == "lstm":
        i, f, g, o = ops.split(x + h, 4, axis=-1)
        c = ops.sigmoid(f) * state[1] + ops.sigmoid(i) * ops.tanh(g)
        h = ops.sigmoid(o) * ops.tanh(c)
        return h if weight_hr is None else ops.matmul(h, ops.transpose(weight_hr)), c
    if kind == "gru":
        (xr, xz, xn), (hr, hz, hn) = ops.split(x, 3, axis=-1), ops.split(h, 3, axis=-1)
        z = ops.sigmoid(xz + hz)
        n = ops.tanh(xn + ops.sigmoid(xr + hr) * hn)
        return (n + z * (state[0] - n),)
    return (ops.tanh(x + h) if kind == "rnn_tanh" else ops.relu(x + h),)


class Recurrent(layers.Layer):
    """PyTorch's LSTM, GRU or RNN: several layers, both directions, two biases. Takes (N, T, features)."""

    def __init__(self, kind, features, hidden, layers=1, bidirectional=False, bias=True, dropout=0.0, projection=0):
        super().__init__()
        self.kind, self.hidden, self.depth, self.ways = kind, hidden, layers, 2 if bidirectional else 1
        self.bias, self.projection, self.out = bias, projection, projection or hidden
        self.dropouts = [keras.layers.Dropout(dropout) for _ in range(layers - 1)] if dropout else []
        gates = {"lstm": 4, "gru": 3}.get(kind, 1) * hidden
        start = keras.initializers.RandomUniform(-(hidden**-0.5), hidden**-0.5)
        for layer in range(layers):
            inputs = features if layer == 0 else self.out * self.ways
            for way in range(self.ways):
                end = f"l{layer}" + ("_reverse" if way else "")
                shapes = {"weight_ih": (gates, inputs), "weight_hh": (gates, self.out)}
                shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)} if bias else {}
                shapes |= {"weight_hr": (projection, hidden)} if projection else {}
                for name, shape in shapes.items():
                    weight = self.add_weight(shape=shape, initializer=start, name=f"{name}_{end}")
                    setattr(self, f"{name}_{end}", weight)

    def call(self, x, *states):
        bare = len(x.shape) == 2
        x = ops.expand_dims(x, 0) if bare else x
        states = [ops.expand_dims(state, 1) if bare else state for state in states]
        count = 2 if self.kind == "lstm" else 1
        zeros = [ops.zeros((ops.shape(x)[0], n), dtype=x.dtype) for n in (self.out, self.hidden)]
        last = []
        for layer in range(self.depth):
            made = []
            for way in range(self.ways):
                place = layer * self.ways + way
                start = tuple(states[i][place] if states else zeros[i] for i in range(count))
                y, end = self.run(x, start, f"l{layer}" + ("_reverse" if way else ""), way == 1)
                made.append(y)
                last.append(end)
            x = ops.concatenate(made, axis=-1) if self.ways > 1 else made[0]
            if self.dropouts and layer < self.depth - 1:
                x = self.dropouts[layer](x)
        final = [ops.stack([each[i] for each in last]) for i in range(count)]
        if bare:
            x, final = ops.squeeze(x, 0), [ops.squeeze(each, 1) for each in final]
        return (x, *final)

    def run(self, x, state, end, backwards):
        """One layer in one direction: all outputs, and the last state."""
        x = ops.matmul(x, ops.transpose(getattr(self, f"weight_ih_{end}")))
        x = x + getattr(self, f"bias_ih_{end}") if self.bias else x
        weight, bias = getattr(self, f"weight_hh_{end}"), getattr(self, f"bias_hh_{end}") if self.bias else None
        projection = getattr(self, f"weight_hr_{end}") if self.projection else None
        edges = [self.out] if len(state) > 1 else []

        def step(joined, x):
            states = ops.split(joined, edges, axis=-1) if edges else [joined]
            made = recurrent_step(self.kind, x, states, weight, bias, projection)
            joined = ops.concatenate(made, axis=-1)
            return joined, joined

        last, y = ops.scan(step, ops.concatenate(state, axis=-1), ops.swapaxes(x, 0, 1), reverse=backwards)
        return ops.swapaxes(y, 0, 1)[:, :, : self.out], ops.split(last, edges, axis=-1) if edges else [last]


def load_weights(model, path):
    """Put the arrays of a .safetensors file, by name, into a built model."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    types = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        array = np.frombuffer(data[first:last], types[entry["dtype"]]).reshape(entry["shape"])
        variable(model, name).assign(array)


def variable(model, name):
    """Return what stands under a name such as "layer1.0.conv1.kernel"."""
    for part in name.split("."):
        if part.isdigit():
            model = (model if isinstance(model, (list, tuple)) else model.layers)[int(part)]
        else:
            model = getattr(model, part)
    return model
