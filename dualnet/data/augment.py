"""Augmentation of training images, drawn in NumPy: every framework gets the same bits.

Image i of epoch e under augmentation k takes its random numbers from the Philox stream that (seed, e, k) names, at
place i: so an image does not depend on batch sizes, nor on which part of the set is asked for.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualnet.specs import augment as A
from dualnet.specs.draw import uniform

Images = NDArray[np.float64]
BLOCK = 4096  # images turned at a time, so that a whole set needs no hundred megabytes more


def augmented(images: Images, how: Sequence[A.Augmentation], seed: int, epoch: int) -> Images:
    """Return images (N, C, H, W) varied by each augmentation in turn; black is 0. The images given stay as they are."""
    for index, each in enumerate(how):
        draws = uniform(3 * len(images), "augment", seed, epoch, index).reshape(len(images), 3)
        images = RULES[type(each)](each, images, draws)
    return images


def _flip(how: A.Flip, images: Images, draws: Images) -> Images:
    return np.where(draws[:, :1, None, None] < how.chance, images[..., ::-1], images)


def _crop(how: A.Crop, images: Images, draws: Images) -> Images:
    reach, (height, width) = how.padding, images.shape[2:]
    framed = np.pad(images, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    top, left = (np.floor(draws[:, k] * (2 * reach + 1)).astype(np.int64) for k in (0, 1))
    windows = np.lib.stride_tricks.sliding_window_view(framed, (height, width), axis=(2, 3))
    return np.ascontiguousarray(windows[np.arange(len(images)), :, top, left])


def _cutout(how: A.Cutout, images: Images, draws: Images) -> Images:
    height, width = images.shape[2:]
    first = (np.floor(draws[:, k] * size) - how.size // 2 for k, size in ((0, height), (1, width)))
    top, left = (each[:, None] for each in first)
    rows, columns = np.arange(height), np.arange(width)
    inside = ((rows >= top) & (rows < top + how.size))[:, :, None]
    inside = inside & ((columns >= left) & (columns < left + how.size))[:, None, :]
    return np.where(inside[:, None], 0.0, images)


def _rotate(how: A.Rotate, images: Images, draws: Images) -> Images:
    angles = np.deg2rad((2.0 * draws[:, 0] - 1.0) * how.degrees)
    pieces = [_turned(images[at : at + BLOCK], angles[at : at + BLOCK]) for at in range(0, len(images), BLOCK)]
    return np.concatenate(pieces)


def _turned(images: Images, angles: Images) -> Images:
    """Return images turned about their centre: each new pixel interpolates the four old ones around where it was."""
    height, width = images.shape[2:]
    y, x = np.meshgrid(np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2, indexing="ij")
    cos, sin = (each[:, None, None] for each in (np.cos(angles), np.sin(angles)))
    rows = cos * y + sin * x + (height - 1) / 2
    columns = cos * x - sin * y + (width - 1) / 2
    framed = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    above, before = np.floor(rows), np.floor(columns)
    down, right = (rows - above)[:, None], (columns - before)[:, None]

    def at(row: Any, column: Any) -> Images:
        """Return the pixels at whole places; those outside are black, which the frame holds."""
        i = np.clip(row + 1, 0, height + 1).astype(np.int64)
        j = np.clip(column + 1, 0, width + 1).astype(np.int64)
        found: Images = np.moveaxis(framed[np.arange(len(images))[:, None, None], :, i, j], -1, 1)
        return found

    upper = at(above, before) * (1 - right) + at(above, before + 1) * right
    lower = at(above + 1, before) * (1 - right) + at(above + 1, before + 1) * right
    made: Images = upper * (1 - down) + lower * down
    return made


RULES: dict[type[A.Augmentation], Callable[[Any, Images, Images], Images]] = {
    A.Flip: _flip,
    A.Crop: _crop,
    A.Rotate: _rotate,
    A.Cutout: _cutout,
}
