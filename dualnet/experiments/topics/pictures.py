"""What the topics on images share: a test image or more, and the verdict on two sides' gap in float64."""

from collections.abc import Mapping

from dualnet.backends.protocol import Array
from dualnet.compare.tolerance import SAME
from dualnet.data import load_dataset, to_float
from dualnet.experiments.statistics import relative_gap
from dualnet.run.feed import resized

SET = "fashion_mnist"


def images(count: int, first: int = 0) -> tuple[Array, str]:
    """Return some test images of Fashion-MNIST as float64 (count, 1, 28, 28) from 0 to 1, and where they are from."""
    dataset = load_dataset(SET)
    taken = resized(dataset.test_images[first : first + count], (1, 28, 28))
    return to_float(taken, dataset.levels), dataset.source


def agreement(sides: Mapping[str, Array]) -> tuple[float, str]:
    """Return the largest gap of two sides over the largest value, and the verdict; NaN and "" for one side."""
    if len(sides) != 2:
        return float("nan"), ""
    gap = relative_gap(*sides.values())
    return gap, "equal" if gap < SAME else "divergent"
