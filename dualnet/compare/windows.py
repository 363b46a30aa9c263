"""What layers that read windows give, in NumPy, channels first: convolutions and pools, and how they are set wrong."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dualnet.backends.draws import Array

Pairs = tuple[tuple[int, int], ...]
FILLS = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pads(
    padding: Any, sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], wide: Sequence[int]
) -> Pairs:
    """Return how many cells are added before and after each axis; "same" and "valid" as both frameworks mean them."""
    if not isinstance(padding, str):
        return tuple((int(low), int(high)) for low, high in padding)
    if padding == "valid":
        return tuple((0, 0) for _ in sizes)
    found = []
    for size, k, s, d in zip(sizes, kernel, stride, wide, strict=True):
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        found.append((total, 0) if padding == "causal" else (total // 2, total - total // 2))
    return tuple(found)


def _read(x: Array, kernel: Sequence[int], stride: Sequence[int], wide: Sequence[int]) -> Array:
    """Return [N, C, *out, *kernel], a view."""
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, wide, strict=True)]
    rank = len(kernel)
    view = np.lib.stride_tricks.sliding_window_view(x, spans, tuple(range(2, 2 + rank)))
    steps = tuple(slice(None, None, s) for s in stride)
    taps = tuple(slice(None, None, d) for d in wide)
    return view[(slice(None), slice(None), *steps, *taps)]


def padded(x: Array, around: Pairs, mode: str = "zeros", value: float = 0.0) -> Array:
    """Return an array [N, C, *sizes] with cells added."""
    whole = ((0, 0), (0, 0), *around)
    if mode == "zeros":
        return np.pad(x, whole, constant_values=value)
    return np.pad(x, whole, FILLS[mode])  # type: ignore[call-overload,no-any-return]


def convolved(
    x: Array, weight: Array, bias: Array | None, stride: Sequence[int], wide: Sequence[int], groups: int
) -> Array:
    """Return a convolution of a padded input; ``weight`` [O, I / groups, *kernel]."""
    rank = weight.ndim - 2
    read = _read(x, weight.shape[2:], stride, wide)
    parts = []
    for part, own in zip(np.split(read, groups, 1), np.split(weight, groups, 0), strict=True):
        axes = (1, *range(2 + rank, 2 + 2 * rank))
        parts.append(np.moveaxis(np.tensordot(part, own, (axes, tuple(range(1, 2 + rank)))), -1, 1))
    made = np.concatenate(parts, 1)
    return made if bias is None else made + bias.reshape(-1, *(1,) * rank)


def convolutions(
    x: Array, out: Array, w: dict[str, Array], settings: dict[str, Any], *, brief: bool = False, most: int = 8
) -> Iterator[tuple[dict[str, str], Array]]:
    """Yield what a convolution gives that is set, or whose kernel lies, in one of the ways that people get wrong.

    ``brief``: only paddings, strides and dilations that give outputs of the size of ``out``. The first ``most`` output
    channels tell, where groups do not part them.
    """
    weight, bias = w["weight"], w.get("bias")
    kernel, rank = weight.shape[2:], weight.ndim - 2
    groups = x.shape[1] // weight.shape[1]
    for stride, wide, around, mode in _ways(x, kernel, settings, out.shape[2:]):
        set_ = {"padding side": str(around), "padding mode": mode, "stride": str(stride), "dilation": str(wide)}
        for name, own, shift in _kernels(weight, bias, rank):
            if not (brief and name) and own.shape[1] * groups == x.shape[1]:
                count = len(own) if groups > 1 else most
                cut = None if shift is None else shift[:count]
                yield set_ | name, convolved(padded(x, around, mode), own[:count], cut, stride, wide, groups)


def _kernels(weight: Array, bias: Array | None, rank: int) -> Iterator[tuple[dict[str, str], Array, Array | None]]:
    yield {}, weight, bias
    if bias is not None:
        yield {"bias dropped": "no bias"}, weight, None
    if rank == 2 and weight.shape[2] == weight.shape[3]:
        yield {"spatial kernel transposed": "its two axes exchanged"}, weight.swapaxes(2, 3), bias
    if weight.shape[0] == weight.shape[1]:
        yield {"kernel transposed": "inputs and outputs exchanged"}, weight.swapaxes(0, 1), bias
    flipped = weight[(slice(None), slice(None), *(slice(None, None, -1),) * rank)]
    yield {"kernel flipped": "mirrored"}, flipped, bias


def _ways(x: Array, kernel: Sequence[int], settings: dict[str, Any], out: Sequence[int]) -> Iterator[Any]:
    """Yield strides, dilations, paddings and modes that give outputs of a size."""
    strides, wides = ({tuple(settings[key]), (1,) * len(kernel), (2,) * len(kernel)} for key in ("stride", "dilation"))
    for stride, wide in itertools.product(sorted(strides), sorted(wides)):
        totals = []
        for size, k, s, d, o in zip(x.shape[2:], kernel, stride, wide, out, strict=True):
            least = (o - 1) * s + (k - 1) * d + 1 - size
            totals.append([total for total in range(max(least, 0), max(least, -1) + s) if total <= (k - 1) * d + s])
        for total in itertools.product(*totals):
            sides = [[(low, t - low) for low in range(t + 1)] for t in total]
            for around in itertools.product(*sides):
                yield stride, wide, around, "zeros"
                if any(map(any, around)):
                    for mode in ("reflect", "replicate", "circular"):
                        if mode != "reflect" or all(max(a) < size for a, size in zip(around, x.shape[2:], strict=True)):
                            yield stride, wide, around, mode


def pools(x: Array, out: Array, settings: dict[str, Any]) -> Iterator[tuple[dict[str, str], Array]]:
    """Yield what a pool gives: the largest or the mean, padding counted or not, on each side."""
    kernel, stride = settings["kernel"], settings["stride"]
    totals = []
    for size, k, s, o in zip(x.shape[2:], kernel, stride, out.shape[2:], strict=True):
        least = (o - 1) * s + k - size
        totals.append(range(max(least, 0), max(least, -1) + s))
    for total in itertools.product(*totals):
        for around in itertools.product(*[[(low, t - low) for low in range(t + 1)] for t in total]):
            axes = tuple(range(2 + len(kernel), 2 + 2 * len(kernel)))
            ones = (1,) * len(kernel)
            label = {"padding side": str(around)}
            zeros = _read(padded(x, around), kernel, stride, ones)
            least_ = _read(padded(x, around, value=-np.inf), kernel, stride, ones)
            counts = _read(padded(np.ones_like(x), around), kernel, stride, ones).sum(axes)
            yield {**label, "pooling kind": "largest"}, least_.max(axes)
            yield {**label, "pooling kind": "mean", "pad counted": "yes"}, zeros.mean(axes)
            if any(map(any, around)):
                yield {**label, "pooling kind": "mean", "pad counted": "no"}, zeros.sum(axes) / np.maximum(counts, 1)
                yield {**label, "pooling kind": "largest", "padding mode": "zeros"}, zeros.max(axes)
