"""Parts of norms, and an embedding with a padding row."""

import math

import keras
import numpy as np
from keras import layers, ops


class BatchNormalization(layers.BatchNormalization):
    """PyTorch's batch normalisation: the running variance takes in n / (n - 1) times the batch's."""

    running_variance = "unbiased"

    def call(self, x, training=False):
        axes = [axis for axis in range(len(x.shape)) if axis != self.axis % len(x.shape)]
        shape = [1] * len(x.shape)
        shape[self.axis] = x.shape[self.axis]
        given, keep = x.dtype, self.momentum
        x = ops.cast(x, self.variable_dtype)  # statistics are not taken in half precision
        if training and self.trainable:
            mean, variance = ops.moments(x, axes=axes)
            count = ops.cast(ops.size(x) // x.shape[self.axis], x.dtype)
            unbiased = variance * count / ops.maximum(count - 1, 1)
            self.moving_mean.assign(self.moving_mean * keep + mean * (1.0 - keep))
            self.moving_variance.assign(self.moving_variance * keep + unbiased * (1.0 - keep))
        else:
            mean, variance = self.moving_mean, self.moving_variance
        scale = ops.rsqrt(variance + self.epsilon)
        if self.scale:
            scale = scale * self.gamma
        shift = -mean * scale
        if self.center:
            shift = shift + self.beta
        return ops.cast(x * ops.reshape(scale, shape) + ops.reshape(shift, shape), given)


class CumulativeBatchNormalization(BatchNormalization):
    """PyTorch's with momentum=None: the running statistics are the mean of all batches' so far."""

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

    def __init__(self, axis=-1, momentum=0.9, epsilon=1e-5, affine=False, **options):
        super().__init__(**options)
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
