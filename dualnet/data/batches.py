"""The order of training examples: the same on every machine, for every framework and NumPy version.

NumPy promises the raw words of a bit generator for ever, but not ``Generator.permutation``: so an order is here the
stable argsort of raw Philox words, keyed by the SHA-256 of the words that name it.
"""

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def permutation(n: int, name: str) -> NDArray[np.int64]:
    """Return the permutation of ``range(n)`` called ``name``."""
    digest = hashlib.sha256(name.encode()).digest()
    words = np.random.Philox(key=int.from_bytes(digest[:16], "little")).random_raw(n)
    return np.argsort(words, kind="stable").astype(np.int64)


def epoch_order(n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order of ``n`` examples in one epoch, int64 of shape (n,)."""
    return permutation(n, f"order/{seed}/{epoch}")


def batches(order: NDArray[np.int64], batch_size: int, *, drop_last: bool = False) -> Iterator[NDArray[np.int64]]:
    """Yield ``order`` in pieces of ``batch_size``; the last may be shorter, unless ``drop_last``.

    Raises ValueError for a batch size below one.
    """
    full, remainder = stacked(order, batch_size)
    yield from full
    if len(remainder) and not drop_last:
        yield remainder


def stacked(order: NDArray[np.int64], batch_size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all full batches, of shape (steps, batch_size), and the remainder, shorter than a batch.

    Raises ValueError for a batch size below one.
    """
    if batch_size < 1:
        msg = f"Expected a batch size of at least 1. Received: {batch_size}."
        raise ValueError(msg)
    steps = len(order) // batch_size
    return order[: steps * batch_size].reshape(steps, batch_size), order[steps * batch_size :]
