"""Layers: ops that hold weights, as Keras's layers; as functions where a weight is shared, computed or handed in."""

from typing import Any

import numpy as np

from dualnet.backends.keras.write_elementwise import operand
from dualnet.backends.source.code import Default, Lit, Many, code, invoke
from dualnet.backends.source.form import Axes, Value, appearing, axes_of, fine, flat, key
from dualnet.backends.source.rules import Rule, drawn, fresh, given, kept, lies, like, matched, resized
from dualnet.backends.source.writer import Frame
from dualnet.errors import UnsupportedError
from dualnet.specs.program import ByMode, Held, Op


def _call(frame: Frame, layer: Any, x: Any) -> Any:
    return invoke(layer, x)


def linear(frame: Frame, op: Op) -> Value:
    """``linear``: Dense over the last axis, its rows in the order in which memory has the features."""
    value, weight, bias = given(frame), given(frame, "weight"), frame.tensor("bias")
    value = frame.settled_weight(value)
    if value.rank == 1 and weight.rank > 1:
        return unbatched(_linear(frame, Value(((), *value.axes), value.storage), weight, bias), bare=True)
    return _linear(frame, value, weight, bias)


def _linear(frame: Frame, value: Value, weight: Value, bias: Value | None) -> Value:
    lead, features = _last(frame, value)
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
                return frame.made(_call(frame, layer, x), logical, physical)
    x = frame.ordered(value, [*[a for a in appearing(value) if a != value.rank - 1], value.rank - 1])
    lead_order = [a for a in appearing(value) if a != value.rank - 1]
    physical = (*(value.logical[a] for a in lead_order), new) if weight.rank > 1 else tuple(value.logical[a] for a in lead_order)
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


def _last(frame: Frame, value: Value) -> tuple[Axes, tuple[Any, ...]]:
    """Return the physical axes in front, and the features in memory's order if memory has them at the end."""
    wanted = {id(atom) for atom in value.logical[-1]}
    lying = list(value.storage.physical)
    taken: list[Any] = []
    seen: set[int] = set()
    while lying and seen != wanted and all(id(atom) in wanted for atom in lying[-1]):
        axis = lying.pop()
        taken = [*axis, *taken]
        seen |= {id(atom) for atom in axis}
    if not wanted and lying and not lying[-1]:
        lying.pop()
        return tuple(lying), ()
    rest = {id(atom) for atom in flat(tuple(lying))}
    if seen == wanted and not rest & wanted:
        return tuple(lying), tuple(taken)
    order = [axis for axis in appearing(value) if axis != value.rank - 1]
    return tuple(value.logical[axis] for axis in order), value.logical[-1]


def _pairs(value: Any, rank: int) -> tuple[int, ...]:
    listed = value if isinstance(value, (tuple, list)) else (value,)
    return tuple(listed) * rank if len(listed) == 1 else tuple(listed)


def _short(value: tuple[Any, ...]) -> Any:
    return value[0] if len(set(value)) == 1 else tuple(value)


def images(frame: Frame, value: Value, rank: int) -> tuple[Value, bool]:
    """Return (N, C, *spatial), an axis of one put in front where there was none, and whether it was."""
    bare = value.rank == rank + 1
    return (Value(((), *value.axes), value.storage) if bare else value), bare


def unbatched(value: Value, bare: bool) -> Value:
    """Return a value without the axis that ``images`` put in front."""
    return Value(value.axes[1:], value.storage) if bare else value


def channels_last(frame: Frame, value: Value) -> Any:
    """Return the code of (N, C, *spatial) that lies as (N, *spatial, C)."""
    return frame.ordered(value, _order(value))


def _order(value: Value) -> list[int]:
    return [0, *range(2, value.rank), 1]


def spatial(frame: Frame, value: Value, made: Any, channels: Any = None, out: tuple[Any, ...] = (), layer: Any = None) -> Value:
    """Enter a channels-last result with new channels and spatial sizes."""
    sizes = {axis + 2: size for axis, size in enumerate(out) if size != value.shape[axis + 2]}
    if channels is not None:
        sizes[1] = channels
    return frame.made(made, *resized(value, _order(value), sizes), layer=layer)


