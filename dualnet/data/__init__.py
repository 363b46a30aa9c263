"""Images and labels: found, checked, divided and put in order, as NumPy arrays."""

from dualnet.data.augment import augmented
from dualnet.data.batches import batches, epoch_order, permutation, stacked
from dualnet.data.datasets import Dataset, load_dataset
from dualnet.data.places import Place, find
from dualnet.data.split import Split, split
from dualnet.data.transforms import mean_std, normalise, to_float

__all__ = [
    "Dataset",
    "Place",
    "Split",
    "augmented",
    "batches",
    "epoch_order",
    "find",
    "load_dataset",
    "mean_std",
    "normalise",
    "permutation",
    "split",
    "stacked",
    "to_float",
]
