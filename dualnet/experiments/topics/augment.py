"""Augmentation: the images that both sides train on, drawn once and given to both."""

from typing import Any

import numpy as np

from dualnet.data import augmented
from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.forecast import announcement
from dualnet.experiments.topics.pictures import images
from dualnet.report.exhibits import Pictures, Table, picture
from dualnet.report.result import Result
from dualnet.specs.augment import Augmentation, Crop, Cutout, Flip, Rotate

KINDS: dict[str, tuple[Augmentation, ...]] = {
    "as published": (),
    "flip": (Flip(),),
    "crop:4": (Crop(4),),
    "rotate:20": (Rotate(20.0),),
    "cutout:8": (Cutout(8),),
    "all four": (Flip(), Crop(4), Rotate(20.0), Cutout(8)),
}
SHOWN, MEASURED = 8, 1000


def augment(*, bench: Bench = HERE, **_: Any) -> Result:
    """Show each augmentation on some images, and what it does to the pixels' mean and standard deviation."""
    bench.say(announcement(f"{len(KINDS)} augmentations of {MEASURED:,} images", 0.0, start=0.0))
    plain, source = images(MEASURED)
    cells, rows = [], []
    for name, how in KINDS.items():
        varied = augmented(plain, how, bench.seed, 0)
        changed = float((np.abs(varied - plain).max(axis=(1, 2, 3)) > 0).mean())
        cells.append(tuple(picture(image[0]) for image in varied[:SHOWN]))
        rows.append((name, f"{varied.mean():.4f}", f"{varied.std():.4f}", f"{100 * changed:.1f}"))
    note = "for training, normalise with the mean and standard deviation of the images as published"
    heads = ("augmentation", "mean", "std", "images changed, %")
    grid = Pictures("Augmented images", tuple(KINDS), tuple(f"{at}" for at in range(SHOWN)), tuple(cells))
    says = ["each image is drawn once in NumPy and given to both frameworks: there is nothing that could differ"]
    data = {row[0]: {"mean": float(row[1]), "std": float(row[2])} for row in rows}
    table = Table("What augmentation does to pixels", heads, tuple(rows), note)
    return Result("blocks_augment", "Augmentation on the shared generator", says, [table, grid], data, "", source)
