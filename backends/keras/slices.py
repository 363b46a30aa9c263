"""Slices: which part of a batch the layers of a replica see. Each replica is traced in a thread of its own."""

import threading
from typing import Any

import tensorflow as tf


class Slice(threading.local):
    """The part of the batch that a thread's layers see: all of it, unless a replica says otherwise.

    ``first`` is the place of its first example in the batch, ``rows`` the size of the batch, None outside of a
    replica's step. ``moved`` holds the statistics that the step has moved so far, each with its variable.
    """

    def __init__(self) -> None:
        self.whole()

    def whole(self) -> None:
        """Let layers see whole batches again."""
        self.first: Any = 0
        self.rows: Any = None
        self.moved: dict[int, tuple[Any, Any]] = {}


SLICE = Slice()


def numbers(rows: Any) -> Any:
    """Return the places in the batch of so many examples, uint64."""
    return tf.cast(tf.range(rows) + SLICE.first, tf.uint64)
