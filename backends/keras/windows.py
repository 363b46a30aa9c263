"""Keras layers of the spatial kind for what ``keras.layers`` has no class for, or none that runs in float64 on a CPU.

Each takes channels-last tensors (N, …places, C). The formulas are the parts that ported files stand on.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src.layers.convolutional.base_conv import BaseConv

from dualnet.backends.keras import parts as _parts
from dualnet.backends.keras.bridges import Configured, register

parts: Any = _parts  # written as a ported file is: without hints


class _Grouped(BaseConv):
    def call(self, inputs: Any) -> Any:
        """Return the groups' convolutions, joined."""
        return BaseConv.call(self, inputs)  # past Conv1D's own, which would not ask for ours

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Return the groups' convolutions, joined."""
        rest = list(self.strides), self.padding, self.dilation_rate
        return parts.grouped_conv(inputs, kernel, self.groups, *rest)


@register
class GroupedConv1D(_Grouped, keras.layers.Conv1D):
    """Conv1D with groups as separate convolutions. Keras compiles a grouped one anew at each eager call."""


@register
class GroupedConv2D(_Grouped, keras.layers.Conv2D):
    """Conv2D with groups as separate convolutions. Keras compiles a grouped one anew at each eager call."""


@register
class GroupedConv3D(_Grouped, keras.layers.Conv3D):
    """Conv3D with groups as separate convolutions. Keras compiles a grouped one anew at each eager call."""


