"""An independent judge of embeddings, recurrent layers and attention: stock layers of either framework, or NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import special
from torch import nn

from dualnet import specs as S
from dualnet.backends import masks
from dualnet.backends.protocol import Array
from dualnet.specs.graph import Step

Judge = Callable[[Any, Step, list[Array], dict[str, Any], Callable[[Array, float, int], Array]], Array]


def dropped(step: Step, mask: tuple[int, int], training: bool) -> Callable[[Array, float, int], Array]:
    """Return the dropout of a step's k-th place."""

    def drop(x: Array, rate: float, place: int = 0) -> Array:
        drawn = masks.uniforms(masks.key(mask[0], step.owner) + place, mask[1], x.size).reshape(x.shape)
        return np.where(drawn >= rate, x / (1 - rate), 0.0) if training else x

    return drop


def _embedding(layer: S.Embedding, step: Step, inputs: list[Array], w: dict[str, Any], drop: Any) -> Array:
    return np.asarray(w["weight"][inputs[0]])


def _bag(layer: S.EmbeddingBag, step: Step, inputs: list[Array], w: dict[str, Any], drop: Any) -> Array:
    padding = {} if layer.padding_idx is None else {"padding_idx": layer.padding_idx}
    tensors = torch.tensor(inputs[0]), torch.tensor(w["weight"])
    return nn.functional.embedding_bag(*tensors, mode=layer.mode, **padding).numpy()


def _recurrent(layer: Any, step: Step, inputs: list[Array], w: dict[str, Any], drop: Any) -> Array:
    known = {"name", "inputs", "hidden", "layers", "bidirectional", "bias", "returns", "projection", "trainable"}
    by_torch = {name for name, _ in layer.fields()} <= known
    return _by_torch(layer, inputs[0], w) if by_torch else _by_keras(layer, inputs[0], w, drop)


def _by_torch(layer: Any, x: Array, w: dict[str, Any]) -> Array:
    options: dict[str, Any] = {"proj_size": layer.projection} if getattr(layer, "projection", 0) else {}
    options |= {"bias": layer.bias != "none", "bidirectional": layer.bidirectional, "batch_first": True}
    stock = getattr(nn, type(layer).__name__)(x.shape[-1], layer.hidden, layer.layers, **options)
    given = {name: torch.tensor(array) for name, array in w.items()}
    zeros = {name: torch.zeros_like(t) for name, t in stock.double().state_dict().items()}
    stock.load_state_dict(zeros | given)
    with torch.no_grad():
        y, state = stock(torch.tensor(x))
    h = state[0] if isinstance(state, tuple) else state
    ways = 1 + layer.bidirectional
    return y.numpy() if layer.returns == "sequence" else torch.cat(list(h[-ways:]), -1).numpy()


def _by_keras(layer: Any, x: Array, w: dict[str, Any], drop: Any) -> Array:
    """Keras's own layers, one way and one layer at a time."""
    for number in range(layer.layers):
        top = number == layer.layers - 1
        last, ways = top and layer.returns == "last", []
        for way in ("", "_reverse")[: 1 + layer.bidirectional]:
            found = _keras_layer(layer, w, f"_l{number}{way}", last, layer.backwards or bool(way))(x).numpy()
            ways.append(found[:, ::-1] if way and not last else found)
        merges = {"sum": np.add, "mul": np.multiply, "ave": lambda a, b: (a + b) / 2}
        merged = merges.get(layer.merge, lambda *each: np.concatenate(each, -1))
        x = merged(*ways) if len(ways) > 1 else ways[0]
        x = x if top or not layer.dropout else drop(x, layer.dropout, number)
    return np.asarray(x)


