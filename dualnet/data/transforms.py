"""From pixels to numbers, in float64: who needs less casts last, so that both frameworks round the same values."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_float(images: NDArray[Any], levels: int) -> NDArray[np.float64]:
    """Return ``images`` (any shape, integers from 0 to ``levels``) as float64 between 0 and 1.

    Raises ValueError for pixels beyond ``levels``.
    """
    if images.size and (images.min() < 0 or images.max() > levels):
        msg = (
            f"Expected pixels from 0 to {levels}. Received: {images.min()} to {images.max()}. Pass the set's `levels`."
        )
        raise ValueError(msg)
    return images.astype(np.float64) / levels


def mean_std(images: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean and the population standard deviation over all pixels."""
    return float(images.mean(dtype=np.float64)), float(images.std(dtype=np.float64))


def normalise(images: NDArray[np.float64], mean: float, std: float) -> NDArray[np.float64]:
    """Return ``(images - mean) / std``, of the same shape; raise ValueError unless ``std`` is above zero."""
    if not std > 0:
        msg = f"Expected a standard deviation above 0. Received: std={std}. Are all pixels the same?"
        raise ValueError(msg)
    return (images - mean) / std
