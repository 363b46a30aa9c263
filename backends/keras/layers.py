"""Rules: each layer of a spec as constructor calls of ``keras.layers``, trivial ones a line of the table.

A layer becomes one call, or a short chain where Keras splits what PyTorch does at once (padding, then convolution).
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from dualnet.backends import own
from dualnet.backends.call import Call, call, short, unless
from dualnet.backends.keras import others, sequences
from dualnet.backends.keras.layout import Layout
from dualnet.specs import activations as A
from dualnet.specs import layers as L
from dualnet.specs.graph import Step
from dualnet.specs.moves import Unflatten
from dualnet.specs.shapes import pool_size


@dataclass(frozen=True)
class Place:
    """A step and the layouts it reads and gives."""

    step: Step
    reads: tuple[Layout, ...]
    gives: Layout

    @property
    def shape(self) -> tuple[int, ...]:
        """The spec's shape of its first input."""
        return self.step.in_shapes[0]


def lower(place: Place) -> list[Call]:
    """Return the calls that make a step's layers, in order; the one that holds its weights bears the step's name."""
    if type(place.step.layer) in sequences.RULES:
        made = sequences.RULES[type(place.step.layer)](place.step.layer, place.step, place.gives.axes)
        return made if isinstance(made, list) else [made]
    if type(place.step.layer) not in RULES:
        shapes = zip(place.step.in_shapes, place.reads, strict=True)
        return [own.lower("keras", place.step, tuple(tuple(s[axis] for axis in read.axes) for s, read in shapes))]
    made = RULES[type(place.step.layer)](place.step.layer, place)
    return made if isinstance(made, list) else [made]


def _linear(layer: L.Linear, place: Place) -> Call:
    return call("layers.Dense", layer.features, **unless(True, use_bias=layer.bias, trainable=layer.trainable))


def _conv(layer: L.Conv2d, place: Place) -> list[Call]:
    pad, padding = _conv_padding(layer, place.shape)
    depthwise = layer.groups == place.shape[0] > 1
    # TensorFlow strides only undilated windows, and depthwise ones equally in both directions: stride by slicing then.
    sliced = layer.stride != (1, 1) and (layer.dilation != (1, 1) or (depthwise and layer.stride[0] != layer.stride[1]))
    options = unless(1, strides=1 if sliced else short(layer.stride)) | unless("valid", padding=padding)
    options |= unless(1, dilation_rate=short(layer.dilation))
    options |= unless(True, use_bias=layer.bias, trainable=layer.trainable)
    after = [call("bridges.Slice2D", layer.stride)] if sliced else []
    return [*pad, _convolution(layer, depthwise, place.shape[0], options), *after]


