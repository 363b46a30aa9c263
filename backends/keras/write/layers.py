"""Layers: ops that hold weights, as Keras's layers; as functions where a weight is shared, computed or handed in."""

from typing import Any

from dualnet.backends.keras.write.spatial import unbatched
from dualnet.backends.source.code import Default, Lit, code, invoke
from dualnet.backends.source.features import last
from dualnet.backends.source.form import Axes, Value, appearing, axes_of, key
from dualnet.backends.source.rules import Rule, drawn, given, kept, lies, like, matched
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import ByMode, Op


def linear(frame: Frame, op: Op) -> Value:
    """``linear``: Dense over the last axis, its rows in the order in which memory has the features."""
    value, weight, bias = given(frame), given(frame, "weight"), frame.tensor("bias")
    value = frame.settled_weight(value)
    if value.rank == 1 and weight.rank > 1:
        return unbatched(_linear(frame, Value(((), *value.axes), value.storage), weight, bias), bare=True)
    return _linear(frame, value, weight, bias)


def _linear(frame: Frame, value: Value, weight: Value, bias: Value | None) -> Value:
    lead, features = last(frame, value)
    lead = lead or ((),) * (value.rank - 1)
    new = axes_of((weight.shape[0],))[0] if weight.rank > 1 else ()
    logical, physical = (*value.logical[:-1], new), (*lead, new)
    if weight.rank == 1:
        logical, physical = value.logical[:-1], lead
    x = frame.code(frame.form(value, (*lead, features)))
    if frame.free(weight, bias) and weight.rank > 1:
        pieces = matched(frame, weight, 1, value.logical[-1])
        if pieces is not None:
            place = {id(atom): index for index, atom in enumerate(value.logical[-1])}
            rows = tuple(pieces[place[id(atom)]] for atom in features)
            made = invoke("layers.Dense", Lit(weight.shape[0], "units"), use_bias=Default(bias is not None, True))
            held: dict[str, tuple[Value, Axes]] = {"kernel": (weight, (rows, weight.logical[0]))}
            if bias is not None:
                held["bias"] = (bias, bias.logical)
            layer = frame.layer(made, held)
            if layer is not None:
                return frame.made(invoke(layer, x), logical, physical)
    x = frame.ordered(value, [*[a for a in appearing(value) if a != value.rank - 1], value.rank - 1])
    lead_order = [a for a in appearing(value) if a != value.rank - 1]
    physical = (
        (*(value.logical[a] for a in lead_order), new)
        if weight.rank > 1
        else tuple(value.logical[a] for a in lead_order)
    )
    kernel = frame.code(frame.form(weight, weight.logical[::-1])) if not weight.placed else _turned(frame, weight)
    made = code("ops.matmul({}, {})", x, kernel)
    if bias is not None:
        made = code("{} + {}", made, frame.logical(bias))
    return frame.made(made, logical, physical)


def _turned(frame: Frame, weight: Value) -> Any:
    """Return the code of a weight's transpose, as it lies or turned on the spot."""
    wanted = weight.logical[::-1]
    if key(weight.storage.physical) == key(wanted):
        return frame.code(weight.storage)
    if key(weight.storage.physical) == key(weight.logical):
        return code("ops.transpose({})", frame.code(weight.storage))
    return frame.code(frame.form(weight, wanted))


def dropout(frame: Frame, op: Op) -> Value:
    """``dropout``: a layer; none where it never acts."""
    value = frame.settled_weight(given(frame))
    mode = frame.by_mode(op.arguments.get("train", op.arguments.get("training", True)))
    rate = op.arguments.get("p", 0.5)
    rate = rate.training if isinstance(rate, ByMode) else rate
    if mode.training is False or rate == 0:
        return value
    if mode.inference:
        msg = "dropout that acts in evaluation too"
        raise UnsupportedError(msg)
    if rate == 1:
        frame.module.moody = True
        return like(frame, value, code("{} * (0.0 if training else 1.0)", lies(frame, value)))
    x, order = frame.whole(value) if op.op != "dropout" else (lies(frame, value), None)
    if op.op == "feature_dropout":
        shape = tuple(None if axis < 2 else 1 for axis in order or ())
        layer = frame.layer(
            invoke("layers.Dropout", Lit(rate, "rate"), noise_shape=Lit(shape, "noise_shape")), name="dropout"
        )
        frame.writer.draws.append(tuple(order or ()))
        return kept(frame, value, order or [], invoke(layer, x))
    if op.op in ("alpha_dropout", "feature_alpha_dropout"):
        shape = tuple(None if axis < 2 else 1 for axis in order or ())
        options = {"noise_shape": Lit(shape, "noise_shape")} if op.op.startswith("feature") else {}
        layer = frame.layer(invoke("layers.AlphaDropout", Lit(rate, "rate"), **options), name="dropout")
        frame.writer.draws.append(tuple(order or ()))
        return kept(frame, value, order or [], invoke(layer, x))
    layer = frame.layer(invoke("layers.Dropout", Lit(rate, "rate")), name="dropout")
    frame.writer.draws.append(drawn(value))
    return like(frame, value, invoke(layer, x))


def prelu(frame: Frame, op: Op) -> Value:
    """``prelu``: a slope for all, or one a channel."""
    value, weight = frame.settled_weight(given(frame)), given(frame, "weight")
    shape = [1] * value.rank
    if weight.shape and weight.shape[0] != 1:
        shape[1] = weight.shape[0]
    slope = frame.view(weight, shape)
    (x, s), logical, physical = frame.aligned([value, slope])
    return frame.made(code("ops.where({} > 0, {}, {} * {})", x, x, s, x), logical, physical)


LAYERS: dict[str, Rule] = {
    "linear": linear,
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"), dropout),
    "prelu": prelu,
}
