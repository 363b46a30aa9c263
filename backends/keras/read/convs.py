"""Convolutions, channels first inside explicit permutations, with TensorFlow's padding."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from dualnet.backends.keras.read.sheet import Sheet

Pads = list[tuple[int, int]]


def inward(s: Sheet, x: Any, last: bool) -> Any:
    """Write the channels to axis 1, if they are last."""
    rank = len(x.shape)
    return s.permute(x, (0, rank - 1, *range(1, rank - 1))) if last else x


def outward(s: Sheet, x: Any, last: bool) -> Any:
    """Write the channels back to the last axis."""
    return s.permute(x, (0, *range(2, len(x.shape)), 1)) if last else x


def is_last(data_format: str | None) -> bool:
    """Return whether channels are last."""
    return (data_format or keras.config.image_data_format()) == "channels_last"


def each(value: Any, n: int) -> tuple[int, ...]:
    """Return a number for each of ``n`` axes."""
    return (int(value),) * n if isinstance(value, (int, np.integer)) else tuple(int(v) for v in value)


def pads(
    padding: str, sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Pads:
    """Return what is padded before and after each axis: "same" puts the odd one after."""
    if padding == "valid":
        return [(0, 0) for _ in sizes]
    totals = []
    for size, k, step, d in zip(sizes, kernel, stride, dilation, strict=True):
        reach = d * (k - 1) + 1
        totals.append(reach - 1 if padding == "causal" else max((-(-size // step) - 1) * step + reach - size, 0))
    return [(total, 0) if padding == "causal" else (total // 2, total - total // 2) for total in totals]


def flat(around: Pads) -> tuple[int, ...]:
    """Return pads as ATen counts them: the last axis first."""
    return tuple(n for pair in reversed(around) for n in pair)


def unless(default: int, **values: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Return the arguments that are not the default on every axis."""
    return {name: tuple(value) for name, value in values.items() if any(v != default for v in value)}


def convolve(
    s: Sheet, x: Any, kernel: Any, bias: Any, strides: Any, padding: str, data_format: str | None, dilation: Any,
    depthwise: bool = False, names: tuple[str, str] = ("weight", "bias"),
) -> Any:  # fmt: skip
    """Write a convolution by a kernel in Keras's layout."""
    n = len(kernel.shape) - 2
    x, last = s.tensor(x), is_last(data_format)
    stride, dilation = each(strides, n), each(dilation, n)
    weight = _kernel(s, kernel, depthwise, names[0])
    x = inward(s, x, last)
    groups = x.shape[1] // int(weight.shape[1])
    around = pads(padding, x.shape[2:], kernel.shape[:n], stride, dilation)
    even = all(a == b for a, b in around)
    if not even:
        x = s("constant_pad_nd", x, pad=flat(around))
    given = {} if bias is None else {"bias": _vector(s, bias, names[1])}
    given |= unless(1, stride=stride) | (unless(0, padding=[a for a, _ in around]) if even else {})
    given |= unless(1, dilation=dilation) | ({} if groups == 1 else {"groups": groups})
    return outward(s, s(f"conv{n}d", x, weight=weight, **given), last)


def _kernel(s: Sheet, kernel: Any, depthwise: bool, name: str) -> Any:
    n = len(kernel.shape) - 2
    order = (n, n + 1, *range(n)) if depthwise else (n + 1, n, *range(n))
    into = (kernel.shape[n] * kernel.shape[n + 1], 1, *kernel.shape[:n]) if depthwise else None
    if isinstance(kernel, keras.Variable):
        return s.weight(kernel, name, order, into)
    made = s.permute(s.tensor(kernel), order)
    return made if into is None else s("reshape", made, shape=into)


def _vector(s: Sheet, bias: Any, name: str) -> Any:
    return s.weight(bias, name) if isinstance(bias, keras.Variable) else s.tensor(bias)


def deconvolve(
    s: Sheet, x: Any, kernel: Any, bias: Any, strides: Any, padding: str, output_padding: Any,
    data_format: str | None, dilation: Any, out: Sequence[int],
) -> Any:  # fmt: skip
    """Write a transposed convolution; ``out`` are the sizes it must give, which TensorFlow cuts asymmetrically."""
    n = len(kernel.shape) - 2
    x, last = s.tensor(x), is_last(data_format)
    stride, dilation = each(strides, n), each(dilation, n)
    order = (n + 1, n, *range(n))
    weight = s.weight(kernel, "weight", order) if isinstance(kernel, keras.Variable) else s.permute(kernel, order)
    x = inward(s, x, last)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel.shape[:n], strict=True)]
    full = [(size - 1) * step + r for size, step, r in zip(x.shape[2:], stride, reach, strict=True)]
    cut = [pads("same", [o], [r], [t], [1])[0][0] if padding == "same" else 0
           for o, r, t in zip(out, reach, stride, strict=True)]  # fmt: skip
    rest = [o - (f - 2 * c) for o, f, c in zip(out, full, cut, strict=True)]
    inside = all(0 <= r < max(t, d) for r, t, d in zip(rest, stride, dilation, strict=True))
    given = unless(1, stride=stride) | unless(0, padding=cut) | (unless(0, output_padding=rest) if inside else {})
    given |= unless(1, dilation=dilation)
    held = {} if bias is None else {"bias": _vector(s, bias, "bias")}
    if inside:
        return outward(s, s(f"conv_transpose{n}d", x, weight=weight, **held, **given), last)
    made = s("constant_pad_nd", s(f"conv_transpose{n}d", x, weight=weight, **given), pad=flat([(0, r) for r in rest]))
    made = outward(s, made, last)
    return made if bias is None else s("add", made, other=_spread(s, held["bias"], made, last))


def _spread(s: Sheet, bias: Any, x: Any, last: bool) -> Any:
    return bias if last else s("reshape", bias, shape=(1, bias.shape[0], *(1,) * (len(x.shape) - 2)))


def conv(s: Sheet, op: Any, x: Any, kernel: Any) -> Any:
    """Write ``keras.ops.conv``."""
    return convolve(s, x, kernel, None, op.strides, op.padding, op.data_format, op.dilation_rate)


def depthwise_conv(s: Sheet, op: Any, x: Any, kernel: Any) -> Any:
    """Write ``keras.ops.depthwise_conv``."""
    return convolve(s, x, kernel, None, op.strides, op.padding, op.data_format, op.dilation_rate, depthwise=True)


def separable_conv(s: Sheet, op: Any, x: Any, deep: Any, point: Any) -> Any:
    """Write ``keras.ops.separable_conv``."""
    x = convolve(s, x, deep, None, op.strides, op.padding, op.data_format, op.dilation_rate, True)
    return convolve(s, x, point, None, 1, "valid", op.data_format, 1)


def conv_transpose(s: Sheet, op: Any, x: Any, kernel: Any) -> Any:
    """Write ``keras.ops.conv_transpose``."""
    shape = op.compute_output_spec(s.tensor(x), kernel).shape
    out = shape[1:-1] if is_last(op.data_format) else shape[2:]
    return deconvolve(
        s, x, kernel, None, op.strides, op.padding, op.output_padding, op.data_format, op.dilation_rate, out
    )


CONVS: dict[str, Callable[..., Any]] = {
    "Conv": conv,
    "DepthwiseConv": depthwise_conv,
    "SeparableConv": separable_conv,
    "ConvTranspose": conv_transpose,
}
