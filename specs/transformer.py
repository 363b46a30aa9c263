"""Transformer layers: blocks of spec layers, under the names of ``torch.nn``'s (Vaswani et al. 2017).

``norm_first`` normalises what each part reads (Xiong et al. 2020), else what it and its input sum to. Sequences are
(L, features); a stack is ``Sequential`` of several.
"""

from dataclasses import replace

from dualnet.specs.attention import MultiheadAttention
from dualnet.specs.layers import Add, Block, Dropout, Layer, LayerNorm, Linear, ReLU


def TransformerEncoderLayer(
    features: int, heads: int, feedforward: int = 2048, dropout: float = 0.1, activation: Layer | None = None,
    *, norm_first: bool = False, epsilon: float = 1e-5, causal: bool = False, name: str = "",
) -> Block:  # fmt: skip
    """Return a block of self-attention and of a network of two Linear layers, each with a way around it."""
    attend = MultiheadAttention(heads, dropout=dropout, causal=causal, name="self_attn")
    first = _part(1, "input", [attend], dropout, norm_first, epsilon)
    network = _network(features, feedforward, dropout, activation)
    second = _part(2, first[-1].name, network, dropout, norm_first, epsilon)
    return Block((*first, *second), name=name)


def TransformerDecoderLayer(
    features: int, heads: int, feedforward: int = 2048, dropout: float = 0.1, activation: Layer | None = None,
    *, norm_first: bool = False, epsilon: float = 1e-5, causal: bool = True, name: str = "",
    inputs: tuple[str, str] = ("target", "memory"),
) -> Block:  # fmt: skip
    """Return a block that reads a target and a memory: self-attention, attention to the memory, and a network."""
    attend = MultiheadAttention(heads, dropout=dropout, causal=causal, name="self_attn")
    first = _part(1, "target", [attend], dropout, norm_first, epsilon)
    look = MultiheadAttention(heads, dropout=dropout, name="multihead_attn", inputs=("", "memory"))
    second = _part(2, first[-1].name, [look], dropout, norm_first, epsilon)
    network = _network(features, feedforward, dropout, activation)
    third = _part(3, second[-1].name, network, dropout, norm_first, epsilon)
    return Block((*first, *second, *third), ports=("target", "memory"), name=name, inputs=inputs)


def _network(features: int, feedforward: int, dropout: float, activation: Layer | None) -> list[Layer]:
    active = replace(activation or ReLU(), name="activation")
    wide = Linear(feedforward, name="linear1"), active, Dropout(dropout, name="dropout")
    return [*wide, Linear(features, name="linear2")]


def _part(number: int, reads: str, body: list[Layer], dropout: float, norm_first: bool, epsilon: float) -> list[Layer]:
    """Return the layers of one part with the way around it; ``reads`` is the wire that comes in."""
    norm, drop = LayerNorm(epsilon=epsilon, name=f"norm{number}"), Dropout(dropout, name=f"dropout{number}")
    total = Add(name=f"sum{number}", inputs=(reads, drop.name))
    start = norm.name if norm_first else reads
    first = replace(body[0], inputs=(start, *body[0].inputs[1:]))
    if norm_first:
        return [replace(norm, inputs=(reads,)), first, *body[1:], drop, total]
    return [first, *body[1:], drop, total, norm]
