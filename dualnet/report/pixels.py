"""Pictures as small PNG files in text: few shades, no larger than a page shows them."""

import base64
import io

import numpy as np
from numpy.typing import NDArray

from dualnet.report.exhibits import Picture
from dualnet.report.look import SCALES

LARGEST = 112  # pixels of a side; what is larger is averaged down
SHADES = 63  # more than an eye tells apart, a quarter of the bytes of 256, and odd: zero lies on the middle one


def rectangle(rows: tuple[tuple[float, ...], ...]) -> NDArray[np.float64]:
    """Return rows of numbers as an array (H, W), NaN where a row is too short."""
    wide = max((len(row) for row in rows), default=0)
    return np.array([[*row, *[np.nan] * (wide - len(row))] for row in rows], dtype=float).reshape(len(rows), wide)


def levels(picture: Picture) -> NDArray[np.uint8]:
    """Return a picture's places (H, W) on its colour scale, from 0 to 255. What is no number counts as zero."""
    pixels = np.nan_to_num(rectangle(picture.pixels), nan=0.0, posinf=np.inf, neginf=-np.inf)
    finite = np.abs(pixels[np.isfinite(pixels)])
    top = max(finite.max(initial=0.0), np.finfo(float).tiny)
    shares = np.clip(pixels / top, -1.0, 1.0)
    found: NDArray[np.uint8] = np.round(
        255 * ((shares + 1) / 2 if picture.scale == "signed" else np.maximum(shares, 0))
    ).astype(np.uint8)
    return found


def address(picture: Picture) -> str:
    """Return a picture as the data address of a PNG, "" for one without pixels."""
    from PIL import Image

    found = levels(picture)
    if not found.size:
        return ""
    image = Image.fromarray(found)
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
    shades = np.round(np.asarray(image) * ((SHADES - 1) / 255)).astype(np.uint8)
    made = Image.fromarray(shades)
    made.putpalette(palette(picture.scale))
    file = io.BytesIO()
    made.save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def palette(scale: str) -> bytes:
    """Return red, green and blue of each shade of a colour scale."""
    anchors = [[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in SCALES.get(scale, SCALES["grey"])]
    at = np.linspace(0, len(anchors) - 1, SHADES)
    mixed = [np.interp(at, range(len(anchors)), [anchor[part] for anchor in anchors]) for part in range(3)]
    return np.round(np.stack(mixed, axis=1)).astype(np.uint8).tobytes()
