"""Keras layers for what ``keras.layers`` has no class for, or none with this meaning, or none that is float64-clean."""

import math
from functools import reduce
from typing import Any

import keras
from keras import ops

register = keras.saving.register_keras_serializable("dualnet")


class Configured(keras.layers.Layer):
    """A layer whose constructor arguments are its configuration."""

    def __init__(self, *, dtype: Any = None, name: str | None = None, trainable: bool = True, **options: Any) -> None:
        super().__init__(dtype=dtype, name=name, trainable=trainable)
        self.options = options

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), **self.options}


@register
class ShiftedReLU(Configured):
    """max(x, 0) - shift."""

    def __init__(self, shift: float, **rest: Any) -> None:
        super().__init__(shift=shift, **rest)
        self.shift = shift

    def call(self, x: Any) -> Any:
        """Return max(x, 0) - shift."""
        return ops.relu(x) - self.shift


@register
class LeakyReLU(Configured):
    """x above 0, slope·x below. TensorFlow's own op holds the slope in float32."""

    def __init__(self, slope: float, **rest: Any) -> None:
        super().__init__(slope=slope, **rest)
        self.slope = slope

    def call(self, x: Any) -> Any:
        """Return where(x > 0, x, slope·x)."""
        return ops.where(x > 0, x, self.slope * x)


@register
class GELU(Configured):
    """x·Φ(x), or its tanh form. TensorFlow's own op holds its constants in float32."""

    def __init__(self, approximate: bool = False, **rest: Any) -> None:
        super().__init__(approximate=approximate, **rest)
        self.approximate = approximate

    def call(self, x: Any) -> Any:
        """Return the activation of x."""
        if self.approximate:
            return 0.5 * x * (1.0 + ops.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))
        return 0.5 * x * (1.0 + ops.erf(x * math.sqrt(0.5)))


@register
class LogSoftmax(Configured):
    """x - log Σ eˣ along an axis."""

    def __init__(self, axis: int = -1, **rest: Any) -> None:
        super().__init__(axis=axis, **rest)
        self.axis = axis

    def call(self, x: Any) -> Any:
        """Return the log of the softmax of x."""
        return ops.log_softmax(x, axis=self.axis)


@register
class BroadcastAdd(keras.layers.Add):
    """Sum of arrays that broadcast. Stock Add takes one of shape (N, 1) for a bias where N is another axis's size."""

    def _merge_function(self, inputs: Any) -> Any:
        return reduce(lambda total, each: ops.subtract(total, ops.negative(each)), inputs)


@register
class BroadcastAverage(BroadcastAdd):
    """Mean of arrays that broadcast."""

    def _merge_function(self, inputs: Any) -> Any:
        return super()._merge_function(inputs) / len(inputs)


@register
class Sum(Configured):
    """Σ x along an axis, which stays."""

    def __init__(self, axis: int = -1, **rest: Any) -> None:
        super().__init__(axis=axis, **rest)
        self.axis = axis

    def call(self, x: Any) -> Any:
        """Return the sum."""
        return ops.sum(x, axis=self.axis, keepdims=True)


@register
class Halve(Configured):
    """x, halved while Σ|x| is finite and above ``limit``; a loop of the graph, so that compiled functions hold it."""

    def __init__(self, limit: float = 1.0, **rest: Any) -> None:
        super().__init__(limit=limit, **rest)
        self.limit = limit

    def call(self, x: Any) -> Any:
        """Return x / 2ᵏ."""
        return ops.while_loop(self._large, lambda x: (x / 2,), (x,))[0]

    def _large(self, x: Any) -> Any:
        total = ops.sum(ops.abs(x))
        return ops.logical_and(total > self.limit, ops.isfinite(total))


@register
class Maximum(Configured):
    """Largest of the inputs, entry by entry. Where they are level each gets half of the gradient, as in torch."""

    def call(self, inputs: Any) -> Any:
        """Return the maximum, broadcast."""
        return reduce(lambda a, b: ops.where(a > b, a, ops.where(a < b, b, (a + b) / 2)), inputs)


@register
class Minimum(Configured):
    """Smallest of the inputs, entry by entry. Where they are level each gets half of the gradient, as in torch."""

    def call(self, inputs: Any) -> Any:
        """Return the minimum, broadcast."""
        return reduce(lambda a, b: ops.where(a < b, a, ops.where(a > b, b, (a + b) / 2)), inputs)


@register
class UnbiasedBatchNormalization(keras.layers.BatchNormalization):
    """BatchNormalization whose moving variance follows the unbiased batch variance, as PyTorch's does."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return inputs normalised by the batch in training, by the moving statistics else."""
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        wide = keras.backend.result_type(inputs.dtype, "float32")  # as Keras's own: 16 bits cannot hold a count
        x = ops.cast(inputs, wide)
        axes = [axis for axis in range(len(x.shape)) if axis != self.axis % len(x.shape)]
        mean, variance = ops.moments(x, axes=axes)
        count = ops.cast(ops.size(x), wide) / x.shape[self.axis]
        unbiased = variance * (count / (count - 1.0))
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, unbiased)):
            moving.assign(moving * self.momentum + ops.cast(batch * (1.0 - self.momentum), moving.dtype))
        scale, offset = (ops.cast(v, wide) for v in (self.gamma, self.beta)) if self.scale else (None, None)
        made = ops.batch_normalization(x, mean, variance, self.axis, offset, scale, self.epsilon)
        return ops.cast(made, inputs.dtype)
