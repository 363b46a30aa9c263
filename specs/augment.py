"""Augmentation: how training images are varied in each epoch. ``dualnet.data.augment`` draws it, once for all sides."""

from dataclasses import dataclass

from dualnet.specs.kinds import Positive, Share, Size
from dualnet.specs.node import Node


@dataclass(frozen=True)
class Augmentation(Node, family=True):
    """Base of all augmentations. Each draws anew for every image and epoch; pixels that come in are black."""


@dataclass(frozen=True)
class Flip(Augmentation):
    """Left and right swapped, with probability ``chance``."""

    chance: Share = 0.5


@dataclass(frozen=True)
class Crop(Augmentation):
    """``padding`` black pixels around, and a window of the old size cut from anywhere: a shift by up to so many."""

    padding: Size = 2


@dataclass(frozen=True)
class Rotate(Augmentation):
    """A turn about the centre by U(-degrees, degrees), pixels in between interpolated bilinearly."""

    degrees: Positive = 15.0


@dataclass(frozen=True)
class Cutout(Augmentation):
    """A black square of ``size`` pixels about a random pixel, cut off at the border (DeVries & Taylor 2017)."""

    size: Size = 8
