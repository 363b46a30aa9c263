"""Images: resizing, as ATen's op where it has one, else as the sums that TensorFlow takes."""

from collections.abc import Callable
from typing import Any

from dualnet.backends.keras.read.convs import inward, is_last, outward
from dualnet.backends.keras.read.sheet import Sheet
from dualnet.backends.keras.wide import sampling


def resize(s: Sheet, op: Any, x: Any) -> Any:
    """Write ``keras.ops.image.resize`` of images of a known size."""
    x = s.tensor(x)
    single, last = len(x.shape) == 3, is_last(op.data_format)
    x = s("unsqueeze", x, dim=0) if single else x
    x, size = inward(s, x, last), (int(op.size[0]), int(op.size[1]))
    if op.crop_to_aspect_ratio:
        x = _cropped(s, x, size)
    elif op.pad_to_aspect_ratio:
        x = _padded(s, x, size, op.fill_value)
    made = outward(s, _resized(s, x, size, op.interpolation, op.antialias), last)
    return s("squeeze", made, dim=(0,)) if single else made


def _resized(s: Sheet, x: Any, size: tuple[int, int], method: str, antialias: bool) -> Any:
    if method == "bilinear" and not antialias:
        return s("upsample_bilinear2d", x, output_size=size, align_corners=False)
    if method == "nearest":  # TensorFlow's way to places does not mind antialias
        return s("_upsample_nearest_exact2d", x, output_size=size)
    high, wide = (sampling(int(n), wanted, method, antialias) for n, wanted in zip(x.shape[2:], size, strict=True))
    x = s("matmul", s.constant(high.astype(x.dtype), "rows"), other=x)
    return s("matmul", x, other=s.constant(wide.T.astype(x.dtype), "columns"))


def _shaped(x: Any, size: tuple[int, int]) -> tuple[int, int]:
    """Return the height that goes with an image's width at the wanted ratio, and the width with its height."""
    height, width = x.shape[2:]
    return width * size[0] // size[1], height * size[1] // size[0]


def _cropped(s: Sheet, x: Any, size: tuple[int, int]) -> Any:
    for axis, (now, wanted) in enumerate(zip(x.shape[2:], _shaped(x, size), strict=True), 2):
        kept = max(min(now, wanted), 1)
        start = (now - kept) // 2
        x = x if kept == now else s("slice", x, dim=axis, start=start, end=start + kept)
    return x


def _padded(s: Sheet, x: Any, size: tuple[int, int], fill: float) -> Any:
    """Write the margins: as many on both ends, so that an odd one is left out, as in Keras."""
    around = [max(wanted - now, 0) // 2 for now, wanted in zip(x.shape[2:], _shaped(x, size), strict=True)]
    sides = tuple(n for one in reversed(around) for n in (one, one))
    return s("constant_pad_nd", x, pad=sides, value=float(fill)) if any(sides) else x


IMAGES: dict[str, Callable[..., Any]] = {"Resize": resize}
