"""Shapes of what embeddings, recurrent layers and attention give, without N: sequences are (L, F)."""

from collections.abc import Callable
from typing import Any

from dualnet.specs import attention as A
from dualnet.specs import embedding as E
from dualnet.specs import recurrent as R
from dualnet.specs.shapes import READS
from dualnet.specs.shapes import RULES as SHAPES

Shape = tuple[int, ...]


def _sequence(shape: Shape) -> tuple[int, int]:
    if len(shape) != 2:
        msg = "it takes sequences [L, F]."
        raise ValueError(msg)
    return shape[0], shape[1]


def _embedding(layer: E.Embedding, shape: Shape) -> Shape:
    if len(shape) > 2:
        msg = "it takes integers [L] or [A, B]."
        raise ValueError(msg)
    return (*shape, layer.features)


def _bag(layer: E.EmbeddingBag, shape: Shape) -> Shape:
    if len(shape) != 1:
        msg = "it takes bags of integers [L]."
        raise ValueError(msg)
    return (layer.features,)


def _recurrent(layer: R._Recurrent, shape: Shape) -> Shape:
    length, _ = _sequence(shape)
    return (layer.width,) if layer.returns == "last" else (length, layer.width)


def trio(shapes: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """Return query's, key's and value's of one, two or three wires."""
    return shapes[0], shapes[min(1, len(shapes) - 1)], shapes[-1]


def heads(layer: A.MultiheadAttention, query: Shape) -> tuple[int, int, int]:
    """Return the size of a head of the queries, of the values, and how many heads the keys have."""
    size = layer.head_features or query[-1] // layer.heads
    return size, layer.value_features or size, layer.key_heads or layer.heads


def _agree(query: Shape, key: Shape, value: Shape) -> None:
    for shape in (query, key, value):
        _sequence(shape)
    if key[0] != value[0]:
        msg = "key and value must have one length."
        raise ValueError(msg)


def _multihead(layer: A.MultiheadAttention, *shapes: Shape) -> Shape:
    query, key, value = trio(shapes)
    _agree(query, key, value)
    if not layer.head_features and query[-1] % layer.heads:
        msg = f"heads={layer.heads} do not divide the query's {query[-1]} features. Name head_features."
        raise ValueError(msg)
    if layer.heads % (layer.key_heads or 1):
        msg = f"key_heads={layer.key_heads} do not divide heads={layer.heads}."
        raise ValueError(msg)
    return (query[0], layer.features or query[-1])


def _attention(layer: A.Attention, *shapes: Shape) -> Shape:
    query, key, value = trio(shapes)
    _agree(query, key, value)
    if query[-1] != key[-1]:
        msg = "query and key must have one size F."
        raise ValueError(msg)
    return (query[0], value[-1])


RULES: dict[type[Any], Callable[..., Shape]] = {
    E.Embedding: _embedding,
    E.EmbeddingBag: _bag,
    **dict.fromkeys((R.RNN, R.LSTM, R.GRU), _recurrent),
    A.MultiheadAttention: _multihead,
    A.Attention: _attention,
}
SHAPES.update(RULES)
READS.update({A.MultiheadAttention: (1, 2, 3), A.Attention: (1, 2, 3)})
