"""Embeddings: rows of tables, alone or in bags."""

from typing import Any

from dualnet.backends.source.code import Default, Lit, code, invoke
from dualnet.backends.source.form import Value, axes_of
from dualnet.backends.source.rules import Rule, fresh, given
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import Op


def embedding(frame: Frame, op: Op) -> Value:
    """``embedding``: rows of a table; the row of ``padding_idx`` takes no gradient."""
    weight, places = given(frame, "weight"), frame.settled_weight(given(frame, "indices"))
    x, order = frame.whole(places)
    new = axes_of((weight.shape[1],))[0]
    logical = (*places.logical, new)
    physical = (*(places.logical[axis] for axis in order), new)
    padding = op.arguments.get("padding_idx", -1)
    if frame.free(weight):
        made = invoke("layers.Embedding", Lit(weight.shape[0], "input_dim"), Lit(weight.shape[1], "output_dim"))
        if padding is not None and padding >= 0:
            frame.writer.parts.add("PaddedEmbedding")
            made = invoke(
                "PaddedEmbedding",
                Lit(weight.shape[0], "input_dim"),
                Lit(weight.shape[1], "output_dim"),
                padding=padding,
            )
        layer = frame.layer(made, {"embeddings": (weight, weight.logical)}, name="embedding")
        if layer is not None:
            return frame.made(invoke(layer, x), logical, physical)
    return frame.made(code("ops.take({}, {}, axis=0)", frame.logical(weight), x), logical, physical)


BAGS = ("sum", "mean", "max")


def embedding_bag(frame: Frame, op: Op) -> tuple[Value, ...]:
    """``embedding_bag``: rows of a table, joined in bags."""
    weight, places, first = (frame.logical(given(frame, name)) for name in ("weight", "indices", "offsets"))
    frame.writer.parts.add("embedding_bag")
    if op.arguments.get("scale_grad_by_freq"):
        msg = "scale_grad_by_freq; gradients are not scaled in Keras"
        raise UnsupportedError(msg)
    shares, padding = frame.tensor("per_sample_weights"), op.arguments.get("padding_idx")
    options: dict[str, Any] = {"mode": Default(BAGS[op.arguments.get("mode", 0)], "sum")}
    if shares is not None:
        options["shares"] = frame.logical(shares)
    if padding is not None and padding >= 0:
        options["padding"] = Lit(padding, "padding")
    first = code("{}[:-1]", first) if op.arguments.get("include_last_offset") else first
    return (fresh(frame, invoke("embedding_bag", weight, places, first, **options)),)


EMBEDDINGS: dict[str, Rule] = {
    "embedding": embedding,
    "embedding_bag": embedding_bag,
}
