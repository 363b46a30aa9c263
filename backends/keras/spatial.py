"""Rules of spatial layers: each as constructor calls of ``keras.layers``, whose classes bear the number of axes."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from dualnet.backends.call import Call, call, short, unless
from dualnet.backends.keras.convs import RULES as CONVS
from dualnet.backends.keras.place import Place
from dualnet.specs import channels as C
from dualnet.specs import extents
from dualnet.specs import layers as L
from dualnet.specs import pools as P
from dualnet.specs import spatial as S

Rule = Callable[[Any, Place], Call | list[Call]]


def _max_pool(layer: L._MaxPool, place: Place) -> list[Call]:
    stride, sides = layer.stride or layer.kernel, extents.pool_sides(layer, place.shape[1:])
    if layer.spatial == 3 or set(layer.dilation) != {1}:  # TensorFlow pools no volumes in float64
        sizes = {"size": layer.kernel, "strides": stride, "padding": tuple(sides), "dilation": layer.dilation}
        return [call("windows.MaxPool", **sizes)]
    return _pooled("Max", layer, sides, layer.padding == "same")


def _pooled(kind: str, layer: Any, sides: Any, same: bool) -> list[Call]:
    """Return Keras's own pool, with the padding in front that it does not do itself."""
    bare = same or not np.any(sides)
    value = {"Max": float("-inf")}.get(kind, 0.0)
    before = [] if bare else [call("windows.Pad", tuple(sides), **unless(0.0, value=value))]
    kernel, stride = short(layer.kernel), short(layer.stride or layer.kernel)
    options = unless(kernel, strides=stride) | unless("valid", padding="same" if same else "valid")
    name = {"Max": "MaxPooling", "Avg": "AveragePooling"}[kind]
    return [*before, call(f"layers.{name}{layer.spatial}D", kernel, **options)]


def _avg_pool(layer: L._AvgPool, place: Place) -> list[Call]:
    sides, sizes = extents.pool_sides(layer, place.shape[1:]), place.shape[1:]
    divisor, counts = getattr(layer, "divisor_override", None), extents.divisors(layer, sizes)
    if layer.spatial == 3:
        by = {"divisors": float(divisor) if divisor else tuple(map(tuple, counts))}
        stride = layer.stride or layer.kernel
        return [call("windows.AvgPool", size=layer.kernel, strides=stride, padding=tuple(sides), **by)]
    if layer.padding == "same" and not layer.count_include_pad and not divisor:
        return _pooled("Avg", layer, sides, same=True)
    dividing: Any = np.array(divisor) if divisor else reduce(np.multiply.outer, map(np.array, counts))
    factors = np.prod(layer.kernel) / dividing
    after = [] if (factors == 1.0).all() else [call("windows.Scale", factors.tolist())]
    return [*_pooled("Avg", layer, sides, same=False), *after]


