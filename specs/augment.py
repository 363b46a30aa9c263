"""Augmentation: how training images are varied in each epoch. ``dualnet.data.augment`` draws it, once for all sides."""

from dataclasses import dataclass

from dualnet.errors import SpecError, did_you_mean
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


# What people type, with the field that "name:number" sets.
NAMES: dict[str, tuple[type[Augmentation], str]] = {
    "flip": (Flip, "chance"),
    "crop": (Crop, "padding"),
    "shift": (Crop, "padding"),
    "rotate": (Rotate, "degrees"),
    "cutout": (Cutout, "size"),
}


def named(text: str) -> Augmentation:
    """Return an augmentation by name, such as "flip" or "crop:4". Raises ``SpecError``."""
    name, _, number = text.partition(":")
    if name not in NAMES:
        hint = did_you_mean(name, NAMES) or f" Known: {', '.join(NAMES)}."
        msg = f"There is no augmentation {name!r}.{hint}"
        raise SpecError(msg)
    kind, field = NAMES[name]
    if not number:
        return kind()
    try:
        value = float(number)
    except ValueError:
        msg = f"Expected {name}:NUMBER, the {field} of {kind.__name__}. Received: {text!r}"
        raise SpecError(msg) from None
    whole = int(value) if value.is_integer() and field in ("padding", "size") else value
    return kind(**{field: whole})
