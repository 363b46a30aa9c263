"""Rules of convolutions: one call, or a short chain where Keras splits what PyTorch does at once (padding, stride)."""

from collections.abc import Callable
from typing import Any

from dualnet.backends.call import Call, call, short, unless
from dualnet.backends.keras.place import Place
from dualnet.specs import convs as V
from dualnet.specs import extents
from dualnet.specs import layers as L


def depthwise(layer: L._Conv, channels: int) -> bool:
    """Return whether Keras has a depthwise layer for a convolution that reads so many channels."""
    return layer.groups == channels > 1 and layer.spatial < 3


def _conv(layer: L._Conv, place: Place) -> list[Call]:
    pad, padding = _padding(layer, place.shape)
    ones = (1,) * layer.spatial
    # TensorFlow strides only undilated windows, and depthwise ones equally in all directions: stride by slicing then.
    uneven = depthwise(layer, place.shape[0]) and len(set(layer.stride)) > 1
    sliced = layer.stride != ones and (layer.dilation != ones or uneven)
    options = unless(1, strides=1 if sliced else short(layer.stride)) | unless("valid", padding=padding)
    options |= unless(1, dilation_rate=short(layer.dilation))
    options |= unless(True, use_bias=layer.bias, trainable=layer.trainable)
    after = [call("windows.Slice", layer.stride)] if sliced else []
    return [*pad, _convolution(layer, place.shape[0], options), *after]


def _convolution(layer: L._Conv, channels: int, options: dict[str, Any]) -> Call:
    kernel, axes = short(layer.kernel), layer.spatial
    if depthwise(layer, channels):
        multiplier = unless(1, depth_multiplier=layer.channels // channels)
        return call(f"layers.DepthwiseConv{axes}D", kernel, **multiplier, **options)
    if layer.groups > 1:
        return call(f"windows.GroupedConv{axes}D", layer.channels, kernel, groups=layer.groups, **options)
    return call(f"layers.Conv{axes}D", layer.channels, kernel, **options)


def _padding(layer: L._Conv, shape: tuple[int, ...]) -> tuple[list[Call], str]:
    """Return the padding layer, if one is needed, and the convolution's own padding."""
    sides = tuple(extents.conv_sides(layer, shape[1:]))
    word = _word(layer, sides)
    if word:
        return [], word
    if layer.padding_mode != "zeros":
        return [call("windows.Pad", sides, mode=layer.padding_mode)], "valid"
    if isinstance(layer.padding, str):
        return [call("windows.Pad", sides)], "valid"
    return [call(f"layers.ZeroPadding{layer.spatial}D", short(layer.padding))], "valid"


def _word(layer: L._Conv, sides: tuple[tuple[int, int], ...]) -> str:
    """Return Keras's word for a padding, or nothing where it has none."""
    if not any(map(any, sides)):
        return "valid"
    strided, dilated = set(layer.stride) != {1}, set(layer.dilation) != {1}
    reach = tuple(d * (k - 1) for d, k in zip(layer.dilation, layer.kernel, strict=True))
    words = {
        "causal": layer.padding == "causal" and layer.groups == 1 and not (strided and dilated),
        "same": (layer.padding == "same" and not (strided and (dilated or len(set(layer.stride)) > 1)))
        or (not strided and layer.padding == tuple(total / 2 for total in reach)),
    }
    return next((word for word, fits in words.items() if fits and layer.padding_mode == "zeros"), "")


def _transposed(layer: V._ConvTranspose, place: Place) -> Call:
    options = unless(True, use_bias=layer.bias, trainable=layer.trainable)
    if layer.groups == 1 and set(layer.dilation) == {1} and _usual(layer):
        same = layer.padding == "same"
        own = {"output_padding": short(layer.output_padding) if same else 0}
        own |= unless(1, strides=short(layer.stride)) | unless("valid", padding="same" if same else "valid")
        return call(f"layers.Conv{layer.spatial}DTranspose", layer.channels, short(layer.kernel), **own, **options)
    cut, left = zip(*extents.transposed(layer, place.shape[1:]), strict=True)
    sizes = {"cut": cut, "left": left, "dilation": layer.dilation} | unless(1, groups=layer.groups)
    return call("windows.ConvTranspose", layer.channels, layer.kernel, layer.stride, **sizes, **options)


def _usual(layer: V._ConvTranspose) -> bool:
    """Return whether Keras has the padding of a transposed convolution: "same", or none at all."""
    return layer.padding == "same" or not (any(layer.padding) or any(layer.output_padding or ()))


RULES: dict[type[L.Layer], Callable[[Any, Place], Call | list[Call]]] = {
    **dict.fromkeys((V.Conv1d, L.Conv2d, V.Conv3d), _conv),
    **dict.fromkeys((V.ConvTranspose1d, V.ConvTranspose2d, V.ConvTranspose3d), _transposed),
}
