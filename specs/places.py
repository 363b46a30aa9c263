"""The shapes that spatial layers give back; the formulas stand in ``dualnet.specs.extents``."""

import math
from collections.abc import Callable
from typing import Any

from dualnet.specs import channels as C
from dualnet.specs import convs as V
from dualnet.specs import extents
from dualnet.specs import layers as L
from dualnet.specs import pools as P
from dualnet.specs import spatial as S

Shape = tuple[int, ...]
WORDS = {1: "signals [C, L]", 2: "images [C, H, W]", 3: "volumes [C, D, H, W]"}


def places(layer: Any, shape: Shape) -> Shape:
    """Return the sizes of the axes behind the channels. ``ValueError`` refuses another number of them."""
    axes, fits = layer.spatial, len(shape) - 1
    if not (axes == fits if axes else 1 <= fits <= 3):
        msg = f"it takes {WORDS[axes] if axes else 'channels and one to three axes of places'}."
        raise ValueError(msg)
    return shape[1:]


def divides(groups: int, channels: int, what: str) -> None:
    """Refuse groups that do not divide channels."""
    if channels % groups:
        msg = f"groups={groups} does not divide the {channels} {what}."
        raise ValueError(msg)


def room(mode: str, sizes: Shape, sides: Any) -> None:
    """Refuse padding by more than there is to mirror or to go round."""
    most = {"reflect": 1, "circular": 0}
    for size, ends in zip(sizes, sides, strict=True):
        if mode in most and max(ends) > size - most[mode]:
            msg = f"{mode!r} pads an axis of {size} places by at most {size - most[mode]} and not by {max(ends)}."
            raise ValueError(msg)