@register
class ConvTranspose(keras.layers.Layer):
    """Transposed convolution with any dilation and groups; ``cut`` places go in front of each axis, ``left`` stay.

    ``kernel`` (*kernel, filters / groups, in), ``bias`` (filters,).
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any,
        cut: Any,
        left: Any,
        dilation: Any,
        groups: int = 1,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **rest: Any,
    ) -> None:
        super().__init__(**rest)
        self.filters, self.kernel_size, self.strides, self.groups = filters, kernel_size, strides, groups
        self.cut, self.left, self.dilation, self.use_bias = cut, left, dilation, use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, shape: Any) -> None:
        """Make the kernel and the bias."""
        kernel = (*self.kernel_size, self.filters // self.groups, shape[-1])
        self.kernel = self.add_weight(shape=kernel, initializer=self.kernel_initializer, name="kernel")
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.filters,), initializer=self.bias_initializer, name="bias")

    def call(self, x: Any) -> Any:
        """Return (N, *left, filters)."""
        axes = zip(x.shape[1:-1], self.kernel_size, self.strides, self.dilation, self.cut, self.left, strict=True)
        more = [left - (n - 1) * s - d * (k - 1) - 1 + 2 * cut for n, k, s, d, cut, left in axes]
        options = self.cut, more, self.dilation, self.groups
        y = parts.conv_transpose(x, self.kernel, self.strides, *options)
        return y + self.bias if self.use_bias else y

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = ("filters", "kernel_size", "strides", "cut", "left", "dilation", "groups", "use_bias")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@register
class Pad(Configured):
    """More places around, by ((before, after), …) and a mode: "constant", "reflect", "replicate" or "circular"."""

    def __init__(self, padding: Any, mode: str = "constant", value: float = 0.0, **rest: Any) -> None:
        super().__init__(padding=padding, mode=mode, value=value, **rest)

    def call(self, x: Any) -> Any:
        """Return x padded."""
        mode, sides = self.options["mode"], ((0, 0), *(tuple(ends) for ends in self.options["padding"]), (0, 0))
        if mode != "constant":
            return parts.padded(x, sides, mode)
        return ops.pad(x, sides, constant_values=self.options["value"])


@register
class Slice(Configured):
    """Every ``stride``-th place: what is left of a stride-1 result where a stride is not offered."""

    def __init__(self, stride: Any, **rest: Any) -> None:
        super().__init__(stride=stride, **rest)

    def call(self, x: Any) -> Any:
        """Return x[:, ::s, …]."""
        return x[(slice(None), *(slice(None, None, step) for step in self.options["stride"]))]


@register
class Scale(Configured):
    """Each place times a constant factor: corrects the divisor of padded average pooling."""

    def __init__(self, factors: Any, **rest: Any) -> None:
        super().__init__(factors=factors, **rest)
        self.factors = np.asarray(factors, dtype="float64")

    def call(self, x: Any) -> Any:
        """Return x times the factors."""
        return x * ops.convert_to_tensor(self.factors[None, ..., None], dtype=x.dtype)


@register
class LPSum(Configured):
    """(area·x)^(1/power), and 0 without a gradient where x is 0; ``Power`` and a mean stand in front."""

    def __init__(self, power: float, area: int, **rest: Any) -> None:
        super().__init__(power=power, area=area, **rest)

    def call(self, x: Any) -> Any:
        """Return the root."""
        still = ops.equal(x, 0)
        root = (self.options["area"] * ops.where(still, ops.ones_like(x), x)) ** (1.0 / self.options["power"])
        return ops.where(still, ops.zeros_like(x), root)


@register
class LocalResponseNorm(Configured):
    """x / (k + alpha/size · Σ x²)^beta, the sum over neighbouring channels by a matrix of ones and zeros."""

    def __init__(self, size: int, alpha: float, beta: float, k: float, **rest: Any) -> None:
        super().__init__(size=size, alpha=alpha, beta=beta, k=k, **rest)

    def call(self, x: Any) -> Any:
        """Return x over its neighbourhood."""
        size, alpha, beta, k = (self.options[name] for name in ("size", "alpha", "beta", "k"))
        ahead = np.subtract.outer(np.arange(x.shape[-1]), np.arange(x.shape[-1]))  # of the channel that is read
        near = (ahead <= (size - 1) // 2) & (-ahead <= size // 2)
        total = ops.matmul(x * x, ops.convert_to_tensor(near.astype("float64"), dtype=x.dtype))
        return x / (k + alpha / size * total) ** beta


def _shuffled(x: Any, factor: int) -> Any:
    _, height, width, channels = x.shape
    y = ops.reshape(x, (-1, height, width, channels // factor**2, factor, factor))
    y = ops.transpose(y, (0, 1, 4, 2, 5, 3))
    return ops.reshape(y, (-1, height * factor, width * factor, channels // factor**2))


def _unshuffled(x: Any, factor: int) -> Any:
    _, height, width, channels = x.shape
    y = ops.reshape(x, (-1, height // factor, factor, width // factor, factor, channels))
    y = ops.transpose(y, (0, 1, 3, 5, 2, 4))
    return ops.reshape(y, (-1, height // factor, width // factor, channels * factor**2))


def _dealt(x: Any, groups: int) -> Any:
    *places, channels = x.shape[1:]
    y = ops.reshape(x, (-1, *places, groups, channels // groups))
    return ops.reshape(ops.swapaxes(y, -1, -2), (-1, *places, channels))


def _of(title: str, formula: Callable[..., Any]) -> type[Configured]:
    """Return a registered layer that is a formula of x and of its options."""

    def call(self: Configured, x: Any) -> Any:
        """Return the formula of x."""
        return formula(x, **self.options)

    return register(type(title, (Configured,), {"call": call, "__doc__": formula.__doc__, "__module__": __name__}))  # type: ignore[no-any-return]


MaxPool = _of("MaxPool", parts.max_pool_by_axis)
AvgPool = _of("AvgPool", parts.avg_pool)
AdaptiveAvgPool = _of("AdaptiveAvgPool", parts.adaptive_avg_pool)
AdaptiveMaxPool = _of("AdaptiveMaxPool", parts.adaptive_max_pool)
Resize = _of("Resize", parts.resize)
Unfold = _of("Unfold", parts.unfold)
Fold = _of("Fold", parts.fold)
PixelShuffle = _of("PixelShuffle", _shuffled)
PixelUnshuffle = _of("PixelUnshuffle", _unshuffled)
ChannelShuffle = _of("ChannelShuffle", _dealt)
Power = _of("Power", lambda x, power: x**power)


@register
class InstanceNormalization(parts.InstanceNormalization):
    """PyTorch's instance normalisation with running statistics, which evaluation uses."""