def _adaptive_avg(layer: L._Adaptive, place: Place) -> Call:
    if set(layer.size) == {1}:
        return call(f"layers.GlobalAveragePooling{layer.spatial}D", keepdims=True)
    if layer.spatial < 3 and all(size % out == 0 for size, out in zip(place.shape[1:], layer.size, strict=True)):
        windows = tuple(size // out for size, out in zip(place.shape[1:], layer.size, strict=True))
        return call(f"layers.AveragePooling{layer.spatial}D", short(windows))
    return call("windows.AdaptiveAvgPool", size=layer.size)


MEANS: dict[type[L.Layer], Any] = {P.LPPool1d: P.AvgPool1d, P.LPPool2d: L.AvgPool2d, P.LPPool3d: P.AvgPool3d}


def _lp_pool(layer: P._LPPool, place: Place) -> list[Call]:
    mean = MEANS[type(layer)](layer.kernel, layer.stride, ceil_mode=layer.ceil_mode)
    root = call("windows.LPSum", layer.power, int(np.prod(layer.kernel)))
    return [call("windows.Power", power=layer.power), *_avg_pool(mean, place), root]


def _pad(layer: S.Pad, place: Place) -> Call:
    sides = extents.spread(layer.padding, len(place.shape) - 1)
    if layer.mode == "constant" and layer.value == 0:
        return call(f"layers.ZeroPadding{len(sides)}D", _ends(sides))
    return call("windows.Pad", sides, **unless("constant", mode=layer.mode), **unless(0.0, value=layer.value))


def _crop(layer: S.Cropping, place: Place) -> Call:
    sides = extents.spread(layer.amounts, len(place.shape) - 1)
    return call(f"layers.Cropping{len(sides)}D", _ends(sides))


def _ends(sides: Any) -> Any:
    """Return amounts at the ends as Keras has them: of one axis bare, of more a pair each."""
    return sides[0] if len(sides) == 1 else sides


def _upsample(layer: S.Upsample, place: Place) -> Call:
    sizes, made = place.shape[1:], place.step.out_shapes[0][1:]
    whole = all(new % old == 0 for old, new in zip(sizes, made, strict=True))
    if layer.mode == "nearest" and whole and (layer.size or all(scale.is_integer() for scale in layer.scale or ())):
        factors = tuple(new // old for old, new in zip(sizes, made, strict=True))
        return call(f"layers.UpSampling{len(sizes)}D", factors if len(factors) > 1 else factors[0])
    scales = unless(None, scales=layer.scale and extents.spread(layer.scale, len(sizes)))
    corners = unless(False, align_corners=layer.align_corners)
    return call("windows.Resize", size=made, mode=layer.mode, **corners, **scales)


def _columns(layer: Any) -> dict[str, Any]:
    names = {"kernel_size": "kernel", "dilation": "dilation", "padding": "padding", "stride": "stride"}
    return {theirs: getattr(layer, ours) for theirs, ours in names.items()}


def _instance_norm(layer: C._InstanceNorm, place: Place) -> Call:
    if layer.track_running_stats:
        options = {"momentum": 1.0 - layer.momentum, "epsilon": layer.epsilon, "affine": layer.affine}
        return call("windows.InstanceNormalization", **options)
    affine = unless(True, center=layer.affine, scale=layer.affine)
    return call("layers.GroupNormalization", groups=place.shape[0], epsilon=layer.epsilon, **affine)


RULES: dict[type[L.Layer], Rule] = {
    **CONVS,
    **dict.fromkeys((P.MaxPool1d, L.MaxPool2d, P.MaxPool3d), _max_pool),
    **dict.fromkeys((P.AvgPool1d, L.AvgPool2d, P.AvgPool3d), _avg_pool),
    **dict.fromkeys((P.AdaptiveAvgPool1d, L.AdaptiveAvgPool2d, P.AdaptiveAvgPool3d), _adaptive_avg),
    **dict.fromkeys(
        (P.AdaptiveMaxPool1d, P.AdaptiveMaxPool2d, P.AdaptiveMaxPool3d),
        lambda layer, place: call("windows.AdaptiveMaxPool", size=layer.size),
    ),
    **dict.fromkeys((P.LPPool1d, P.LPPool2d, P.LPPool3d), _lp_pool),
    **dict.fromkeys(
        (C.Dropout1d, C.Dropout2d, C.Dropout3d),
        lambda layer, place: call(f"layers.SpatialDropout{layer.spatial}D", layer.rate),
    ),
    **dict.fromkeys((C.InstanceNorm1d, C.InstanceNorm2d, C.InstanceNorm3d), _instance_norm),
    C.LocalResponseNorm: lambda layer, place: call(
        "windows.LocalResponseNorm", layer.size, layer.alpha, layer.beta, layer.k
    ),
    S.Pad: _pad,
    S.Cropping: _crop,
    S.Upsample: _upsample,
    S.PixelShuffle: lambda layer, place: call("windows.PixelShuffle", factor=layer.factor),
    S.PixelUnshuffle: lambda layer, place: call("windows.PixelUnshuffle", factor=layer.factor),
    S.ChannelShuffle: lambda layer, place: call("windows.ChannelShuffle", groups=layer.groups),
    S.Unfold: lambda layer, place: call("windows.Unfold", **_columns(layer)),
    S.Fold: lambda layer, place: call("windows.Fold", output_size=layer.size, **_columns(layer)),
}
