"""Layers of ours that hold each parameter of the spec's under its name and in its shape."""

from typing import Any

import keras
import numpy as np

from dualnet.backends.keras.bridges import Configured
from dualnet.backends.keras.dropout import SharedDropout
from dualnet.backends.keras.layout import Layout

Shapes = dict[str, tuple[int, ...]]


class Held(Configured):
    """A layer with the ``weights`` it is told: names and shapes. ``masks`` is (key, step) of shared draws, if any."""

    def __init__(self, *, weights: Shapes, trainable: bool = True, masks: Any = None, initializers: Any = None,
                 **rest: Any) -> None:  # fmt: skip
        super().__init__(weights=weights, trainable=trainable, **rest)
        self.trainable, self.masks = trainable, masks
        for name, shape in weights.items():
            start = (initializers or {}).get(name, "zeros")
            setattr(self, name, self.add_weight(shape=tuple(shape), initializer=start, name=name))

    def held(self, name: str) -> Any:
        """Return the weight of a name, or None where the layer has none."""
        return getattr(self, name, None)

    def dropout(self, rate: float, shape: tuple[int, ...], number: int = 0) -> Any:
        """Return a dropout of arrays (N, *shape), its masks shared where the layer's are."""
        if self.masks is None:
            return keras.layers.Dropout(rate, dtype=self.dtype_policy)
        key, step = self.masks
        return SharedDropout(rate, key + number, step, Layout(tuple(range(len(shape)))), shape, dtype=self.dtype_policy)


def parallel(x: Any, weight: Any, bias: Any = None) -> Any:
    """Return x Wᵀ + b."""
    made = keras.ops.matmul(x, keras.ops.transpose(weight))
    return made if bias is None else made + bias


def lower_triangle(rows: int, columns: int) -> Any:
    """Return which keys (columns) a query (row) may see."""
    return np.tril(np.ones((rows, columns), bool))
