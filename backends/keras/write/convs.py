"""Convolutions, straight and transposed, as Keras's layers, or as functions of a kernel that is no layer's own."""

from typing import Any

from dualnet.backends.keras.write.each import conv_of_each
from dualnet.backends.keras.write.spatial import channels_last, images, pairs, short, spatial, unbatched
from dualnet.backends.source.code import Default, Lit, code, invoke
from dualnet.backends.source.form import Axes, Value, axes_of
from dualnet.backends.source.rules import Rule, given, matched
from dualnet.backends.source.writer import Frame
from dualnet.specs.program import Op, Sym


def convolution(rank: int) -> Rule:
    """Return the rule of ``conv1d``, ``conv2d`` or ``conv3d``."""

    def rule(frame: Frame, op: Op) -> Value:
        if isinstance(op.arguments.get("groups", 1), Sym):
            return conv_of_each(frame, op, rank)
        value, bare = images(frame, given(frame), rank)
        weight, bias = given(frame, "weight"), frame.tensor("bias")
        stride, dilation = (pairs(op.arguments.get(name, 1), rank) for name in ("stride", "dilation"))
        groups, padding = op.arguments.get("groups", 1), op.arguments.get("padding", 0)
        kernel = tuple(int(size) for size in weight.shape[2:])
        padding, pads = _padding(padding, rank, kernel, stride, dilation)
        x = channels_last(frame, value)
        out_shape = frame.out()
        out = out_shape[1:] if bare else out_shape[2:]
        channels = int(weight.shape[0])
        slow = max(stride) > 1 and max(dilation) > 1
        depthwise = groups > 1 and groups == value.shape[1] and rank < 3
        sliced = slow or (depthwise and len(set(stride)) > 1)
        options = {
            "strides": Default(1 if sliced else short(stride), 1),
            "padding": Default(padding, "valid"),
            "dilation_rate": Default(short(dilation), 1),
        }
        free = frame.free(weight, bias) and frame.dtype() != "complex"
        layer = None
        if free:
            made, held = _conv_layer(frame, weight, bias, rank, groups, depthwise, channels, kernel, options)
            if pads:
                x = _pad(frame, value, x, pads)
            layer = frame.layer(made, held)
        if layer is not None:
            result = invoke(layer, x)
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
    amounts = pairs(padding, rank)
    if not any(amounts):
        return "valid", ()
    reach = tuple(d * (k - 1) for d, k in zip(dilation, kernel, strict=True))
    if set(stride) == {1} and tuple(2 * amount for amount in amounts) == reach:
        return "same", ()
    return "valid", amounts


def _pad(frame: Frame, value: Value, x: Any, amounts: tuple[int, ...]) -> Any:
    """Write zero padding and return its result."""
    rank = value.rank - 2
    layer = frame.layer(invoke(f"layers.ZeroPadding{rank}D", Lit(short(amounts), "padding")), suffix="pad", name="conv")
    padded = frame.made(invoke(layer, x), (), ())
    return padded.storage.code


def _conv_layer(
    frame: Frame, weight: Value, bias: Value | None, rank: int, groups: int, depthwise: bool, channels: int,
    kernel: tuple[int, ...], options: dict[str, Any],
) -> tuple[Any, dict[str, tuple[Value, Axes]]]:  # fmt: skip
    size = Lit(short(kernel), "kernel_size")
    bias_option = {"use_bias": Default(bias is not None, True)}
    held: dict[str, tuple[Value, Axes]] = {}
    axes = weight.logical
    if depthwise:
        split = matched(
            frame, weight, 0, axes_of((groups, channels // groups))[0] + axes_of((groups, channels // groups))[1]
        )
        multiplier = channels // groups
        made = invoke(
            f"layers.DepthwiseConv{rank}D", size, depth_multiplier=Default(multiplier, 1), **options, **bias_option
        )
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


def _conv_function(
    frame: Frame, x: Any, weight: Value, bias: Value | None, rank: int, groups: int, options: Any
) -> Any:
    """Return a convolution with a kernel that is no layer's own."""
    order = (*range(2, rank + 2), 1, 0)
    kernel = frame.ordered(weight, order)
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
            pairs(op.arguments.get(name, default), rank)
            for name, default in (("stride", 1), ("dilation", 1), ("padding", 0), ("output_padding", 0))
        )
        groups = op.arguments.get("groups", 1)
        kernel = tuple(int(size) for size in weight.shape[2:])
        x = channels_last(frame, value)
        out_shape = frame.out()
        out = out_shape[1:] if bare else out_shape[2:]
        channels = int(weight.shape[1]) * groups
        simple = groups == 1 and set(dilation) == {1}
        same = all(
            k - s == 2 * p and e == 0 and (k - s) % 2 == 0
            for k, s, p, e in zip(kernel, stride, padding, extra, strict=True)
        )
        fits = all(e <= p for e, p in zip(extra, padding, strict=True))
        layer = None
        if simple and (same or fits) and frame.free(weight, bias):
            options: dict[str, Any] = {
                "strides": Default(short(stride), 1),
                "padding": Default("same" if same else "valid", "valid"),
            }
            if not same:
                options["output_padding"] = Lit(0, "output_padding")
            made = invoke(
                f"layers.Conv{rank}DTranspose",
                Lit(channels, "filters"),
                Lit(short(kernel), "kernel_size"),
                **options,
                use_bias=Default(bias is not None, True),
            )
            axes = weight.logical
            held: dict[str, tuple[Value, Axes]] = {"kernel": (weight, (*axes[2:], axes[1], axes[0]))}
            if bias is not None:
                held["bias"] = (bias, bias.logical)
            layer = frame.layer(made, held)
        if layer is not None:
            result = invoke(layer, x)
            if not same and any(padding):
                crops = tuple((p, p - e) for p, e in zip(padding, extra, strict=True))
                inner = frame.made(result, (), ()).storage.code
                spans = [f"{a or ''}:{-b if b else ''}" for a, b in crops]
                result = code("{}[:, {}]", inner, ", ".join(spans))
        else:
            frame.writer.parts.add("conv_transpose")
            kernel_code = frame.ordered(weight, (*range(2, rank + 2), 1, 0))
            result = invoke(
                "conv_transpose", x, kernel_code, strides=stride, padding=padding, output_padding=extra,
                dilation=Default(dilation, (1,) * rank), groups=Default(groups, 1),
            )  # fmt: skip
            if bias is not None:
                result = code("{} + {}", result, frame.logical(bias))
        return unbatched(spatial(frame, value, result, channels, out), bare)

    return rule


CONVS: dict[str, Rule] = {
    **{f"conv{rank}d": convolution(rank) for rank in (1, 2, 3)},
    **{f"conv_transpose{rank}d": transposed(rank) for rank in (1, 2, 3)},
    "conv_transpose2d": transposed(2),
}