def _convolution(layer: L.Conv2d, depthwise: bool, channels: int, options: dict[str, Any]) -> Call:
    kernel = short(layer.kernel)
    if depthwise:
        multiplier = unless(1, depth_multiplier=layer.channels // channels)
        return call("layers.DepthwiseConv2D", kernel, **multiplier, **options)
    if layer.groups > 1:
        return call("bridges.GroupedConv2D", layer.channels, kernel, groups=layer.groups, **options)
    return call("layers.Conv2D", layer.channels, kernel, **options)


def _conv_padding(layer: L.Conv2d, shape: tuple[int, ...]) -> tuple[list[Call], str]:
    """Return the padding layer, if one is needed, and the convolution's own padding."""
    reach = tuple(d * (k - 1) for d, k in zip(layer.dilation, layer.kernel, strict=True))
    strided = layer.stride != (1, 1)
    if layer.padding == "same":
        if not strided or (layer.dilation == (1, 1) and layer.stride[0] == layer.stride[1]):
            return [], "same"
        sizes = zip(shape[1:], layer.stride, reach, strict=True)
        totals = [max((-(-size // stride) - 1) * stride + r + 1 - size, 0) for size, stride, r in sizes]
        return [_pad(tuple((total // 2, total - total // 2) for total in totals))], "valid"
    if layer.padding == (0, 0):
        return [], "valid"
    if not strided and tuple(2 * p for p in layer.padding) == reach:
        return [], "same"
    return [call("layers.ZeroPadding2D", short(layer.padding))], "valid"


def _pad(pads: Any, value: float = 0.0) -> Call:
    return call("bridges.Pad2D", pads, **unless(0.0, value=value))


def _window(
    layer: L.MaxPool2d | L.AvgPool2d, shape: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[tuple[int, int], ...]]:
    """Return the stride, and the padding that makes "valid" windows exactly PyTorch's (ceil mode included)."""
    stride = layer.stride or layer.kernel
    pads = []
    for size, kernel, step, padding in zip(shape[1:], layer.kernel, stride, layer.padding, strict=True):
        covered = (pool_size(size, kernel, step, padding, layer.ceil_mode) - 1) * step + kernel
        pads.append((padding, max(covered - size - padding, 0)))
    return stride, tuple(pads)


def _max_pool(layer: L.MaxPool2d, place: Place) -> list[Call]:
    stride, pads = _window(layer, place.shape)
    before = [] if pads == ((0, 0), (0, 0)) else [_pad(pads, float("-inf"))]
    return [
        *before,
        call("layers.MaxPooling2D", short(layer.kernel), **unless(short(layer.kernel), strides=short(stride))),
    ]


def _avg_pool(layer: L.AvgPool2d, place: Place) -> list[Call]:
    stride, pads = _window(layer, place.shape)
    pool = call("layers.AveragePooling2D", short(layer.kernel), **unless(short(layer.kernel), strides=short(stride)))
    if pads == ((0, 0), (0, 0)):
        return [pool]
    full = layer.kernel[0] * layer.kernel[1]
    counts = np.outer(*(_counts(layer, place, axis, stride[axis]) for axis in (0, 1)))
    factors = full / counts
    after = [] if (factors == 1.0).all() else [call("bridges.Scale2D", factors.tolist())]
    return [_pad(pads), pool, *after]


def _counts(layer: L.AvgPool2d, place: Place, axis: int, stride: int) -> Any:
    """Return how many pixels (padding counted or not) each window's sum is divided by along one axis."""
    size, kernel, padding = place.shape[1 + axis], layer.kernel[axis], layer.padding[axis]
    starts = np.arange(place.step.out_shapes[0][1 + axis]) * stride - padding
    low, high = (-padding, size + padding) if layer.count_include_pad else (0, size)
    return np.minimum(starts + kernel, high) - np.maximum(starts, low)


def _adaptive(layer: L.AdaptiveAvgPool2d, place: Place) -> Call:
    if layer.size == (1, 1):
        return call("layers.GlobalAveragePooling2D", keepdims=True)
    if all(size % out == 0 for size, out in zip(place.shape[1:], layer.size, strict=True)):
        windows = tuple(size // out for size, out in zip(place.shape[1:], layer.size, strict=True))
        return call("layers.AveragePooling2D", short((windows[0], windows[1])))
    return call("bridges.WindowMeans", layer.size)


def _batch_norm(layer: L.BatchNorm1d | L.BatchNorm2d, place: Place) -> Call:
    axis = place.reads[0].axis(1)
    options = unless(len(place.shape), axis=axis) | unless(0.99, momentum=1.0 - layer.momentum)
    options |= (
        unless(1e-3, epsilon=layer.epsilon) | unless(True, center=layer.affine) | unless(True, scale=layer.affine)
    )
    unbiased = layer.running_variance == "unbiased"
    return call("bridges.UnbiasedBatchNormalization" if unbiased else "layers.BatchNormalization", **options)


def _layer_norm(layer: L.LayerNorm, place: Place) -> Call:
    axes = [place.reads[0].axis(-1 - index) for index in range(layer.axes)]
    options = unless(1e-3, epsilon=layer.epsilon) | unless(True, center=layer.affine) | unless(True, scale=layer.affine)
    return call("layers.LayerNormalization", **unless([len(place.shape)], axis=sorted(axes)), **options)


def _group_norm(layer: L.GroupNorm, place: Place) -> Call:
    options = unless(32, groups=layer.groups) | unless(len(place.shape), axis=place.reads[0].axis(1))
    options |= (
        unless(1e-3, epsilon=layer.epsilon) | unless(True, center=layer.affine) | unless(True, scale=layer.affine)
    )
    return call("layers.GroupNormalization", **options)


def _back(place: Place) -> list[Call]:
    """Return the permutation from memory to the spec's order, if they differ."""
    axes = place.reads[0].axes
    return (
        []
        if axes == tuple(range(len(axes)))
        else [call("layers.Permute", tuple(axes.index(a) + 1 for a in range(len(axes))))]
    )


def _flatten(layer: L.Flatten, place: Place) -> list[Call]:
    same = place.shape[0] == 1 or place.shape[1:] in ((1, 1), ())
    return [*([] if place.gives.image or same else _back(place)), call("layers.Flatten")]


def _reshape(layer: L.Reshape | Unflatten, place: Place) -> list[Call]:
    shape, axes = place.step.out_shapes[0], place.gives.axes
    forth = [] if axes == tuple(range(len(axes))) else [call("layers.Permute", tuple(axis + 1 for axis in axes))]
    return [*_back(place), call("layers.Reshape", shape), *forth]


def _along(target: str) -> Callable[[Any, Place], Call]:
    return lambda layer, place: call(target, **unless(-1, axis=place.reads[0].axis(layer.dim)))


def _relu(layer: L.ReLU, place: Place) -> Call:
    return call("bridges.ShiftedReLU", layer.shift) if layer.shift else call("layers.ReLU")


def _activation(name: str) -> Callable[[Any, Place], Call]:
    return lambda layer, place: call("layers.Activation", name)


def _gelu(layer: L.GELU, place: Place) -> Call:
    return call("bridges.GELU", **unless(False, approximate=layer.approximate == "tanh"))


FORMULAS = (
    *(A.SELU, A.CELU, A.Softplus, A.Softsign, A.Hardtanh, A.Hardswish, A.LogSigmoid),
    *(A.Tanhshrink, A.Softshrink, A.Hardshrink, A.Threshold, A.Mish, A.Exponential),
)


def _formula(layer: Any, place: Place) -> Call:
    """Return the class of ours that has the spec's name and the spec's fields."""
    own = {field.name: getattr(layer, field.name) for field in fields(layer) if field.name not in ("name", "inputs")}
    return call(f"activations.{type(layer).__name__}", **own)


RULES: dict[type[L.Layer], Callable[[Any, Place], Call | list[Call]]] = {
    L.Linear: _linear,
    L.Conv2d: _conv,
    L.MaxPool2d: _max_pool,
    L.AvgPool2d: _avg_pool,
    L.AdaptiveAvgPool2d: _adaptive,
    L.BatchNorm1d: _batch_norm,
    L.BatchNorm2d: _batch_norm,
    L.LayerNorm: _layer_norm,
    L.GroupNorm: _group_norm,
    L.Dropout: lambda layer, place: call("layers.Dropout", layer.rate),
    L.Flatten: _flatten,
    L.Reshape: _reshape,
    L.Add: lambda layer, place: call("layers.Add"),
    L.Subtract: lambda layer, place: call("layers.Subtract"),
    L.Multiply: lambda layer, place: call("layers.Multiply"),
    L.Average: lambda layer, place: call("layers.Average"),
    L.Maximum: lambda layer, place: call("bridges.Maximum"),
    L.Minimum: lambda layer, place: call("bridges.Minimum"),
    L.Concat: _along("layers.Concatenate"),
    L.Sum: _along("bridges.Sum"),
    L.Halve: lambda layer, place: call("bridges.Halve", layer.limit),
    L.ReLU: _relu,
    L.LeakyReLU: lambda layer, place: call("bridges.LeakyReLU", layer.slope),
    L.ELU: lambda layer, place: call("layers.ELU", **unless(1.0, alpha=layer.alpha)),
    L.GELU: _gelu,
    L.Sigmoid: _activation("sigmoid"),
    L.Hardsigmoid: _activation("hard_sigmoid"),
    L.Tanh: _activation("tanh"),
    L.SiLU: _activation("silu"),
    **dict.fromkeys(FORMULAS, _formula),
    A.Identity: lambda layer, place: call("layers.Identity"),
    **others.RULES,
    Unflatten: _reshape,
    L.Softmax: _along("layers.Softmax"),
    L.LogSoftmax: _along("bridges.LogSoftmax"),
}
