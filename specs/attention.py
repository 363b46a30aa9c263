"""Attention over (N, L, F): each query gathers values, weighted by how its key fits (Bahdanau et al. 2015).

Wires are query, key, value; of one wire, all three are that; of two, key and value are the second. Masks of padding are
no part of a spec: its wires are whole arrays.
"""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

from dualnet.specs.initializers import Initializer
from dualnet.specs.kinds import Fraction, Size
from dualnet.specs.layers import Layer

_LACKS = {
    "add_bias_kv": "Keras has no such row. Concatenate one to key and value.",
    "add_zero_attn": "Keras has no such row. Concatenate one to key and value.",
    "batch_first": "wires are (N, L, F) on both sides.",
    "kdim": "sizes of what comes in are inferred: read a key of that size.",
    "vdim": "sizes of what comes in are inferred: read a value of that size.",
    "attention_axes": "attention runs along the one axis between N and F. Use Reshape for others.",
    "sliding_window": "torch has no such mask. Use causal=True, or all of the sequence.",
    "flash_attention": "it says how Keras computes, not what. Leave it out.",
    "use_gate": "torch has no such gate. Multiply by a Linear and a Sigmoid of the query.",
    "need_weights": "a layer gives one array. Leave it out.",
}


@dataclass(frozen=True)
class MultiheadAttention(Layer):
    """Σ softmax(q kᵀ / √d) v in each of ``heads``, joined and projected (Vaswani et al. 2017).

    q, k, v are projections of the wires to heads of ``head_features`` d (left out: query's size / heads), v's of
    ``value_features`` (left out: d). Fewer ``key_heads`` serve groups of neighbouring heads (Ainslie et al. 2023;
    Keras's ``GroupQueryAttention``). The output has ``features`` (left out: query's size); ``dropout`` falls on the
    softmax; ``causal`` lets query i see keys 0 … i.

    Weights are PyTorch's: ``in_proj_weight`` (3·E, E) where query, key, value and heads·d have one size E, else
    ``q_proj_weight``, ``k_proj_weight`` and ``v_proj_weight`` (heads·d, in); ``in_proj_bias``, ``out_proj_weight``
    (features, heads·d), ``out_proj_bias``.
    """

    lacks: ClassVar[dict[str, str]] = _LACKS

    heads: Size
    _: KW_ONLY
    bias: bool = True
    dropout: Fraction = 0.0
    causal: bool = False
    head_features: Size | None = None
    value_features: Size | None = None
    key_heads: Size | None = None
    features: Size | None = None
    trainable: bool = True
    weight_init: Initializer | None = None
    bias_init: Initializer | None = None


@dataclass(frozen=True)
class Attention(Layer):
    """Σ softmax(score(q, k)) v (Keras's ``Attention`` and ``AdditiveAttention``).

    ``score`` "dot": q·k (Luong et al. 2015), times ``scale`` (1,) for ``scaled``; "concat": ``concat_weight`` (1,) by
    Σ tanh(q + k), the sum inside tanh times ``scale`` (1,) for ``scaled``; "additive": Σ ``scale``·tanh(q + k),
    ``scale`` (F,) for ``scaled`` and 1 else. ``dropout`` and ``causal`` as in ``MultiheadAttention``.
    """

    lacks: ClassVar[dict[str, str]] = {
        "use_scale": "here it is called scaled.",
        "score_mode": "here it is called score.",
    }

    score: Literal["dot", "concat", "additive"] = "dot"
    _: KW_ONLY
    scaled: bool = False
    causal: bool = False
    dropout: Fraction = 0.0
