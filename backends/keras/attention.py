"""Attention: many heads with every size of the spec's and PyTorch's weights; one head with each of Keras's scores."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from dualnet.backends.keras.bridges import register
from dualnet.backends.keras.held import Held, lower_triangle, parallel


def _trio(wires: Any) -> tuple[Any, Any, Any]:
    wires = wires if isinstance(wires, (list, tuple)) else [wires]
    return wires[0], wires[min(1, len(wires) - 1)], wires[-1]


def _shares(scores: Any, causal: bool) -> Any:
    """Return the softmax of (…, Lq, Lk) scores; for ``causal``, of the keys that do not lie behind their query."""
    if causal:
        seen = lower_triangle(*scores.shape[-2:])
        scores = ops.where(seen, scores, ops.full_like(scores, float("-inf")))
    return ops.softmax(scores, axis=-1)


@register
class MultiheadAttention(Held):
    """Σ softmax(q kᵀ / √d) v in each head, joined and projected.

    ``size`` and ``wide`` are those of a head's keys and values, ``groups`` how many heads the keys have, ``lengths``
    those of query and key.
    """

    def __init__(self, heads: int, size: int, wide: int, groups: int, lengths: Sequence[int], *, dropout: float = 0.0,
                 causal: bool = False, **rest: Any) -> None:  # fmt: skip
        own: dict[str, Any] = {"heads": heads, "size": size, "wide": wide, "groups": groups, "lengths": lengths}
        super().__init__(**own, dropout=dropout, causal=causal, **rest)
        self.heads, self.size, self.wide, self.groups, self.causal = heads, size, wide, groups, causal
        self.rows = (heads * size, groups * size, groups * wide)
        self.drop = self.dropout(dropout, (heads, *lengths))

    def call(self, wires: Any, training: bool | None = None) -> Any:
        """Return (N, Lq, out)."""
        q, k, v = (
            self._heads(parallel(wire, weight, bias), width)
            for wire, weight, bias, width in zip(
                _trio(wires), self._weights(), self._biases(), (self.size, self.size, self.wide), strict=True
            )
        )
        scores = ops.matmul(q, ops.swapaxes(k, -2, -1)) / self.size**0.5
        shares = self.drop(_shares(scores, self.causal), training=training)
        joined = ops.transpose(ops.matmul(shares, v), (0, 2, 1, 3))
        joined = ops.reshape(joined, (-1, joined.shape[1], self.heads * self.wide))
        return parallel(joined, self.held("out_proj_weight"), self.held("out_proj_bias"))

    def _weights(self) -> Any:
        if self.held("in_proj_weight") is not None:
            return self._split(self.held("in_proj_weight"))
        return [self.held(f"{name}_proj_weight") for name in "qkv"]

    def _biases(self) -> Any:
        bias = self.held("in_proj_bias")
        return [None] * 3 if bias is None else self._split(bias)

    def _split(self, rows: Any) -> Any:
        return ops.split(rows, np.cumsum(self.rows)[:2].tolist(), axis=0)

    def _heads(self, x: Any, width: int) -> Any:
        """(N, L, heads·width) → (N, heads, L, width), the keys' heads repeated for their groups."""
        x = ops.transpose(ops.reshape(x, (-1, x.shape[1], x.shape[2] // width, width)), (0, 2, 1, 3))
        return x if x.shape[1] == self.heads else ops.repeat(x, self.heads // self.groups, axis=1)


@register
class Attention(Held):
    """Σ softmax(score(q, k)) v."""

    def __init__(self, score: str, lengths: Sequence[int], *, causal: bool = False, dropout: float = 0.0, **rest: Any):
        super().__init__(score=score, lengths=lengths, causal=causal, dropout=dropout, **rest)
        self.score, self.causal = score, causal
        self.drop = self.dropout(dropout, tuple(lengths))

    def call(self, wires: Any, training: bool | None = None) -> Any:
        """Return (N, Lq, size of the value)."""
        q, k, v = _trio(wires)
        return ops.matmul(self.drop(_shares(self._scores(q, k), self.causal), training=training), v)

    def _scores(self, q: Any, k: Any) -> Any:
        scale = 1.0 if self.held("scale") is None else self.held("scale")
        if self.score == "dot":
            return ops.matmul(q, ops.swapaxes(k, -2, -1)) * scale
        sums = ops.expand_dims(q, -2) + ops.expand_dims(k, -3)
        if self.score == "additive":
            return ops.sum(scale * ops.tanh(sums), axis=-1)
        return self.held("concat_weight") * ops.sum(ops.tanh(scale * sums), axis=-1)