def convolution(rank: int) -> Rule:
    """Return the rule of ``conv1d``, ``conv2d`` or ``conv3d``."""

    def rule(frame: Frame, op: Op) -> Value:
        value, bare = images(frame, given(frame), rank)
        weight, bias = given(frame, "weight"), frame.tensor("bias")
        stride, dilation = (_pairs(op.arguments.get(name, 1), rank) for name in ("stride", "dilation"))
        groups, padding = op.arguments.get("groups", 1), op.arguments.get("padding", 0)
        kernel = tuple(int(size) for size in weight.shape[2:])
        padding, pads = _padding(padding, rank, kernel, stride, dilation)
        x = channels_last(frame, value)
        out_shape = frame.out()
        out = out_shape[1:] if bare else out_shape[2:]
        channels = int(weight.shape[0])
        slow = max(stride) > 1 and max(dilation) > 1
        depthwise = groups > 1 and groups == value.shape[1] and rank < 3 and len(set(stride)) == 1
        sliced = slow or (groups > 1 and groups == value.shape[1] and rank < 3 and not depthwise)
        depthwise = depthwise or (sliced and groups > 1 and groups == value.shape[1])
        options = {
            "strides": Default(1 if sliced else _short(stride), 1),
            "padding": Default(padding, "valid"),
            "dilation_rate": Default(_short(dilation), 1),
        }
        free = frame.free(weight, bias) and frame.dtype() != "complex"
        layer = None
        if free:
            made, held = _conv_layer(frame, weight, bias, rank, groups, depthwise, channels, kernel, options)
            if pads:
                x = _pad(frame, value, x, pads)
            layer = frame.layer(made, held)
        if layer is not None:
            result = _call(frame, layer, x)
        else:
            x = x if free or not pads else _pad(frame, value, x, pads)
            result = _conv_function(frame, x, weight, bias, rank, groups, options)
        if sliced and max(stride) > 1:
            var = frame.made(result, (), ()).storage.code
            result = code("{}[:, {}]", var, ", ".join(f"::{step}" for step in stride))
        return unbatched(spatial(frame, value, result, channels, out), bare)

    return rule


def _padding(padding: Any, rank: int, kernel: Any, stride: Any, dilation: Any) -> tuple[str, tuple[Any, ...]]:
    """Return Keras's padding, and what has to be padded before instead."""
    if padding == "valid":
        return "valid", ()
    if padding == "same":
        return "same", ()
    amounts = _pairs(padding, rank)
    if not any(amounts):
        return "valid", ()
    reach = tuple(d * (k - 1) for d, k in zip(dilation, kernel, strict=True))
    if set(stride) == {1} and tuple(2 * amount for amount in amounts) == reach:
        return "same", ()
    return "valid", amounts


def _pad(frame: Frame, value: Value, x: Any, amounts: tuple[int, ...]) -> Any:
    """Write zero padding and return its result."""
    rank = value.rank - 2
    layer = frame.layer(invoke(f"layers.ZeroPadding{rank}D", Lit(_short(amounts), "padding")), suffix="pad", name="conv")
    padded = frame.made(invoke(layer, x), (), ())
    return padded.storage.code


