"""Embeddings with a row that does not learn, and bags of them."""

from typing import Any

import keras
from keras import ops

from dualnet.backends.keras.bridges import register


@register
class PaddedEmbedding(keras.layers.Embedding):
    """Embedding whose row ``padding`` has no gradient."""

    def __init__(self, input_dim: int, output_dim: int, padding: int, **rest: Any) -> None:
        super().__init__(input_dim, output_dim, **rest)
        self.padding = padding

    def call(self, inputs: Any) -> Any:
        """Return the rows."""
        rows = super().call(inputs)
        return ops.where(ops.expand_dims(inputs == self.padding, -1), ops.stop_gradient(rows), rows)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "padding": self.padding}


@register
class EmbeddingBag(keras.layers.Embedding):
    """The sum, mean or maximum of rows; of those whose number is not ``padding``, and 0 of none."""

    def __init__(self, input_dim: int, output_dim: int, mode: str = "mean", padding: int | None = None, **rest: Any):
        super().__init__(input_dim, output_dim, **rest)
        self.mode, self.padding = mode, padding

    def call(self, inputs: Any) -> Any:
        """Return (N, output_dim)."""
        rows = super().call(inputs)
        counts = ops.ones_like(inputs) if self.padding is None else inputs != self.padding
        kept = ops.expand_dims(ops.cast(counts, rows.dtype), -1)
        number = ops.sum(kept, axis=1)
        if self.mode == "max":
            # What is left out lies below all else; where nothing is left, the maximum is 0.
            low = ops.full_like(rows, float("-inf"))
            most = ops.max(ops.where(kept > 0, rows, low), axis=1)
            return ops.where(number > 0, most, ops.zeros_like(most))
        total = ops.sum(rows * kept, axis=1)
        return total if self.mode == "sum" else total / ops.maximum(number, ops.ones_like(number))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return (N, output_dim)."""
        return (*input_shape[:-1], self.output_dim)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "mode": self.mode, "padding": self.padding}
