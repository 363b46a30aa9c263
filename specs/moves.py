"""Moves: values that stay as they are, in another order or shape, which is that of the spec on every backend."""

from dataclasses import dataclass

from dualnet.errors import SpecError
from dualnet.specs.kinds import Axis, Dims, Shape, Size
from dualnet.specs.layers import Layer


@dataclass(frozen=True)
class Permute(Layer):
    """The axes in another order: dim i + 1 of the output is dim ``dims``[i] of the input, N being dim 0."""

    dims: Shape

    def __post_init__(self) -> None:
        super().__post_init__()
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            msg = f"{self.place()}: dims must hold each of 1 … {len(self.dims)} once. Received: {list(self.dims)}"
            raise SpecError(msg)


@dataclass(frozen=True)
class RepeatVector(Layer):
    """(N, F) → (N, times, F), the same row each time (Keras)."""

    times: Size


@dataclass(frozen=True)
class Unflatten(Layer):
    """Dim ``dim`` split into ``sizes``, one of which may be -1."""

    dim: Axis
    sizes: Dims
