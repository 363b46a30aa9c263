"""Shared dropout masks: splitmix64 over (seed, layer, step, index), bit-identical in every framework and in NumPy.

u = (z >> 11)·2⁻⁵³ with z the 64-bit mix (Steele et al. 2014); an entry is kept where u ≥ rate.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

GOLDEN, STRIDE = 0x9E3779B97F4A7C15, 0x8CB92BA72F3D8DD7
MIX1, MIX2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
SHIFTS = (30, 27, 31)


def key(seed: int, path: str) -> int:
    """Return the 64-bit key of a layer."""
    return int.from_bytes(hashlib.sha256(f"dropout/{seed}/{path}".encode()).digest()[:8], "little")


def signed(value: int) -> int:
    """Return a 64-bit pattern as a signed integer, for frameworks that have only those."""
    value %= 1 << 64
    return value - (1 << 64) if value >> 63 else value


def uniforms(layer: int, step: int, size: int) -> NDArray[np.float64]:
    """Return the draws of one layer at one step: the NumPy definition that the frameworks are tested against."""
    start = np.uint64((layer + step * STRIDE) % (1 << 64))
    with np.errstate(over="ignore"):
        z = (np.arange(size, dtype=np.uint64) + start) * np.uint64(GOLDEN)
        z = (z ^ (z >> np.uint64(SHIFTS[0]))) * np.uint64(MIX1)
        z = (z ^ (z >> np.uint64(SHIFTS[1]))) * np.uint64(MIX2)
    z = z ^ (z >> np.uint64(SHIFTS[2]))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
