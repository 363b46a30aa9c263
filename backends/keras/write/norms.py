"""Norms: layers over the channel axis wherever it lies, or functions of weights that are no layer's own."""

from typing import Any

from dualnet.backends.source.code import Default, Lit, Many, code, invoke
from dualnet.backends.source.form import Value
from dualnet.backends.source.rules import Rule, given, kept
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import ByMode, Op


def batch_norm(frame: Frame, op: Op) -> Value:
    """``batch_norm``: a layer over the channel axis wherever it lies."""
    value = frame.settled_weight(given(frame))
    weight, bias, mean, variance = (frame.tensor(name) for name in ("weight", "bias", "running_mean", "running_var"))
    training = frame.by_mode(op.arguments.get("training", True))
    if "training" in (frame.mode, frame.within):
        training = ByMode(training.training, False)  # a layer that runs in training only is a layer like any other
    epsilon, momentum = op.arguments.get("eps", 1e-5), op.arguments.get("momentum", 0.1)
    x, order = frame.whole(value)
    axis = order.index(1)
    axis = -1 if axis == value.rank - 1 else axis
    layered = mean is not None and variance is not None and frame.free(weight, bias, mean, variance)
    if layered and (training.training, training.inference) in ((True, False), (False, False)):
        biased = op.arguments.get("running_variance") == "biased"
        target = "layers.BatchNormalization" if biased else "BatchNormalization"
        target = "CumulativeBatchNormalization" if momentum is None else target
        if "." not in target:
            frame.writer.parts.add(target)
        options: dict[str, Any] = {} if training.training else {"trainable": False}
        kept_share = 0.99 if momentum is None else round(1.0 - momentum, 15)
        made = invoke(
            target, axis=Default(axis, -1), momentum=Default(kept_share, 0.99), epsilon=Default(epsilon, 1e-3),
            center=Default(bias is not None, True), scale=Default(weight is not None, True), **options,
        )  # fmt: skip
        names = {"gamma": weight, "beta": bias, "moving_mean": mean, "moving_variance": variance}
        held = {label: (part, part.logical) for label, part in names.items() if part is not None}
        layer = frame.layer(made, held, name="batch_norm")
        if layer is not None:
            return kept(frame, value, order, invoke(layer, x))
    if training.inference and mean is not None and variance is None:
        raise UnsupportedError(op.op)
    frame.writer.parts.add("batch_norm")
    parts = [None if part is None else frame.logical(part) for part in (mean, variance, weight, bias)]
    frozen = training.training is False
    if training.inference or mean is None:
        parts[:2] = [None, None]
    mode = "False" if frozen else "True" if training.inference or mean is None else "training"
    frame.module.moody = frame.module.moody or mode == "training"
    codes = ["None" if part is None else part for part in parts]
    made = code(
        "batch_norm({}, {}, {}, {}, {}, {}, axis={}, epsilon={})",
        x,
        *codes,
        mode,
        Lit(axis, "axis"),
        Lit(epsilon, "epsilon"),
    )
    return kept(frame, value, order, made)


def layer_norm(frame: Frame, op: Op) -> Value:
    """``layer_norm`` over the last axes, wherever they lie."""
    value = frame.settled_weight(given(frame))
    weight, bias = frame.tensor("weight"), frame.tensor("bias")
    count, epsilon = len(op.arguments["normalized_shape"]), op.arguments.get("eps", 1e-5)
    x, order = frame.whole(value)
    dims = list(range(value.rank - count, value.rank))
    axes = [index for index, axis in enumerate(order) if axis in dims]
    lying = [order[index] - dims[0] for index in axes]
    if frame.free(weight, bias) and (weight is not None or bias is None) and (weight is not None):
        axis: Any = -1 if axes == [value.rank - 1] else axes
        made = invoke(
            "layers.LayerNormalization",
            axis=Default(axis, -1),
            epsilon=Default(epsilon, 1e-3),
            center=Default(bias is not None, True),
        )
        held = {"gamma": (weight, tuple(weight.logical[i] for i in lying))}
        if bias is not None:
            held["beta"] = (bias, tuple(bias.logical[i] for i in lying))
        layer = frame.layer(made, held, name="layer_norm")
        if layer is not None:
            return kept(frame, value, order, invoke(layer, x))
    frame.writer.parts.add("normalise")
    made = code("normalise({}, {}, {})", x, Lit(tuple(axes), "axis"), Lit(epsilon, "epsilon"))
    found = kept(frame, value, order, made)
    for part, sign in ((weight, "*"), (bias, "+")):
        if part is not None:
            (left, right), logical, physical = frame.aligned([found, part])
            found = frame.made(code(f"{{}} {sign} {{}}", left, right), logical, physical)
    return found


