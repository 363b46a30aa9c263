"""Pools: poolings and resizes of images, channels first inside explicit permutations, with TensorFlow's padding."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualnet.backends.keras.read.convs import Pads, each, flat, inward, is_last, outward, pads, unless
from dualnet.backends.keras.read.sheet import Sheet


def pool(s: Sheet, x: Any, kind: str, size: Any, strides: Any, padding: str, data_format: str | None) -> Any:
    """Write a pooling of kind "max" or "avg"; what is padded never counts."""
    x, last = s.tensor(x), is_last(data_format)
    n = len(x.shape) - 2
    kernel = each(size, n)
    stride = kernel if strides is None else each(strides, n)
    x = inward(s, x, last)
    around = pads(padding, x.shape[2:], kernel, stride, (1,) * n)
    given: dict[str, Any] = {"kernel_size": kernel, "stride": stride}
    op, ratio = f"{kind}_pool{n}d", None
    if all(a == b for a, b in around):
        given |= unless(0, padding=[a for a, _ in around])
        given |= {"count_include_pad": False} if kind == "avg" and "padding" in given else {}
    else:
        ratio = None if kind == "max" else _ratio(x.shape[2:], around, kernel, stride)
        x = s("constant_pad_nd", x, pad=flat(around), **({"value": float("-inf")} if kind == "max" else {}))
    made = s(op, x, **given)
    return outward(s, made if ratio is None else s("mul", made, other=s.constant(ratio.astype(x.dtype), "share")), last)


def _ratio(sizes: Sequence[int], around: Pads, kernel: Sequence[int], stride: Sequence[int]) -> Any:
    """Return, for each window, its size divided by how much of it lies on the input."""
    ratio = np.ones(())
    for size, (before, after), k, step in zip(sizes, around, kernel, stride, strict=True):
        inside = np.pad(np.ones(size), (before, after))
        counts = [inside[i : i + k].sum() for i in range(0, len(inside) - k + 1, step)]
        ratio = ratio[..., None] * (k / np.array(counts))
    return ratio


def _pool(kind: str) -> Callable[..., Any]:
    return lambda s, op, x: pool(s, x, kind, op.pool_size, op.strides, op.padding, op.data_format)


def _adaptive(kind: str) -> Callable[..., Any]:
    def rule(s: Sheet, op: Any, x: Any) -> Any:
        x, last = s.tensor(x), is_last(op.data_format)
        n = len(x.shape) - 2
        x, size = inward(s, x, last), each(op.output_size, n)
        if kind == "avg":
            return outward(s, s(f"adaptive_avg_pool{n}d", x, output_size=size), last)
        shape = (*x.shape[:2], *size)
        made = s.several(
            f"adaptive_max_pool{n}d", [(shape, x.dtype), (shape, "int64")], {"input": x, "output_size": size}
        )
        return outward(s, made[0], last)

    return rule


POOLS: dict[str, Callable[..., Any]] = {
    "MaxPool": _pool("max"),
    "AveragePool": _pool("avg"),
    "AdaptiveAveragePool": _adaptive("avg"),
    "AdaptiveMaxPool": _adaptive("max"),
}
