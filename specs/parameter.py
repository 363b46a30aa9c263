"""Parameter: one array of a layer, by the name that it has in its layer."""

from dataclasses import dataclass

from dualnet.specs.initializers import Initializer


@dataclass(frozen=True)
class Parameter:
    """One array of a layer. ``fan_in`` and ``fan_out`` are those of the layer's weight, for its bias too."""

    name: str
    shape: tuple[int, ...]
    initializer: Initializer
    fan_in: int
    fan_out: int
    trainable: bool = True