def _conv_layer(
    frame: Frame, weight: Value, bias: Value | None, rank: int, groups: int, depthwise: bool, channels: int,
    kernel: tuple[int, ...], options: dict[str, Any],
) -> tuple[Any, dict[str, tuple[Value, Axes]]]:  # fmt: skip
    size = Lit(_short(kernel), "kernel_size")
    bias_option = {"use_bias": Default(bias is not None, True)}
    held: dict[str, tuple[Value, Axes]] = {}
    axes = weight.logical
    if depthwise:
        split = matched(frame, weight, 0, axes_of((groups, channels // groups))[0] + axes_of((groups, channels // groups))[1])
        multiplier = channels // groups
        made = invoke(f"layers.DepthwiseConv{rank}D", size, depth_multiplier=Default(multiplier, 1), **options, **bias_option)
        outer = (split[0],) if split else axes[0]
        inner = tuple(split[1:]) if split and multiplier > 1 else ()
        held["kernel"] = (weight, (*axes[2:], outer, inner))
    else:
        name = "GroupedConv" if groups > 1 else "Conv"
        if groups > 1:
            frame.writer.parts.add(f"GroupedConv{rank}D")
        target = f"{name}{rank}D" if groups > 1 else f"layers.{name}{rank}D"
        made = invoke(target, Lit(channels, "filters"), size, **options, groups=Default(groups, 1), **bias_option)
        held["kernel"] = (weight, (*axes[2:], axes[1], axes[0]))
    if bias is not None:
        held["bias"] = (bias, bias.logical)
    return made, held


def _conv_function(frame: Frame, x: Any, weight: Value, bias: Value | None, rank: int, groups: int, options: Any) -> Any:
    """Return a convolution with a kernel that is no layer's own."""
    order = (*range(2, rank + 2), 1, 0)
    kernel = frame.ordered(weight, order)
    options = {name: value for name, value in options.items()}
    if groups > 1:
        frame.writer.parts.add("grouped_conv")
        made = invoke("grouped_conv", x, kernel, groups=groups, **options)
    else:
        made = invoke("ops.conv", x, kernel, **{**options, "padding": options["padding"].value})
    return code("{} + {}", made, frame.logical(bias)) if bias is not None else made


def transposed(rank: int) -> Rule:
    """Return the rule of ``conv_transpose1d``, ``2d`` or ``3d``."""

    def rule(frame: Frame, op: Op) -> Value:
        value, bare = images(frame, given(frame), rank)
        weight, bias = given(frame, "weight"), frame.tensor("bias")
        stride, dilation, padding, extra = (
            _pairs(op.arguments.get(name, default), rank)
            for name, default in (("stride", 1), ("dilation", 1), ("padding", 0), ("output_padding", 0))
        )
        groups = op.arguments.get("groups", 1)
        kernel = tuple(int(size) for size in weight.shape[2:])
        x = channels_last(frame, value)
        out_shape = frame.out()
        out = out_shape[1:] if bare else out_shape[2:]
        channels = int(weight.shape[1]) * groups
        simple = groups == 1 and set(dilation) == {1}
        same = all(k - s == 2 * p and e == 0 and (k - s) % 2 == 0 for k, s, p, e in zip(kernel, stride, padding, extra, strict=True))
        fits = all(e <= p for e, p in zip(extra, padding, strict=True))
        layer = None
        if simple and (same or fits) and frame.free(weight, bias):
            options: dict[str, Any] = {"strides": Default(_short(stride), 1), "padding": Default("same" if same else "valid", "valid")}
            if not same:
                options["output_padding"] = Lit(0, "output_padding")
            made = invoke(f"layers.Conv{rank}DTranspose", Lit(channels, "filters"), Lit(_short(kernel), "kernel_size"), **options, use_bias=Default(bias is not None, True))
            axes = weight.logical
            held: dict[str, tuple[Value, Axes]] = {"kernel": (weight, (*axes[2:], axes[1], axes[0]))}
            if bias is not None:
                held["bias"] = (bias, bias.logical)
            layer = frame.layer(made, held)
        if layer is not None:
            result = _call(frame, layer, x)
            if not same and any(padding):
                crops = tuple((p, p - e) for p, e in zip(padding, extra, strict=True))
                inner = frame.made(result, (), ()).storage.code
                spans = [f"{a or ''}:{-b if b else ''}" for a, b in crops]
                result = code("{}[:, {}]", inner, ", ".join(spans))
        else:
            frame.writer.parts.add("conv_transpose")
            kernel_code = frame.ordered(weight, (*range(2, rank + 2), 1, 0))
            result = invoke(
                "conv_transpose", x, kernel_code, strides=stride, padding=padding, output_padding=extra, dilation=Default(dilation, (1,) * rank), groups=Default(groups, 1),
            )  # fmt: skip
            if bias is not None:
                result = code("{} + {}", result, frame.logical(bias))
        return unbatched(spatial(frame, value, result, channels, out), bare)

    return rule


def batch_norm(frame: Frame, op: Op) -> Value:
    """``batch_norm``: a layer over the channel axis wherever it lies."""
    value = frame.settled_weight(given(frame))
    weight, bias, mean, variance = (frame.tensor(name) for name in ("weight", "bias", "running_mean", "running_var"))
    training = frame.by_mode(op.arguments.get("training", True))
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
            return kept(frame, value, order, _call(frame, layer, x))
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
    made = code("batch_norm({}, {}, {}, {}, {}, {}, axis={}, epsilon={})", x, *codes, mode, Lit(axis, "axis"), Lit(epsilon, "epsilon"))
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
        made = invoke("layers.LayerNormalization", axis=Default(axis, -1), epsilon=Default(epsilon, 1e-3), center=Default(bias is not None, True))
        held = {"gamma": (weight, tuple(weight.logical[i] for i in lying))}
        if bias is not None:
            held["beta"] = (bias, tuple(bias.logical[i] for i in lying))
        layer = frame.layer(made, held, name="layer_norm")
        if layer is not None:
            return kept(frame, value, order, _call(frame, layer, x))
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
    found = kept(frame, value, order, invoke("rms_normalise", x, axis=Lit(axes, "axis"), epsilon=Default(epsilon, None)))
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
        made = invoke("layers.GroupNormalization", groups=Default(groups, 32), axis=Default(axis, -1), epsilon=Default(epsilon, 1e-3))
        layer = frame.layer(made, {"gamma": (weight, weight.logical), "beta": (bias, bias.logical)}, name="group_norm")
        if layer is not None:
            return kept(frame, value, order, _call(frame, layer, x))
    return _grouped(frame, value, groups, epsilon, weight, bias)


def _grouped(frame: Frame, value: Value, groups: int, epsilon: float, weight: Value | None, bias: Value | None) -> Value:
    frame.writer.parts.add("group_normalise")
    x, order = frame.whole(value)
    axis = order.index(1)
    axis = -1 if axis == value.rank - 1 else axis
    codes = ["None" if part is None else frame.logical(part) for part in (weight, bias)]
    made = invoke("group_normalise", x, Lit(groups, "groups"), Many((codes[0],)) if isinstance(codes[0], str) else codes[0], Many((codes[1],)) if isinstance(codes[1], str) else codes[1], axis=Default(axis, -1), epsilon=Lit(epsilon, "epsilon"))
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
    return kept(frame, value, order, _call(frame, layer, x))


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
            made = invoke("PaddedEmbedding", Lit(weight.shape[0], "input_dim"), Lit(weight.shape[1], "output_dim"), padding=padding)
        layer = frame.layer(made, {"embeddings": (weight, weight.logical)}, name="embedding")
        if layer is not None:
            return frame.made(_call(frame, layer, x), logical, physical)
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
        layer = frame.layer(invoke("layers.Dropout", Lit(rate, "rate"), noise_shape=Lit(shape, "noise_shape")), name="dropout")
        frame.writer.draws.append(tuple(order or ()))
        return kept(frame, value, order or [], _call(frame, layer, x))
    if op.op in ("alpha_dropout", "feature_alpha_dropout"):
        shape = tuple(None if axis < 2 else 1 for axis in order or ()) if op.op.startswith("feature") else None
        options = {"noise_shape": Lit(shape, "noise_shape")} if shape else {}
        layer = frame.layer(invoke("layers.AlphaDropout", Lit(rate, "rate"), **options), name="dropout")
        frame.writer.draws.append(tuple(order or ()))
        return kept(frame, value, order or [], _call(frame, layer, x))
    layer = frame.layer(invoke("layers.Dropout", Lit(rate, "rate")), name="dropout")
    frame.writer.draws.append(drawn(value))
    return like(frame, value, _call(frame, layer, x))



def attention(frame: Frame, op: Op) -> Value:
    """``scaled_dot_product_attention``, written out."""
    names = ("query", "key", "value")
    query, keys, values = (frame.settled_weight(operand(frame, op.arguments[name], frame.dtype())) for name in names)
    if op.arguments.get("enable_gqa"):
        times = int(query.shape[-3]) // int(keys.shape[-3])
        keys, values = (_heads(frame, each, times) for each in (keys, values))
    rank = query.rank
    letters = "abcdefg"[: rank - 2]
    from dualnet.backends.keras.write_math import contraction, product

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
        weights = like(frame, weights, _call(frame, layer, lies(frame, weights)))
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


def prelu(frame: Frame, op: Op) -> Value:
    """``prelu``: a slope for all, or one a channel."""
    value, weight = frame.settled_weight(given(frame)), given(frame, "weight")
    shape = [1] * value.rank
    if weight.shape and weight.shape[0] != 1:
        shape[1] = weight.shape[0]
    slope = frame.view(weight, shape)
    (x, s), logical, physical = frame.aligned([value, slope])
    return frame.made(code("ops.where({} > 0, {}, {} * {})", x, x, s, x), logical, physical)


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


LAYERS: dict[str, Rule] = {
    "_weight_norm": weight_norm,
    "linear": linear,
    **{f"conv{rank}d": convolution(rank) for rank in (1, 2, 3)},
    **{f"conv_transpose{rank}d": transposed(rank) for rank in (1, 2, 3)},
    "conv_transpose2d": transposed(2),
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "embedding": embedding,
    "embedding_bag": embedding_bag,
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"), dropout),
    "scaled_dot_product_attention": attention,
    "prelu": prelu,
}
__all__ = ["LAYERS", "fine"]
