"""Rules of spatial layers: each as a constructor call of ``torch.nn``, whose classes bear the number of axes."""

from collections.abc import Callable
from typing import Any

from dualnet.backends.call import Call, call, short, unless
from dualnet.specs import channels as C
from dualnet.specs import convs as V
from dualnet.specs import extents
from dualnet.specs import layers as L
from dualnet.specs import pools as P
from dualnet.specs import spatial as S

Shape = tuple[int, ...]


def _own(layer: L.Layer) -> str:
    """Return the class of ``torch.nn`` that has the spec's name."""
    return f"nn.{type(layer).__name__}"


def _conv(layer: L._Conv, shape: Shape) -> Call:
    options = unless(1, stride=short(layer.stride), dilation=short(layer.dilation), groups=layer.groups)
    options |= unless(True, bias=layer.bias) | unless("zeros", padding_mode=layer.padding_mode)
    sizes = (shape[0], layer.channels, short(layer.kernel))
    if isinstance(layer.padding, str):
        return call(f"windows.{layer.padding.capitalize()}{type(layer).__name__}", *sizes, **options)
    return call(_own(layer), *sizes, **unless(0, padding=short(layer.padding)), **options)


def _transposed(layer: V._ConvTranspose, shape: Shape) -> Call:
    options = unless(1, stride=short(layer.stride), dilation=short(layer.dilation), groups=layer.groups)
    options |= unless(True, bias=layer.bias)
    sizes = (shape[0], layer.channels, short(layer.kernel))
    if layer.padding != "same":
        more = unless(0, output_padding=short(layer.output_padding or (0,)))
        return call(_own(layer), *sizes, **unless(0, padding=short(layer.padding)), **more, **options)
    cut, left = zip(*extents.transposed(layer, shape[1:]), strict=True)
    axes = zip(shape[1:], layer.kernel, layer.stride, layer.dilation, cut, left, strict=True)
    over = [extents.whole(*axis) - first - kept for *axis, first, kept in axes]  # the same for every size
    options |= unless(0, output_padding=short(tuple(max(-each, 0) for each in over)))
    behind = tuple(max(each, 0) for each in over)
    return call(f"windows.Cut{type(layer).__name__}", *sizes, cut=cut, behind=behind, **options)


def _window(layer: Any) -> dict[str, Any]:
    options = unless(None, stride=layer.stride and short(layer.stride)) | unless(0, padding=short(layer.padding))
    return options | unless(False, ceil_mode=layer.ceil_mode)


def _max_pool(layer: L._MaxPool, shape: Shape) -> Call:
    if layer.padding == "same":
        return call("windows.SameMaxPool", layer.kernel, layer.stride or layer.kernel, layer.dilation)
    return call(_own(layer), short(layer.kernel), **_window(layer), **unless(1, dilation=short(layer.dilation)))


def _avg_pool(layer: L._AvgPool, shape: Shape) -> Call:
    divisor = getattr(layer, "divisor_override", None)
    if layer.padding == "same":
        options = unless(False, counted=layer.count_include_pad) | unless(None, divisor=divisor)
        return call("windows.SameAvgPool", layer.kernel, layer.stride or layer.kernel, **options)
    options = unless(True, count_include_pad=layer.count_include_pad) | unless(None, divisor_override=divisor)
    return call(_own(layer), short(layer.kernel), **_window(layer), **options)


def _lp_pool(layer: P._LPPool, shape: Shape) -> Call:
    options = unless(None, stride=layer.stride and short(layer.stride)) | unless(False, ceil_mode=layer.ceil_mode)
    return call(_own(layer), layer.power, short(layer.kernel), **options)


def _adaptive(layer: L._Adaptive, shape: Shape) -> Call:
    return call(_own(layer), short(layer.size))


PADS = {"constant": "Constant", "reflect": "Reflection", "replicate": "Replication", "circular": "Circular"}


def _pad(layer: S.Pad, shape: Shape) -> Call:
    axes = len(shape) - 1
    pads = _listed(extents.spread(layer.padding, axes))
    if layer.mode == "constant":
        plain = call(f"nn.ZeroPad{axes}d", pads)
        return plain if layer.value == 0 else call(f"nn.ConstantPad{axes}d", pads, layer.value)
    return call(f"nn.{PADS[layer.mode]}Pad{axes}d", pads)


