"""Attention: scaled dot products, written out."""

from typing import Any

import numpy as np

from dualnet.backends.keras.write.elementwise import operand
from dualnet.backends.keras.write.products import contraction, product
from dualnet.backends.source.code import Default, Lit, code, invoke
from dualnet.backends.source.form import Value, axes_of
from dualnet.backends.source.rules import Rule, drawn, kept, lies, like, resized
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import ByMode, Held, Op


def attention(frame: Frame, op: Op) -> Value:
    """``scaled_dot_product_attention``, written out."""
    names = ("query", "key", "value")
    query, keys, values = (frame.settled_weight(operand(frame, op.arguments[name], frame.dtype())) for name in names)
    if op.arguments.get("enable_gqa"):
        times = int(query.shape[-3]) // int(keys.shape[-3])
        keys, values = (_heads(frame, each, times) for each in (keys, values))
    rank = query.rank
    letters = "abcdefg"[: rank - 2]
    scale = op.arguments.get("scale")
    scale = float(query.shape[-1]) ** -0.5 if scale is None else scale
    (q, _), logical, physical = frame.aligned([query, Value((), frame.value(scale).storage)])
    query = frame.made(code("{} * {}", q, Lit(scale, "scale")), logical, physical)
    shared = all(bool(a) == bool(b) for a, b in zip(query.logical[:-2], keys.logical[:-2], strict=True))
    whole = shared and all(query.logical[:-2])
    if whole:
        scores = contraction(frame, [query, keys], [letters + "qd", letters + "kd"], letters + "qk")
    else:
        turned = Value((*keys.axes[:-2], keys.axes[-1], keys.axes[-2]), keys.storage)
        scores = product(frame, query, turned)
    scores = _masked(frame, op, scores)
    x, order = frame.whole(scores)
    axis = order.index(rank - 1)
    softmax = "safe_softmax" if _may_hide_all(frame, op.arguments.get("attn_mask")) else "ops.softmax"
    frame.writer.parts.update({softmax} - {"ops.softmax"})
    weights = kept(frame, scores, order, invoke(softmax, x, axis=Default(-1 if axis == rank - 1 else axis, -1)))
    rate = op.arguments.get("dropout_p", 0.0)
    rate = rate.training if isinstance(rate, ByMode) else rate
    if rate:
        if not isinstance(op.arguments["dropout_p"], ByMode):
            msg = "dropout in attention that acts in evaluation too; pass dropout_p only when self.training"
            raise UnsupportedError(msg)
        layer = frame.layer(invoke("layers.Dropout", Lit(rate, "rate")), name="dropout")
        frame.writer.draws.append(drawn(weights))
        weights = like(frame, weights, invoke(layer, lies(frame, weights)))
    if whole:
        return contraction(frame, [weights, values], [letters + "qk", letters + "kv"], letters + "qv")
    return product(frame, weights, values)


def _heads(frame: Frame, value: Value, times: int) -> Value:
    dim = value.rank - 3
    x, order = frame.whole(value)
    made = code("ops.repeat({}, {}, axis={})", x, Lit(times, "times"), Lit(order.index(dim), "axis"))
    return frame.made(made, *resized(value, order, {dim: int(value.shape[dim]) * times}))


def _may_hide_all(frame: Frame, mask: Any) -> bool:
    """Return whether a mask may leave a row nothing to attend to."""
    if mask is None or not isinstance(mask, Held):
        return mask is not None
    array = frame.program.arrays[mask.name]
    hidden = ~array if array.dtype == bool else np.isneginf(array)
    return frame.program.weights[mask.name].trainable or bool(hidden.all(-1).any())


def _masked(frame: Frame, op: Op, scores: Value) -> Value:
    """Return the scores with what must not be attended to taken out."""
    if op.arguments.get("is_causal"):
        length, width = int(scores.shape[-2]), int(scores.shape[-1])
        frame.writer.parts.add("causal_mask")
        made = code("causal_mask({}, {})", Lit(length, "length"), Lit(width, "width"))
        axes = axes_of((length, width))
        mask = frame.made(made, axes, axes, "bool")
        return _where(frame, mask, scores)
    if op.arguments.get("attn_mask") is None:
        return scores
    mask = frame.value(op.arguments["attn_mask"])
    if mask.dtype == "bool":
        return _where(frame, mask, scores)
    (x, y), logical, physical = frame.aligned([scores, mask])
    return frame.made(code("{} + {}", x, y), logical, physical)


def _where(frame: Frame, mask: Value, scores: Value) -> Value:
    (m, s), logical, physical = frame.aligned([mask, scores])
    return frame.made(code('ops.where({}, {}, float("-inf"))', m, s), logical, physical)


ATTENTION: dict[str, Rule] = {
    "scaled_dot_product_attention": attention,
}