def rms_norm(frame: Frame, op: Op) -> Value:
    """``rms_norm``: x / √(mean x² + eps)."""
    value = frame.settled_weight(given(frame))
    weight = frame.tensor("weight")
    count, epsilon = len(op.arguments["normalized_shape"]), op.arguments.get("eps")
    x, order = frame.whole(value)
    axes = tuple(index for index, axis in enumerate(order) if axis >= value.rank - count)
    frame.writer.parts.add("rms_normalise")
    found = kept(
        frame, value, order, invoke("rms_normalise", x, axis=Lit(axes, "axis"), epsilon=Default(epsilon, None))
    )
    if weight is None:
        return found
    (left, right), logical, physical = frame.aligned([found, weight])
    return frame.made(code("{} * {}", left, right), logical, physical)


def group_norm(frame: Frame, op: Op) -> Value:
    """``group_norm``."""
    value = frame.settled_weight(given(frame))
    weight, bias = frame.tensor("weight"), frame.tensor("bias")
    groups, epsilon = op.arguments["num_groups"], op.arguments.get("eps", 1e-5)
    x, order = frame.whole(value)
    axis = order.index(1)
    if weight is not None and bias is not None and frame.free(weight, bias) and value.rank > 2:
        axis = -1 if axis == value.rank - 1 else axis
        made = invoke(
            "layers.GroupNormalization",
            groups=Default(groups, 32),
            axis=Default(axis, -1),
            epsilon=Default(epsilon, 1e-3),
        )
        layer = frame.layer(made, {"gamma": (weight, weight.logical), "beta": (bias, bias.logical)}, name="group_norm")
        if layer is not None:
            return kept(frame, value, order, invoke(layer, x))
    return _grouped(frame, value, groups, epsilon, weight, bias)


def _grouped(
    frame: Frame, value: Value, groups: int, epsilon: float, weight: Value | None, bias: Value | None
) -> Value:
    frame.writer.parts.add("group_normalise")
    x, order = frame.whole(value)
    axis = order.index(1)
    axis = -1 if axis == value.rank - 1 else axis
    codes = ["None" if part is None else frame.logical(part) for part in (weight, bias)]
    made = invoke(
        "group_normalise",
        x,
        Lit(groups, "groups"),
        Many((codes[0],)) if isinstance(codes[0], str) else codes[0],
        Many((codes[1],)) if isinstance(codes[1], str) else codes[1],
        axis=Default(axis, -1),
        epsilon=Lit(epsilon, "epsilon"),
    )
    return kept(frame, value, order, made)


def instance_norm(frame: Frame, op: Op) -> Value:
    """``instance_norm`` by the statistics of what comes in, or by running ones that it keeps."""
    value = frame.settled_weight(given(frame))
    weight, bias, mean, variance = (frame.tensor(name) for name in ("weight", "bias", "running_mean", "running_var"))
    epsilon = op.arguments.get("eps", 1e-5)
    if mean is None or variance is None:
        return _grouped(frame, value, int(value.shape[1]), epsilon, weight, bias)
    x, order = frame.whole(value)
    axis, mode = order.index(1), frame.by_mode(op.arguments.get("use_input_stats", True))
    if (mode.training, mode.inference) != (True, False):
        msg = "instance_norm whose running statistics are not those of evaluation; use track_running_stats=False"
        raise UnsupportedError(msg)
    frame.writer.parts.add("InstanceNormalization")
    made = invoke(
        "InstanceNormalization", axis=Default(-1 if axis == value.rank - 1 else axis, -1),
        momentum=Default(round(1.0 - op.arguments.get("momentum", 0.1), 15), 0.9), epsilon=Default(epsilon, 1e-5),
        affine=Default(weight is not None, False),
    )  # fmt: skip
    names = {"gamma": weight, "beta": bias, "moving_mean": mean, "moving_variance": variance}
    held = {label: (part, part.logical) for label, part in names.items() if part is not None}
    layer = frame.layer(made, held, name="instance_norm") if frame.free(weight, bias, mean, variance) else None
    if layer is None:
        msg = "running statistics that two instance norms share"
        raise UnsupportedError(msg)
    return kept(frame, value, order, invoke(layer, x))


def weight_norm(frame: Frame, op: Op) -> Value:
    """``_weight_norm``: v·g / |v|, the norm over all axes but one."""
    v, g = given(frame, "v"), given(frame, "g")
    dim = op.arguments.get("dim", 0)
    frame.writer.parts.add("vector_norm")
    order = [*range(2, v.rank), 1, 0] if v.rank > 2 else list(range(v.rank))
    x = frame.ordered(v, order)
    axes = tuple(index for index, axis in enumerate(order) if axis != dim % v.rank)
    scale = frame.ordered(g, order)
    norm = invoke("vector_norm", x, axis=Lit(axes, "axis"), keepdims=Lit(True, "keepdims"))
    return kept(frame, v, order, code("{} * ({} / {})", x, scale, norm))


NORMS: dict[str, Rule] = {
    "_weight_norm": weight_norm,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
}
