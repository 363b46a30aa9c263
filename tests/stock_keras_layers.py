"""Stock Keras layers as specs: what a layer of Keras's is, by its config, and how its weights lie in the spec."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import layers as K

from dualnet import specs as S
from dualnet.backends.protocol import Array
from tests.stock_layers import Unsaid

ACTIVATIONS: dict[str, Callable[[], S.Layer]] = {
    "relu": S.ReLU,
    "softmax": S.Softmax,
    "sigmoid": S.Sigmoid,
    "tanh": S.Tanh,
    "gelu": S.GELU,
    "elu": S.ELU,
    "selu": S.SELU,
}
# Keras's name of a weight → the spec's.
WEIGHTS = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias", "embeddings": "weight"}
WEIGHTS |= {"scale": "weight", "moving_mean": "running_mean", "moving_variance": "running_var", "alpha": "weight"}


def _refuse(says: bool, why: str) -> None:
    if says:
        raise Unsaid(why)


def _then(layer: S.Layer, config: dict[str, Any]) -> list[S.Layer]:
    """Return a layer and the activation that Keras puts behind it; that of channels is along axis 1."""
    name = config.get("activation") or "linear"
    if name == "linear":
        return [layer]
    _refuse(name not in ACTIVATIONS, f"the activation {name}")
    return [layer, S.Softmax(1) if name == "softmax" and isinstance(layer, S.Conv2d) else ACTIVATIONS[name]()]


def _channels_last(c: dict[str, Any]) -> None:
    _refuse(c.get("data_format") == "channels_first", "TensorFlow on a CPU does not take channels first")


def _conv(kind: Any) -> Callable[[dict[str, Any]], list[S.Layer]]:
    def rule(c: dict[str, Any]) -> list[S.Layer]:
        _channels_last(c)
        options = {"stride": c["strides"], "dilation": c["dilation_rate"], "groups": c["groups"], "bias": c["use_bias"]}
        padding = {"valid": 0}.get(c["padding"], c["padding"])
        return _then(kind(c["filters"], c["kernel_size"], padding=padding, **options), c)

    return rule


def _transposed(kind: Any) -> Callable[[dict[str, Any]], list[S.Layer]]:
    def rule(c: dict[str, Any]) -> list[S.Layer]:
        _channels_last(c)
        options = {"stride": c["strides"], "dilation": c["dilation_rate"], "bias": c["use_bias"]}
        padding, more = {"valid": 0}.get(c["padding"], c["padding"]), c["output_padding"]
        if padding == 0 and more is None:  # Keras fills the whole last stride
            more = tuple(max(s - k, 0) for s, k in zip(c["strides"], c["kernel_size"], strict=True))
        return _then(kind(c["filters"], c["kernel_size"], padding=padding, output_padding=more, **options), c)

    return rule


def _pool(kind: Any, **more: Any) -> Callable[[dict[str, Any]], list[S.Layer]]:
    def rule(c: dict[str, Any]) -> list[S.Layer]:
        padding = {"valid": 0}.get(c["padding"], c["padding"])
        return [kind(c["pool_size"], stride=c["strides"], padding=padding, **more)]

    return rule


def _whole(kind: Any) -> Callable[[dict[str, Any]], list[S.Layer]]:
    def rule(c: dict[str, Any]) -> list[S.Layer]:
        return [kind(1), *([] if c["keepdims"] else [S.Flatten()])]

    return rule


def _norm(c: dict[str, Any]) -> list[S.Layer]:
    _refuse(bool(c.get("renorm")), "renorm=True corrects the batch's statistics by the running ones")
    _refuse(c["center"] != c["scale"], "scale without centre")
    _refuse(c["axis"] not in (-1, c["rank"] - 1), "another axis")
    kind = {2: S.BatchNorm1d, 3: S.BatchNorm1d, 4: S.BatchNorm2d, 5: S.BatchNorm3d}[c["rank"]]
    return [kind(c["epsilon"], 1 - c["momentum"], "biased", affine=c["scale"])]


def _layer_norm(c: dict[str, Any]) -> list[S.Layer]:
    axes = c["axis"] if isinstance(c["axis"], (list, tuple)) else [c["axis"]]
    _refuse(c["center"] != c["scale"], "scale without centre")
    _refuse(bool(c.get("rms_scaling")), "rms_scaling=True, which is no layer norm")
    _refuse(sorted(axes) != list(range(-len(axes), 0)) and axes != [2], "axes that are not the last ones")
    return [S.LayerNorm(len(axes), c["epsilon"], affine=c["scale"])]


def _unit(c: dict[str, Any]) -> list[S.Layer]:
    axes = c["axis"] if isinstance(c["axis"], (list, tuple)) else [c["axis"]]
    _refuse(len(axes) > 1, "several axes at once")
    return [S.UnitNormalization(axes[0])]


def _crop(c: dict[str, Any]) -> list[S.Layer]:
    ends = c["cropping"]
    return [S.Cropping(tuple(tuple(each) for each in (ends if isinstance(ends[0], (list, tuple)) else [ends])))]


def _upsample(c: dict[str, Any]) -> list[S.Layer]:
    _refuse(c.get("interpolation", "nearest") not in ("nearest", "bilinear"), f"interpolation {c.get('interpolation')}")
    return [S.Upsample(c["size"], mode="linear" if c.get("interpolation") == "bilinear" else "nearest")]


SPATIAL: dict[type, Callable[[dict[str, Any]], list[S.Layer]]] = {
    **{
        cls: _conv(kind)
        for cls, kind in zip((K.Conv1D, K.Conv2D, K.Conv3D), (S.Conv1d, S.Conv2d, S.Conv3d), strict=True)
    },
    K.Conv1DTranspose: _transposed(S.ConvTranspose1d),
    K.Conv2DTranspose: _transposed(S.ConvTranspose2d),
    K.Conv3DTranspose: _transposed(S.ConvTranspose3d),
    **{
        cls: _pool(kind)
        for cls, kind in zip(
            (K.MaxPooling1D, K.MaxPooling2D, K.MaxPooling3D), (S.MaxPool1d, S.MaxPool2d, S.MaxPool3d), strict=True
        )
    },
    **{
        cls: _pool(kind, count_include_pad=False)
        for cls, kind in zip(
            (K.AveragePooling1D, K.AveragePooling2D, K.AveragePooling3D),
            (S.AvgPool1d, S.AvgPool2d, S.AvgPool3d),
            strict=True,
        )
    },
    K.GlobalAveragePooling1D: _whole(S.AdaptiveAvgPool1d),
    K.GlobalAveragePooling2D: _whole(S.AdaptiveAvgPool2d),
    K.GlobalAveragePooling3D: _whole(S.AdaptiveAvgPool3d),
    K.GlobalMaxPooling1D: _whole(S.AdaptiveMaxPool1d),
    K.GlobalMaxPooling2D: _whole(S.AdaptiveMaxPool2d),
    K.GlobalMaxPooling3D: _whole(S.AdaptiveMaxPool3d),
    K.BatchNormalization: _norm,
    **dict.fromkeys((K.Cropping1D, K.Cropping2D, K.Cropping3D), _crop),
    **dict.fromkeys((K.UpSampling1D, K.UpSampling2D, K.UpSampling3D), _upsample),
}
PLAIN: dict[type, Callable[[dict[str, Any]], list[S.Layer]]] = {
    K.Dense: lambda c: _then(S.Linear(c["units"], bias=c["use_bias"]), c),
    K.Activation: lambda c: _then(S.Identity(), c),
    K.ELU: lambda c: [S.ELU(c["alpha"])],
    K.LeakyReLU: lambda c: [S.LeakyReLU(c["negative_slope"])],
    K.Softmax: lambda c: [S.Softmax(c["axis"])],
    K.Identity: lambda c: [S.Identity()],
    K.LayerNormalization: _layer_norm,
    K.UnitNormalization: _unit,
    K.Permute: lambda c: [S.Permute(tuple(c["dims"]))],
    K.RepeatVector: lambda c: [S.RepeatVector(c["n"])],
    K.Reshape: lambda c: [S.Reshape(tuple(c["target_shape"]))],
}
LAYERS = SPATIAL | PLAIN


def first(array: Array) -> Array:
    """Return an array with its last axis behind the batch."""
    return np.moveaxis(array, -1, 1)


def lies(layer: Any, name: str, array: Array) -> Array:
    """Return a weight of Keras's, or its gradient, as the spec has it."""
    if name != "kernel":
        return array
    return array.T if array.ndim == 2 else np.moveaxis(array, (-1, -2), (0, 1))