def _crop(layer: S.Cropping, shape: Shape) -> Call:
    axes = len(shape) - 1
    return call(f"nn.ZeroPad{axes}d", tuple(-amount for amount in _listed(extents.spread(layer.amounts, axes))))


def _listed(sides: Any) -> tuple[int, ...]:
    """Return amounts at the ends of axes as ``F.pad`` has them: the last axis first."""
    return tuple(amount for ends in reversed(sides) for amount in ends)


LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def _upsample(layer: S.Upsample, shape: Shape) -> Call:
    axes = len(shape) - 1
    if layer.mode == "nearest" and layer.scale and any(scale % 1 for scale in layer.scale):
        return call("windows.NearestUpsample", shape[1:], extents.spread(layer.scale, axes))
    sizes = unless(None, size=layer.size and short(layer.size), scale_factor=layer.scale and short(layer.scale))
    mode = {"linear": LINEAR[axes], "cubic": "bicubic"}.get(layer.mode, layer.mode)
    return call(
        "nn.Upsample", **sizes, **unless("nearest", mode=mode), **unless(False, align_corners=layer.align_corners)
    )


def _windows(layer: S.Unfold | S.Fold) -> dict[str, Any]:
    options = unless(1, dilation=short(layer.dilation)) | unless(0, padding=short(layer.padding))
    return options | unless(1, stride=short(layer.stride))


def _instance_norm(layer: C._InstanceNorm, shape: Shape) -> Call:
    options = unless(1e-5, eps=layer.epsilon) | unless(0.1, momentum=layer.momentum)
    options |= unless(False, affine=layer.affine, track_running_stats=layer.track_running_stats)
    return call(_own(layer), shape[0], **options)


def _response(layer: C.LocalResponseNorm, shape: Shape) -> Call:
    options = unless(1e-4, alpha=layer.alpha) | unless(0.75, beta=layer.beta) | unless(1.0, k=layer.k)
    return call("nn.LocalResponseNorm", layer.size, **options)


RULES: dict[type[L.Layer], Callable[[Any, Shape], Call]] = {
    **dict.fromkeys((V.Conv1d, L.Conv2d, V.Conv3d), _conv),
    **dict.fromkeys((V.ConvTranspose1d, V.ConvTranspose2d, V.ConvTranspose3d), _transposed),
    **dict.fromkeys((P.MaxPool1d, L.MaxPool2d, P.MaxPool3d), _max_pool),
    **dict.fromkeys((P.AvgPool1d, L.AvgPool2d, P.AvgPool3d), _avg_pool),
    **dict.fromkeys((P.AdaptiveAvgPool1d, L.AdaptiveAvgPool2d, P.AdaptiveAvgPool3d), _adaptive),
    **dict.fromkeys((P.AdaptiveMaxPool1d, P.AdaptiveMaxPool2d, P.AdaptiveMaxPool3d), _adaptive),
    **dict.fromkeys((P.LPPool1d, P.LPPool2d, P.LPPool3d), _lp_pool),
    **dict.fromkeys((C.InstanceNorm1d, C.InstanceNorm2d, C.InstanceNorm3d), _instance_norm),
    **dict.fromkeys((C.Dropout1d, C.Dropout2d, C.Dropout3d), lambda layer, shape: call(_own(layer), layer.rate)),
    C.LocalResponseNorm: _response,
    S.Pad: _pad,
    S.Cropping: _crop,
    S.Upsample: _upsample,
    S.PixelShuffle: lambda layer, shape: call("nn.PixelShuffle", layer.factor),
    S.PixelUnshuffle: lambda layer, shape: call("nn.PixelUnshuffle", layer.factor),
    S.ChannelShuffle: lambda layer, shape: call("nn.ChannelShuffle", layer.groups),
    S.Unfold: lambda layer, shape: call("nn.Unfold", short(layer.kernel), **_windows(layer)),
    S.Fold: lambda layer, shape: call("nn.Fold", layer.size, short(layer.kernel), **_windows(layer)),
}
