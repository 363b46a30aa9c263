"""Rules: embeddings, recurrent layers and attention as constructor calls of ``torch.nn``, or of what stands for it."""

from collections.abc import Callable
from typing import Any

from dualnet.backends.call import Call, call, unless
from dualnet.specs import attention as A
from dualnet.specs import embedding as E
from dualnet.specs import products as P
from dualnet.specs import recurrent as R
from dualnet.specs.sequence_shapes import heads, trio
from dualnet.specs.sequence_weights import fused
from dualnet.specs.weights import parameters_of

Shapes = tuple[tuple[int, ...], ...]


def _embedding(layer: E.Embedding, shapes: Shapes) -> Call:
    return call("nn.Embedding", layer.num_embeddings, layer.features, **unless(None, padding_idx=layer.padding))


def _bag(layer: E.EmbeddingBag, shapes: Shapes) -> Call:
    options = unless("mean", mode=layer.mode) | unless(None, padding_idx=layer.padding)
    return call("nn.EmbeddingBag", layer.num_embeddings, layer.features, **options)


def _recurrent(layer: R._Recurrent, shapes: Shapes, key: int | None = None) -> Call:
    kind, last, size = type(layer).__name__, layer.returns == "last", shapes[0][-1]
    if not _stock(layer) or (key is not None and layer.dropout):
        weights = {parameter.name: parameter.shape for parameter in parameters_of(layer, shapes)}
        sizes = (layer.out, layer.hidden) if isinstance(layer, R.LSTM) else (layer.out,)
        return call("recurrent.Recurrent", kind, sizes, weights, **_told(layer), **unless(None, key=key))
    options: dict[str, Any] = unless(1, num_layers=layer.layers) | unless(True, bias=layer.bias == "two")
    options |= {"batch_first": True} | unless(False, bidirectional=layer.bidirectional)
    options |= unless(0.0, dropout=layer.dropout if layer.layers > 1 else 0.0)
    options |= unless(0, proj_size=getattr(layer, "projection", 0))
    options |= unless("tanh", nonlinearity=layer.activation) if isinstance(layer, R.RNN) else {}
    return call(f"recurrent.{'Last' * last}{kind}", size, layer.hidden, **options)


def _stock(layer: R._Recurrent) -> bool:
    """Return whether ``torch.nn`` has the layer."""
    gates = getattr(layer, "recurrent_activation", "sigmoid"), getattr(layer, "reset", "after")
    squashes = ("tanh", "relu") if isinstance(layer, R.RNN) else ("tanh",)
    usual = gates == ("sigmoid", "after") and layer.activation in squashes and layer.bias != "one"
    narrow = getattr(layer, "projection", 0) < layer.hidden  # torch takes no wider projection
    return usual and layer.merge == "concat" and not layer.backwards and narrow


def _told(layer: R._Recurrent) -> dict[str, Any]:
    usual = {"layers": 1, "bidirectional": False, "merge": "concat", "backwards": False, "dropout": 0.0}
    usual |= {"activation": "tanh", "recurrent_activation": "sigmoid", "reset": "after"}
    found = {name: getattr(layer, name, default) for name, default in usual.items()}
    return {k: v for k, v in found.items() if v != usual[k]} | unless(False, last=layer.returns == "last")


def _multihead(layer: A.MultiheadAttention, shapes: Shapes, key: int | None = None) -> Call:
    reads = tuple(shape[-1] for shape in trio(shapes))
    options = unless(True, fused=fused(layer, shapes), bias=layer.bias) | unless(0.0, dropout=layer.dropout)
    options |= unless(False, causal=layer.causal) | unless(None, key=key)
    sizes = heads(layer, shapes[0])
    return call("attention.MultiheadAttention", layer.heads, reads, *sizes, layer.features or reads[0], **options)


def _attention(layer: A.Attention, shapes: Shapes, key: int | None = None) -> Call:
    options = unless(False, scaled=layer.scaled, causal=layer.causal) | unless(0.0, dropout=layer.dropout)
    return call("attention.Attention", layer.score, shapes[0][-1], **options, **unless(None, key=key))


def _bilinear(layer: P.Bilinear, shapes: Shapes) -> Call:
    return call("nn.Bilinear", shapes[0][-1], shapes[1][-1], layer.features, **unless(True, bias=layer.bias))


RULES: dict[type[Any], Callable[[Any, Shapes], Call]] = {
    P.Bilinear: _bilinear,
    E.Embedding: _embedding,
    E.EmbeddingBag: _bag,
}
# Layers that draw masks take a key by which to share them.
DRAWS: dict[type[Any], Callable[..., Call]] = {
    **dict.fromkeys((R.RNN, R.LSTM, R.GRU), _recurrent),
    A.MultiheadAttention: _multihead,
    A.Attention: _attention,
}
