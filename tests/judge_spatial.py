"""An independent judge of spatial layers: NumPy window by window, ``torch.nn.functional``, or stock Keras."""

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from dualnet import specs as S
from dualnet.backends.protocol import Array

NUMPY = {"zeros": "constant", "constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def t(array: Any) -> Any:
    """Return an array as a tensor, None as itself."""
    return None if array is None else torch.tensor(np.ascontiguousarray(array))


def function(name: str, axes: int) -> Callable[..., Any]:
    """Return a function of ``torch.nn.functional`` whose name says how many axes it takes."""
    found: Callable[..., Any] = getattr(F, f"{name}{axes}d")
    return found


def padded(x: Array, sides: Any, mode: str = "constant", value: float = 0.0) -> Array:
    more = {"constant_values": value} if NUMPY[mode] == "constant" else {}
    return np.pad(x, ((0, 0), (0, 0), *sides), NUMPY[mode], **more)  # type: ignore[call-overload,no-any-return]


def conv(layer: Any, x: Array, w: Any) -> Array:
    """Explicit padding by NumPy and torch; "same" by TensorFlow where it has the mode, "causal" by its definition."""
    if layer.padding == "same" and layer.padding_mode == "zeros":
        made = conv_same(layer, x, w["weight"])
    else:
        reach = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel, strict=True)]
        sides = {"causal": [(reach[0], 0)], "same": same(x, layer)}.get(str(layer.padding))
        framed = padded(x, sides or [(p, p) for p in layer.padding], layer.padding_mode)
        rule = function("conv", layer.spatial)
        made = rule(t(framed), t(w["weight"]), None, layer.stride, 0, layer.dilation, layer.groups).numpy()
    return made + w["bias"].reshape(-1, *[1] * layer.spatial) if layer.bias else made


