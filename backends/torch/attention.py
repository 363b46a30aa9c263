"""Attention: many heads with every size of the spec's, under the names of ``nn.MultiheadAttention``; and one head."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dualnet.backends.torch.dropout import SharedDropout


def _drop(rate: float, key: int | None) -> nn.Module:
    return nn.Dropout(rate) if key is None else SharedDropout(rate, key)


def _trio(wires: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
    return wires[0], wires[min(1, len(wires) - 1)], wires[-1]


def _causal(scores: Tensor) -> Tensor:
    """Return (…, Lq, Lk) scores with minus infinity where a key lies behind its query."""
    seen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    return scores.masked_fill(~seen, float("-inf"))


class MultiheadAttention(nn.Module):
    """Σ softmax(q kᵀ / √d) v in each head, joined and projected; ``key`` shares the masks of its dropout.

    ``reads`` are the sizes of query, key and value; ``size`` and ``wide`` those of a head's keys and values.
    """

    def __init__(self, heads: int, reads: tuple[int, int, int], size: int, wide: int, groups: int, out: int,
                 *, fused: bool = True, bias: bool = True, dropout: float = 0.0, causal: bool = False,
                 key: int | None = None) -> None:  # fmt: skip
        super().__init__()
        self.heads, self.size, self.wide, self.groups, self.causal = heads, size, wide, groups, causal
        self.rows = (heads * size, groups * size, groups * wide)
        self.fused = fused
        if fused:
            self.in_proj_weight = nn.Parameter(torch.empty(sum(self.rows), reads[0]))
        else:
            for name, rows, read in zip("qkv", self.rows, reads, strict=True):
                self.register_parameter(f"{name}_proj_weight", nn.Parameter(torch.empty(rows, read)))
        self.in_proj_bias = nn.Parameter(torch.empty(sum(self.rows))) if bias else None
        self.out_proj = nn.Linear(heads * wide, out, bias=bias)
        self.drop = _drop(dropout, key)

    @property
    def out_proj_weight(self) -> Tensor:
        """The last projection's weight."""
        return self.out_proj.weight

    @property
    def out_proj_bias(self) -> Tensor | None:
        """The last projection's bias."""
        return self.out_proj.bias

    def forward(self, *wires: Tensor) -> Tensor:
        """Return (N, Lq, out)."""
        q, k, v = (
            self._heads(F.linear(wire, weight, bias), width)
            for wire, weight, bias, width in zip(
                _trio(wires), self._weights(), self._biases(), (self.size, self.size, self.wide), strict=True
            )
        )
        made: Tensor = self.out_proj(self._attended(q, k, v).transpose(1, 2).flatten(2))
        return made

    def _attended(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return (N, heads, Lq, wide). Torch's own kernel is the faster one without gradients, and the slower with."""
        if not (self.training or torch.is_grad_enabled()):
            return F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        scores = q @ k.transpose(-2, -1) / self.size**0.5
        shares = self.drop(torch.softmax(_causal(scores) if self.causal else scores, -1))
        return shares @ v

    def _weights(self) -> tuple[Tensor, ...]:
        if self.fused:
            return tuple(torch.split(self.in_proj_weight, list(self.rows)))
        return tuple(getattr(self, f"{name}_proj_weight") for name in "qkv")

    def _biases(self) -> tuple[Tensor | None, ...]:
        return (None,) * 3 if self.in_proj_bias is None else tuple(torch.split(self.in_proj_bias, list(self.rows)))

    def _heads(self, x: Tensor, width: int) -> Tensor:
        """(N, L, heads·width) → (N, heads, L, width), the keys' heads repeated for their groups."""
        x = x.unflatten(-1, (-1, width)).transpose(1, 2)
        return x if x.shape[1] == self.heads else x.repeat_interleave(self.heads // self.groups, 1)


class Attention(nn.Module):
    """Σ softmax(score(q, k)) v; ``key`` shares the masks of its dropout."""

    def __init__(self, score: str, features: int, *, scaled: bool = False, causal: bool = False, dropout: float = 0.0,
                 key: int | None = None) -> None:  # fmt: skip
        super().__init__()
        self.score, self.causal = score, causal
        self.scale = nn.Parameter(torch.ones(features if score == "additive" else 1)) if scaled else None
        self.concat_weight = nn.Parameter(torch.ones(1)) if score == "concat" else None
        self.drop = _drop(dropout, key)

    def forward(self, *wires: Tensor) -> Tensor:
        """Return (N, Lq, size of the value)."""
        q, k, v = _trio(wires)
        scores = self._scores(q, k)
        made: Tensor = self.drop(torch.softmax(_causal(scores) if self.causal else scores, -1)) @ v
        return made

    def _scores(self, q: Tensor, k: Tensor) -> Tensor:
        scale = 1.0 if self.scale is None else self.scale
        if self.score == "dot":
            return q @ k.transpose(-2, -1) * scale
        sums = q.unsqueeze(-2) + k.unsqueeze(-3)
        if self.score == "additive":
            return (scale * torch.tanh(sums)).sum(-1)
        return self.concat_weight * torch.tanh(scale * sums).sum(-1)
