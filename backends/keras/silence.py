"""Silence: TensorFlow's libraries greet on the error stream when they load; Python's own errors still come through."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def start() -> Iterator[None]:
    """Let what is written below Python go nowhere, for a while."""
    try:
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # a process without an error stream
        yield
        return
    sys.stderr.flush()
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