def same(x: Array, layer: Any) -> list[tuple[int, int]]:
    """TensorFlow's words: pad_along = max((⌈n/s⌉ - 1)·s + k - n, 0), half of it rounded down in front."""
    found, dilation = [], getattr(layer, "dilation", (1,) * layer.spatial)
    for n, k, s, d in zip(x.shape[2:], layer.kernel, layer.stride or layer.kernel, dilation, strict=True):
        along = max((math.ceil(n / s) - 1) * s + (k - 1) * d + 1 - n, 0)
        found.append((along // 2, along - along // 2))
    return found


def conv_same(layer: Any, x: Array, weight: Array) -> Array:
    """TensorFlow's own convolution, a group at a time, on kernels whose dilation is written out as zeros."""
    import tensorflow as tf

    size = [d * (k - 1) + 1 for d, k in zip(layer.dilation, layer.kernel, strict=True)]
    kernel = np.zeros((*weight.shape[:2], *size))
    kernel[(slice(None), slice(None), *(slice(None, None, d) for d in layer.dilation))] = weight
    pairs = zip(np.split(x, layer.groups, 1), np.split(kernel, layer.groups, 0), strict=True)
    order = (*range(2, 2 + layer.spatial), 1, 0)
    made = [
        tf.nn.convolution(np.moveaxis(a, 1, -1), k.transpose(order), layer.stride, "SAME").numpy() for a, k in pairs
    ]
    return np.concatenate([np.moveaxis(part, -1, 1) for part in made], 1)


def transposed(layer: Any, x: Array, w: Any) -> Array:
    """PyTorch's own; "same" by stock Keras where it has the options, else cut from the whole as the docstring says."""
    if layer.padding != "same":
        options = layer.stride, layer.padding, layer.output_padding or 0, layer.groups, layer.dilation
        return np.asarray(function("conv_transpose", layer.spatial)(t(x), t(w["weight"]), t(w["bias"]), *options))
    if layer.groups == 1 and set(layer.dilation) == {1}:
        return transposed_by_keras(layer, x, w)
    full = function("conv_transpose", layer.spatial)(
        t(x), t(w["weight"]), None, layer.stride, 0, 0, layer.groups, layer.dilation
    )
    made = full.numpy()
    for axis, (n, k, s, d) in enumerate(zip(x.shape[2:], layer.kernel, layer.stride, layer.dilation, strict=True), 2):
        over = (n - 1) * s + d * (k - 1) + 1 - n * s
        made = np.take(made, range(max(over, 0) // 2, made.shape[axis]), axis)
        ends = [(0, max(-over, 0)) if i == axis else (0, 0) for i in range(made.ndim)]
        made = np.take(np.pad(made, ends), range(n * s), axis)
    return made + w["bias"].reshape(-1, *[1] * layer.spatial)


def transposed_by_keras(layer: Any, x: Array, w: Any) -> Array:
    import keras

    stock = getattr(keras.layers, f"Conv{layer.spatial}DTranspose")
    options = {"padding": "same", "output_padding": layer.output_padding, "dtype": "float64"}
    made = stock(layer.channels, layer.kernel, layer.stride, **options)
    made.build((None, *x.shape[2:], x.shape[1]))
    made.set_weights([w["weight"].transpose(*range(2, 2 + layer.spatial), 1, 0), w["bias"]])
    return np.moveaxis(made(keras.ops.convert_to_tensor(np.moveaxis(x, 1, -1))).numpy(), -1, 1)


def windowed(layer: Any, x: Array, value: float) -> Iterator[Array]:
    """Yield "same" windows, flat, one after the other; ``value`` stands for padding."""
    sides, dilation = same(x, layer), getattr(layer, "dilation", (1,) * layer.spatial)
    framed, stride = padded(x, sides, value=value), layer.stride or layer.kernel
    for at in product(*(range(math.ceil(n / s)) for n, s in zip(x.shape[2:], stride, strict=True))):
        rule = zip(at, stride, layer.kernel, dilation, strict=True)
        spans = [slice(i * s, i * s + d * (k - 1) + 1, d) for i, s, k, d in rule]
        yield framed[(slice(None), slice(None), *spans)].reshape(*x.shape[:2], -1)


def stacked(values: list[Array], sizes: Any) -> Array:
    return np.stack(values, -1).reshape(*values[0].shape, *sizes)


def max_pool(layer: Any, x: Array, w: Any) -> Any:
    if layer.padding != "same":
        options = layer.kernel, layer.stride, layer.padding, layer.dilation, layer.ceil_mode
        return function("max_pool", layer.spatial)(t(x), *options)
    sizes = [math.ceil(n / s) for n, s in zip(x.shape[2:], layer.stride or layer.kernel, strict=True)]
    return stacked([window.max(-1) for window in windowed(layer, x, -np.inf)], sizes)


def avg_pool(layer: Any, x: Array, w: Any) -> Any:
    divisor = getattr(layer, "divisor_override", None)
    if layer.padding != "same":
        more = (divisor,) if layer.spatial > 1 else ()
        options = layer.kernel, layer.stride, layer.padding, layer.ceil_mode, layer.count_include_pad
        return function("avg_pool", layer.spatial)(t(x), *options, *more)
    sizes = [math.ceil(n / s) for n, s in zip(x.shape[2:], layer.stride or layer.kernel, strict=True)]
    windows = list(windowed(layer, x, 0.0 if layer.count_include_pad else np.nan))
    if divisor:
        return stacked([np.nansum(window, -1) / divisor for window in windows], sizes)
    return stacked([np.nanmean(window, -1) for window in windows], sizes)


def adaptive(reduce: Callable[..., Any]) -> Callable[..., Array]:
    def rule(layer: Any, x: Array, w: Any) -> Array:
        spans = [
            [slice(i * n // o, -(-(i + 1) * n // o)) for i in range(o)]
            for n, o in zip(x.shape[2:], layer.size, strict=True)
        ]
        axes = tuple(range(2, x.ndim))
        return stacked([reduce(x[(slice(None), slice(None), *at)], axis=axes) for at in product(*spans)], layer.size)

    return rule


def lp_pool(layer: Any, x: Array, w: Any) -> Any:
    kernel, stride = (sizes[0] if sizes and layer.spatial == 1 else sizes for sizes in (layer.kernel, layer.stride))
    return function("lp_pool", layer.spatial)(t(x), layer.power, kernel, stride, layer.ceil_mode)


def ends(amounts: Any, axes: int) -> list[tuple[int, int]]:
    return list(amounts) * (axes if len(amounts) == 1 else 1)


def pad(layer: S.Pad, x: Array, w: Any) -> Array:
    return padded(x, ends(layer.padding, x.ndim - 2), layer.mode, layer.value)


def cropping(layer: S.Cropping, x: Array, w: Any) -> Array:
    cuts = zip(x.shape[2:], ends(layer.amounts, x.ndim - 2), strict=True)
    return x[(slice(None), slice(None), *(slice(before, n - after) for n, (before, after) in cuts))]


def upsample(layer: S.Upsample, x: Array, w: Any) -> Any:
    axes = x.ndim - 2
    if layer.mode == "nearest" and layer.scale:
        for axis, scale in enumerate(layer.scale * (axes if len(layer.scale) == 1 else 1), start=2):
            at = np.floor(np.arange(int(x.shape[axis] * scale), dtype=np.float32) * np.float32(1 / scale)).astype(int)
            x = np.take(x, np.minimum(at, x.shape[axis] - 1), axis)
        return x
    linear = {1: "linear", 2: "bilinear", 3: "trilinear"}[axes]
    mode = {"linear": linear, "cubic": "bicubic"}.get(layer.mode, layer.mode)
    corners = layer.align_corners if mode in (linear, "bicubic") else None
    size, scale = (None if v is None else tuple(v) * (axes if len(v) == 1 else 1) for v in (layer.size, layer.scale))
    return F.interpolate(t(x), size, scale, mode, corners)


def channel_shuffle(layer: S.ChannelShuffle, x: Array, w: Any) -> Array:
    n = x.shape[1] // layer.groups
    return np.stack([x[:, (i % layer.groups) * n + i // layer.groups] for i in range(x.shape[1])], 1)


def response(layer: S.LocalResponseNorm, x: Array, w: Any) -> Array:
    made = np.empty_like(x)
    for c in range(x.shape[1]):
        near = x[:, max(c - layer.size // 2, 0) : c + (layer.size - 1) // 2 + 1]
        total = (near**2).sum(1)
        made[:, c] = x[:, c] / (layer.k + layer.alpha / layer.size * total) ** layer.beta
    return made


RULES: dict[type[S.Layer], Callable[[Any, Array, Any], Any]] = {
    **dict.fromkeys((S.Conv1d, S.Conv2d, S.Conv3d), conv),
    **dict.fromkeys((S.ConvTranspose1d, S.ConvTranspose2d, S.ConvTranspose3d), transposed),
    **dict.fromkeys((S.MaxPool1d, S.MaxPool2d, S.MaxPool3d), max_pool),
    **dict.fromkeys((S.AvgPool1d, S.AvgPool2d, S.AvgPool3d), avg_pool),
    **dict.fromkeys((S.AdaptiveAvgPool1d, S.AdaptiveAvgPool2d, S.AdaptiveAvgPool3d), adaptive(np.mean)),
    **dict.fromkeys((S.AdaptiveMaxPool1d, S.AdaptiveMaxPool2d, S.AdaptiveMaxPool3d), adaptive(np.max)),
    **dict.fromkeys((S.LPPool1d, S.LPPool2d, S.LPPool3d), lp_pool),
    S.Pad: pad,
    S.Cropping: cropping,
    S.Upsample: upsample,
    S.PixelShuffle: lambda layer, x, w: F.pixel_shuffle(t(x), layer.factor),
    S.PixelUnshuffle: lambda layer, x, w: F.pixel_unshuffle(t(x), layer.factor),
    S.ChannelShuffle: channel_shuffle,
    S.LocalResponseNorm: response,
    S.Unfold: lambda layer, x, w: F.unfold(t(x), layer.kernel, layer.dilation, layer.padding, layer.stride),
    S.Fold: lambda layer, x, w: F.fold(
        t(x), layer.size, layer.kernel, layer.dilation, layer.padding, layer.stride
    ),
}  # fmt: skip