def _conv(layer: L._Conv, shape: Shape) -> Shape:
    sizes, channels = places(layer, shape), shape[0]
    divides(layer.groups, channels, "input channels")
    divides(layer.groups, layer.channels, "output channels")
    if layer.fans == "depthwise" and layer.groups != channels:
        msg = f"fans='depthwise' is for a group for each of the {channels} channels, and groups={layer.groups}."
        raise ValueError(msg)
    sides = extents.conv_sides(layer, sizes)
    room(layer.padding_mode, sizes, sides)
    padded = zip(sizes, layer.kernel, layer.stride, layer.dilation, sides, strict=True)
    return (layer.channels, *((size + sum(ends) - d * (k - 1) - 1) // s + 1 for size, k, s, d, ends in padded))


def _transposed(layer: V._ConvTranspose, shape: Shape) -> Shape:
    sizes = places(layer, shape)
    divides(layer.groups, shape[0], "input channels")
    divides(layer.groups, layer.channels, "output channels")
    made = [left for _, left in extents.transposed(layer, sizes)]
    for size, stride, left in zip(sizes, layer.stride, made, strict=True):
        if layer.padding == "same" and -(-left // stride) != size:
            msg = f"{left} places at stride {stride} are no {size}: 'same' fits no output_padding here but the default."
            raise ValueError(msg)
    return (layer.channels, *made)


def _pool(layer: Any, shape: Shape) -> Shape:
    sizes = places(layer, shape)
    padding = getattr(layer, "padding", "same")
    for kernel, amount in zip(layer.kernel, () if padding == "same" else padding, strict=False):
        if amount > kernel // 2:
            msg = f"padding {amount} is more than half of the kernel {kernel}."
            raise ValueError(msg)
    if (
        isinstance(layer, P.AvgPool3d)
        and padding != "same"
        and any(k > n for k, n in zip(layer.kernel, sizes, strict=True))
    ):
        msg = f"its kernel {list(layer.kernel)} is larger than what it reads, which PyTorch refuses of a volume."
        raise ValueError(msg)
    dilation = getattr(layer, "dilation", (1,) * len(sizes))
    sides = extents.pool_sides(layer, sizes)
    rule = zip(sizes, layer.kernel, layer.stride or layer.kernel, dilation, sides, strict=True)
    return (shape[0], *((size + sum(ends) - d * (k - 1) - 1) // s + 1 for size, k, s, d, ends in rule))


def _adaptive(layer: L._Adaptive, shape: Shape) -> Shape:
    places(layer, shape)
    return (shape[0], *layer.size)


def _pad(layer: S.Pad, shape: Shape) -> Shape:
    sizes = places(layer, shape)
    sides = extents.spread(layer.padding, len(sizes))
    room(layer.mode, sizes, sides)
    return (shape[0], *(size + sum(ends) for size, ends in zip(sizes, sides, strict=True)))


def _crop(layer: S.Cropping, shape: Shape) -> Shape:
    sizes = places(layer, shape)
    amounts = extents.spread(layer.amounts, len(sizes))
    return (shape[0], *(size - sum(ends) for size, ends in zip(sizes, amounts, strict=True)))


def _upsample(layer: S.Upsample, shape: Shape) -> Shape:
    sizes = places(layer, shape)
    if layer.mode == "cubic" and len(sizes) != 2:
        msg = "mode 'cubic' is for images [C, H, W]."
        raise ValueError(msg)
    return (shape[0], *extents.resized(layer, sizes))


def _shuffle(layer: S.PixelShuffle, shape: Shape) -> Shape:
    height, width = places(layer, shape)
    area = layer.factor**2
    if shape[0] % area:
        msg = f"factor²={area} does not divide the {shape[0]} channels."
        raise ValueError(msg)
    return shape[0] // area, height * layer.factor, width * layer.factor


def _unshuffle(layer: S.PixelUnshuffle, shape: Shape) -> Shape:
    height, width = places(layer, shape)
    if height % layer.factor or width % layer.factor:
        msg = f"factor={layer.factor} does not divide the {height} x {width} places."
        raise ValueError(msg)
    return shape[0] * layer.factor**2, height // layer.factor, width // layer.factor


def _dealt(layer: S.ChannelShuffle, shape: Shape) -> Shape:
    places(layer, shape)
    divides(layer.groups, shape[0], "channels")
    return shape


def _unfold(layer: S.Unfold, shape: Shape) -> Shape:
    sizes = places(layer, shape)
    return shape[0] * math.prod(layer.kernel), extents.windows(layer, sizes)


def _fold(layer: S.Fold, shape: Shape) -> Shape:
    area, count = math.prod(layer.kernel), extents.windows(layer, layer.size)
    if len(shape) != 2 or shape[0] % area or shape[1] != count:
        msg = f"it takes columns [C·{area}, {count}]: {count} windows of {area} places."
        raise ValueError(msg)
    return shape[0] // area, *layer.size


def _kept(layer: Any, shape: Shape) -> Shape:
    places(layer, shape)
    return shape


def _instance(layer: C._InstanceNorm, shape: Shape) -> Shape:
    if math.prod(places(layer, shape)) < 2:
        msg = "one place has no variance; it takes two or more."
        raise ValueError(msg)
    return shape


RULES: dict[type[L.Layer], Callable[..., Any]] = {
    **dict.fromkeys((V.Conv1d, L.Conv2d, V.Conv3d), _conv),
    **dict.fromkeys((V.ConvTranspose1d, V.ConvTranspose2d, V.ConvTranspose3d), _transposed),
    **dict.fromkeys((P.MaxPool1d, L.MaxPool2d, P.MaxPool3d, P.AvgPool1d, L.AvgPool2d, P.AvgPool3d), _pool),
    **dict.fromkeys((P.LPPool1d, P.LPPool2d, P.LPPool3d), _pool),
    **dict.fromkeys((P.AdaptiveAvgPool1d, L.AdaptiveAvgPool2d, P.AdaptiveAvgPool3d), _adaptive),
    **dict.fromkeys((P.AdaptiveMaxPool1d, P.AdaptiveMaxPool2d, P.AdaptiveMaxPool3d), _adaptive),
    **dict.fromkeys((C.Dropout1d, C.Dropout2d, C.Dropout3d, C.LocalResponseNorm), _kept),
    **dict.fromkeys((C.InstanceNorm1d, C.InstanceNorm2d, C.InstanceNorm3d), _instance),
    S.Pad: _pad,
    S.Cropping: _crop,
    S.Upsample: _upsample,
    S.PixelShuffle: _shuffle,
    S.PixelUnshuffle: _unshuffle,
    S.ChannelShuffle: _dealt,
    S.Unfold: _unfold,
    S.Fold: _fold,
}
