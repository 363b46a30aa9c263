"""Thinning: of a curve of thousands of points, those that a screen can show, spikes and gaps among them."""

from collections.abc import Sequence

import numpy as np

POINTS = 600


def thin(values: Sequence[float], limit: int = POINTS) -> list[int]:
    """Return the places to keep, in order: both ends, and of each bucket the least, the largest and a gap."""
    if len(values) <= limit:
        return list(range(len(values)))
    array = np.array(values, dtype=float)
    kept = {0, len(array) - 1}
    for bucket in np.array_split(np.arange(len(array)), (limit - 2) // 2):
        part = array[bucket]
        told = np.isfinite(part)
        kept |= {int(bucket[np.argmin(told)])} if not told.all() else set()
        if told.any():
            kept |= {
                int(bucket[np.where(told, part, np.inf).argmin()]),
                int(bucket[np.where(told, part, -np.inf).argmax()]),
            }
    return sorted(kept)


def spread(count: int, most: int) -> list[int]:
    """Return places from first to last, evenly apart, no more than ``most``."""
    return sorted({round(at) for at in np.linspace(0, count - 1, min(count, most))}) if count else []