def _keras_layer(layer: Any, w: dict[str, Any], end: str, last: bool, backwards: bool) -> Any:
    import keras

    options = {"activation": layer.activation, "return_sequences": not last, "go_backwards": backwards}
    options |= {"use_bias": layer.bias != "none", "dtype": "float64"}
    if not isinstance(layer, S.RNN):
        options["recurrent_activation"] = layer.recurrent_activation
    if isinstance(layer, S.GRU):
        options["reset_after"] = layer.reset == "after"
    name = {S.RNN: "SimpleRNN"}.get(type(layer), type(layer).__name__)
    stock = getattr(keras.layers, name)(layer.hidden, **options)

    def ordered(array: Array) -> Array:
        """Torch's gates r, z, n as Keras's z, r, n."""
        r, z, n = np.split(array, 3) if isinstance(layer, S.GRU) else (array[:0], array, array[:0])
        return np.concatenate([z, r, n])

    stock.build((None, None, w[f"weight_ih{end}"].shape[1]))
    arrays = [ordered(w[f"weight_{part}{end}"]).T for part in ("ih", "hh")]
    if layer.bias != "none":
        first = ordered(w[f"bias_ih{end}"])
        second = ordered(w[f"bias_hh{end}"]) if layer.bias == "two" else np.zeros_like(first)
        two = isinstance(layer, S.GRU) and layer.reset == "after"
        arrays.append(np.stack([first, second]) if two else first + second)
    stock.set_weights(arrays)
    return stock


def _softmax(scores: Array, causal: bool) -> Array:
    seen = np.tril(np.ones(scores.shape[-2:])) if causal else np.ones(scores.shape[-2:])
    return np.asarray(special.softmax(np.where(seen > 0, scores, -np.inf), -1))


def _multihead(layer: S.MultiheadAttention, step: Step, inputs: list[Array], w: dict[str, Any], drop: Any) -> Array:
    wires = inputs * 3 if len(inputs) == 1 else [inputs[0], inputs[1], inputs[-1]]
    size = layer.head_features or wires[0].shape[-1] // layer.heads
    wide, groups = layer.value_features or size, layer.key_heads or layer.heads
    counts, widths = (layer.heads, groups, groups), (size, size, wide)
    rows = np.cumsum([count * width for count, width in zip(counts, widths, strict=True)])
    split = np.split(w["in_proj_weight"], rows[:2]) if "in_proj_weight" in w else [w[f"{n}_proj_weight"] for n in "qkv"]
    biases = np.split(w["in_proj_bias"], rows[:2]) if layer.bias else [0.0] * 3
    q, k, v = (
        (x @ p.T + b).reshape(*x.shape[:2], count, width)
        for x, p, b, count, width in zip(wires, split, biases, counts, widths, strict=True)
    )
    k, v = (np.repeat(each, layer.heads // groups, axis=2) for each in (k, v))
    shares = _softmax(np.einsum("nqhd,nkhd->nhqk", q, k) / np.sqrt(size), layer.causal)
    made = np.einsum("nhqk,nkhd->nqhd", drop(shares, layer.dropout, 0), v).reshape(*wires[0].shape[:2], -1)
    return np.asarray(made @ w["out_proj_weight"].T + (w["out_proj_bias"] if layer.bias else 0.0))


def _attention(layer: S.Attention, step: Step, inputs: list[Array], w: dict[str, Any], drop: Any) -> Array:
    q, k, v = inputs * 3 if len(inputs) == 1 else (inputs[0], inputs[1], inputs[-1])
    scale = w["scale"] if layer.scaled else 1.0
    sums = q[:, :, None] + k[:, None]
    scores = {
        "dot": lambda: np.einsum("nqd,nkd->nqk", q, k) * scale,
        "concat": lambda: w["concat_weight"] * np.tanh(scale * sums).sum(-1),
        "additive": lambda: (scale * np.tanh(sums)).sum(-1),
    }[layer.score]()
    return np.asarray(drop(_softmax(scores, layer.causal), layer.dropout, 0) @ v)


SEQUENCES: dict[type[S.Layer], Judge] = {
    S.Embedding: _embedding,
    S.EmbeddingBag: _bag,
    **dict.fromkeys((S.RNN, S.LSTM, S.GRU), _recurrent),
    S.MultiheadAttention: _multihead,
    S.Attention: _attention,
}
