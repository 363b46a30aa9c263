"""Rules: embeddings, recurrent layers and attention as constructor calls of ``keras.layers``, or of layers of ours."""

from collections.abc import Callable
from typing import Any

from dualnet.backends.call import Call, call, unless
from dualnet.specs import attention as A
from dualnet.specs import embedding as E
from dualnet.specs import recurrent as R
from dualnet.specs.graph import Step
from dualnet.specs.sequence_shapes import heads, trio
from dualnet.specs.weights import parameters_of

Made = Call | list[Call]


def _embedding(layer: E.Embedding, step: Step, axes: tuple[int, ...]) -> list[Call]:
    sizes, options = (layer.num_embeddings, layer.features), unless(True, trainable=layer.trainable)
    made = call("layers.Embedding", *sizes, **options)
    if layer.padding is not None:
        made = call("embedding.PaddedEmbedding", *sizes, layer.padding, **options)
    moved = axes != tuple(range(len(axes)))
    return [made, call("layers.Permute", tuple(axis + 1 for axis in axes))] if moved else [made]


def _bag(layer: E.EmbeddingBag, step: Step, axes: tuple[int, ...]) -> Call:
    options = unless("mean", mode=layer.mode) | unless(None, padding=layer.padding)
    options |= unless(True, trainable=layer.trainable)
    return call("embedding.EmbeddingBag", layer.num_embeddings, layer.features, **options)


def held(step: Step) -> dict[str, Any]:
    """Return the shapes of a step's parameters by name, and whether they train."""
    shapes = {parameter.name: parameter.shape for parameter in parameters_of(step.layer, step.in_shapes)}
    return {"weights": shapes, **unless(True, trainable=getattr(step.layer, "trainable", True))}


def _recurrent(layer: R._Recurrent, step: Step, axes: tuple[int, ...]) -> Call:
    usual = {"layers": 1, "bidirectional": False, "merge": "concat", "backwards": False, "dropout": 0.0}
    usual |= {"activation": "tanh", "recurrent_activation": "sigmoid", "reset": "after"}
    found = {name: getattr(layer, name, default) for name, default in usual.items()}
    options = {name: value for name, value in found.items() if value != usual[name]}
    options |= {"length": step.in_shapes[0][0], "width": layer.width} if layer.dropout else {}
    sizes = (layer.out, layer.hidden) if isinstance(layer, R.LSTM) else (layer.out,)
    last = unless(False, last=layer.returns == "last")
    return call("recurrent.Recurrent", type(layer).__name__, sizes, **options, **last, **held(step))


def _lengths(step: Step) -> tuple[int, int]:
    query, key, _ = trio(step.in_shapes)
    return query[0], key[0]


def _multihead(layer: A.MultiheadAttention, step: Step, axes: tuple[int, ...]) -> Call:
    options = unless(0.0, dropout=layer.dropout) | unless(False, causal=layer.causal)
    sizes = heads(layer, step.in_shapes[0])
    return call("attention.MultiheadAttention", layer.heads, *sizes, _lengths(step), **options, **held(step))


def _attention(layer: A.Attention, step: Step, axes: tuple[int, ...]) -> Call:
    options = unless(False, causal=layer.causal) | unless(0.0, dropout=layer.dropout)
    return call("attention.Attention", layer.score, _lengths(step), **options, **held(step))


RULES: dict[type[Any], Callable[[Any, Step, tuple[int, ...]], Made]] = {
    E.Embedding: _embedding,
    E.EmbeddingBag: _bag,
    **dict.fromkeys((R.RNN, R.LSTM, R.GRU), _recurrent),
    A.MultiheadAttention: _multihead,
    A.Attention: _attention,
}
HELD = ("recurrent", "attention", "scales")  # homes of the layers that hold weights by the spec's names
