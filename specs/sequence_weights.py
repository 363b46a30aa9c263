"""Parameters of embeddings, recurrent layers and attention, and how each framework starts them."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from dualnet.specs import attention as A
from dualnet.specs import embedding as E
from dualnet.specs import recurrent as R
from dualnet.specs.initializers import (
    Initializer,
    KaimingUniform,
    Normal,
    Ones,
    Orthogonal,
    Rows,
    Uniform,
    XavierUniform,
    Zeros,
)
from dualnet.specs.parameter import Parameter
from dualnet.specs.sequence_shapes import heads, trio

Shape = tuple[int, ...]
Found = Iterator[Parameter]

GATES = {R.RNN: 1, R.GRU: 3, R.LSTM: 4}
ROWS = {"torch_default": Normal(), "keras_default": Uniform(-0.05, 0.05)}


def _within(bound: float) -> Initializer:
    return Uniform(-bound, bound)


def _table(layer: E._Table, shapes: tuple[Shape, ...], preset: str) -> Found:
    start, row = layer.weight_init or ROWS[preset], layer.padding
    start = start if row is None else Rows(start, row, row + 1)
    sizes = layer.num_embeddings, layer.features
    yield Parameter("weight", sizes, start, *sizes, layer.trainable)


def ends(layer: R._Recurrent) -> list[str]:
    """Return what the names of a recurrent layer's weights end in, way by way and layer by layer."""
    ways = ("", "_reverse") if layer.bidirectional else ("",)
    return [f"_l{number}{way}" for number in range(layer.layers) for way in ways]


def _recurrent(layer: R._Recurrent, shapes: tuple[Shape, ...], preset: str) -> Found:
    gates, out, starts = GATES[type(layer)] * layer.hidden, layer.out, _recurrent_starts(layer, preset)
    for end in ends(layer):
        reads = shapes[0][-1] if end.startswith("_l0") else layer.width
        fans = reads, gates, layer.trainable
        yield Parameter(f"weight_ih{end}", (gates, reads), starts["weight_ih"], *fans)
        yield Parameter(f"weight_hh{end}", (gates, out), starts["weight_hh"], out, gates, layer.trainable)
        for name in {"two": ("bias_ih", "bias_hh"), "one": ("bias_ih",), "none": ()}[layer.bias]:
            yield Parameter(f"{name}{end}", (gates,), starts[name], *fans)
        if getattr(layer, "projection", 0):
            sizes = layer.hidden, out
            yield Parameter(f"weight_hr{end}", sizes[::-1], starts["weight_ih"], *sizes, layer.trainable)


def _recurrent_starts(layer: R._Recurrent, preset: str) -> dict[str, Initializer]:
    """Return the start of each kind of weight: PyTorch's U(±1 / √hidden), or Keras's, a forget gate's ones in it."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    own = (layer.weight_init, layer.recurrent_init, layer.bias_init, layer.bias_init)
    forget = Rows(Zeros(), layer.hidden, 2 * layer.hidden, 1.0) if isinstance(layer, R.LSTM) else Zeros()
    flat = _within(1.0 / math.sqrt(layer.hidden))
    usual = (flat,) * 4 if preset == "torch_default" else (XavierUniform(), Orthogonal(), forget, Zeros())
    return {name: given or start for name, given, start in zip(names, own, usual, strict=True)}


def fused(layer: A.MultiheadAttention, shapes: tuple[Shape, ...]) -> bool:
    """Return whether the three projections of a layer are one matrix."""
    query, key, value = trio(shapes)
    size, wide, groups = heads(layer, query)
    return {query[-1]} == {key[-1], value[-1], layer.heads * size, groups * size, groups * wide}


def _multihead(layer: A.MultiheadAttention, shapes: tuple[Shape, ...], preset: str) -> Found:
    query, key, value = trio(shapes)
    size, wide, groups = heads(layer, query)
    rows, torch, whole = (
        (layer.heads * size, groups * size, groups * wide),
        preset == "torch_default",
        fused(layer, shapes),
    )
    if whole:
        split = XavierUniform() if torch else _within(math.sqrt(3.0 / query[-1]))  # Keras draws three, not one
        yield _projection("in_proj_weight", (sum(rows), query[-1]), layer, split)
    else:
        for name, made, shape in zip("qkv", rows, (query, key, value), strict=True):
            yield _projection(f"{name}_proj_weight", (made, shape[-1]), layer, XavierUniform())
    made, joined = layer.features or query[-1], layer.heads * wide
    usual = KaimingUniform(nonlinearity="leaky_relu", slope=math.sqrt(5.0)) if torch else XavierUniform()
    if layer.bias:
        yield Parameter("in_proj_bias", (sum(rows),), layer.bias_init or Zeros(), query[-1], sum(rows), layer.trainable)
    yield _projection("out_proj_weight", (made, joined), layer, usual)
    if layer.bias:
        yield Parameter("out_proj_bias", (made,), layer.bias_init or Zeros(), joined, made, layer.trainable)


def _projection(name: str, shape: Shape, layer: A.MultiheadAttention, usual: Initializer) -> Parameter:
    return Parameter(name, shape, layer.weight_init or usual, shape[1], shape[0], layer.trainable)


def _attention(layer: A.Attention, shapes: tuple[Shape, ...], preset: str) -> Found:
    if layer.scaled:
        additive = layer.score == "additive"
        size = shapes[0][-1]
        # Keras's GlorotUniform of a vector takes its length for both fans
        yield Parameter(
            "scale", (size,) if additive else (1,), _within(math.sqrt(3.0 / size)) if additive else Ones(), size, size
        )
    if layer.score == "concat":
        yield Parameter("concat_weight", (1,), Ones(), 1, 1)


RULES: dict[type[Any], Callable[[Any, tuple[Shape, ...], str], Found]] = {
    **dict.fromkeys((E.Embedding, E.EmbeddingBag), _table),
    **dict.fromkeys(GATES, _recurrent),
    A.MultiheadAttention: _multihead,
    A.Attention: _attention,
}
