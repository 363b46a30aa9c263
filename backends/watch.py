"""Watching: every call of a layer in one pass of a live model: what it read and gave, its gradient, its settings."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dualnet.backends.draws import Array


@dataclass
class Seen:
    """One call of a layer. Arrays lie as the layer itself holds them.

    ``kind`` and ``settings`` are in the common terms of ``backends/*/kinds.py``; ``weights`` are the names of its
    own weights by role, PyTorch's word for it. ``slopes`` are the gradients of the pass's objective by ``outputs``, or
    None where there is none. ``inner`` says that other layers were called in it; ``before`` is the padding layer that
    this one was joined with, if any.
    """

    path: str
    kind: str
    settings: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    inputs: list[Array] = field(default_factory=list)
    outputs: list[Array] = field(default_factory=list)
    slopes: list[Array | None] = field(default_factory=list)
    inner: bool = False
    before: str = ""


@dataclass
class Calls:
    """The calls of a pass while it is made, in the order in which they end, and the tensors that they gave."""

    array: Callable[[Any], Array]
    seen: list[Seen] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)
    owners: list[tuple[int, int]] = field(default_factory=list)
    kept: dict[Any, Array] = field(default_factory=dict)

    def keep(self, tensor: Any) -> Array:
        """Return a tensor as an array, the kept one if there is its like: most read what another gave."""
        found = self.array(tensor)
        if found.dtype.kind == "O":  # text, which has no bytes of its own
            return found
        flat: Any = np.ascontiguousarray(found).reshape(-1).view(np.uint8)
        mark = hashlib.blake2b(flat, digest_size=16).digest()
        return self.kept.setdefault((found.shape, found.dtype, mark), found)

    def enter(self, seen: Seen, inputs: Iterator[Any], outputs: Iterator[Any], floats: Callable[[Any], bool]) -> None:
        """Add a call that has ended; ``floats`` says which of its outputs can have a gradient."""
        seen.inputs = [self.keep(each) for each in inputs]
        for each in outputs:
            if floats(each):
                self.tensors.append(each)
                self.owners.append((len(self.seen), len(seen.outputs)))
            seen.outputs.append(self.keep(each))
        seen.slopes = [None] * len(seen.outputs)
        self.seen.append(seen)

    def told(self, found: list[Any]) -> list[Seen]:
        """Return the calls with the gradients of ``tensors``, in their order."""
        for (call, index), slope in zip(self.owners, found, strict=False):
            self.seen[call].slopes[index] = None if slope is None else self.keep(slope)
        return self.seen
