"""The shape and data type that each ATen op gives back, from plain sizes: what a wire of a program must say."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

Shape = tuple[int, ...]
TRUTHS = {"eq", "ne", "lt", "le", "gt", "ge", "logical_not", "logical_and", "logical_or", "isnan", "isinf", "isfinite"}
TRUTHS |= {"any", "all", "logical_xor"}
PLACES = {"argmax", "argmin"}


def result(op: str, arguments: dict[str, Any]) -> tuple[Shape, str]:
    """Return the shape and data type of what ``op`` makes of ``arguments``, which are tensors and plain values."""
    rule = SHAPES.get(op)
    return (_broadcast(arguments) if rule is None else rule(arguments)), _dtype(op, arguments)


def _dtype(op: str, arguments: dict[str, Any]) -> str:
    if op in TRUTHS:
        return "bool"
    if arguments.get("dtype"):
        return str(arguments["dtype"])
    if op in PLACES:
        return "int64"
    if op == "embedding":
        return str(arguments["weight"].dtype)
    values = [v for name, v in arguments.items() if name not in ("condition", "index", "indices", "mask")]
    flat = [x for value in values for x in (value if isinstance(value, (tuple, list)) else [value])]
    types: list[Any] = [str(x.dtype) for x in flat if hasattr(x, "dtype")]
    types += [float] if isinstance(arguments.get("other"), float) else []
    return str(keras.backend.result_type(*types))


def _broadcast(arguments: dict[str, Any]) -> Shape:
    shapes = [v.shape for name, v in arguments.items() if name in OPERANDS and hasattr(v, "shape")]
    return tuple(int(size) for size in np.broadcast_shapes(*shapes))


OPERANDS = {"input", "other", "condition", "exponent", "inference", "training", "index", "mask", "end", "weight"}


def _same(arguments: dict[str, Any]) -> Shape:
    return tuple(arguments["input"].shape)


def _reduce(arguments: dict[str, Any]) -> Shape:
    shape, dims = list(arguments["input"].shape), arguments.get("dim")
    axes = range(len(shape)) if dims is None else [d % len(shape) for d in _several(dims)]
    keep = arguments.get("keepdim", False)
    return tuple(1 if i in axes else size for i, size in enumerate(shape) if keep or i not in axes)


def _several(value: Any) -> Sequence[int]:
    return value if isinstance(value, (tuple, list)) else (value,)


def _reshape(arguments: dict[str, Any]) -> Shape:
    given, total = list(arguments["shape"]), int(np.prod(arguments["input"].shape))
    if -1 in given:
        given[given.index(-1)] = total // max(1, -int(np.prod(given)))
    return tuple(given)


def _cat(arguments: dict[str, Any]) -> Shape:
    tensors, dim = arguments["tensors"], arguments.get("dim", 0)
    shape = list(tensors[0].shape)
    shape[dim] = sum(t.shape[dim] for t in tensors)
    return tuple(shape)


def _stack(arguments: dict[str, Any]) -> Shape:
    shape, dim = list(arguments["tensors"][0].shape), arguments.get("dim", 0)
    shape.insert(dim if dim >= 0 else dim + len(shape) + 1, len(arguments["tensors"]))
    return tuple(shape)


def _slice(arguments: dict[str, Any]) -> Shape:
    shape, dim = list(arguments["input"].shape), arguments.get("dim", 0)
    chosen = slice(arguments.get("start"), arguments.get("end"), arguments.get("step", 1))
    shape[dim] = len(range(*chosen.indices(shape[dim])))
    return tuple(shape)


def _without(arguments: dict[str, Any]) -> Shape:
    shape = list(arguments["input"].shape)
    del shape[arguments["dim"]]
    return tuple(shape)


def _unsqueeze(arguments: dict[str, Any]) -> Shape:
    shape, dim = list(arguments["input"].shape), arguments["dim"]
    shape.insert(dim if dim >= 0 else dim + len(shape) + 1, 1)
    return tuple(shape)


def _squeeze(arguments: dict[str, Any]) -> Shape:
    shape = arguments["input"].shape
    gone = [d % len(shape) for d in _several(arguments.get("dim", tuple(range(len(shape)))))]
    return tuple(size for i, size in enumerate(shape) if not (i in gone and size == 1))


def _pad(arguments: dict[str, Any]) -> Shape:
    shape, pad = list(arguments["input"].shape), arguments["pad"]
    for i in range(len(pad) // 2):
        shape[-1 - i] += pad[2 * i] + pad[2 * i + 1]
    return tuple(shape)


def _matmul(arguments: dict[str, Any]) -> Shape:
    left, right = arguments["input"].shape, arguments["other"].shape
    if len(left) == 1 or len(right) == 1:
        return (*left[:-1], *right[:-2], *right[-1:]) if len(right) > 1 else tuple(left[:-1])
    batch = tuple(int(size) for size in np.broadcast_shapes(left[:-2], right[:-2]))
    return (*batch, left[-2], right[-1])


def _linear(arguments: dict[str, Any]) -> Shape:
    return (*arguments["input"].shape[:-1], arguments["weight"].shape[0])


def _embedding(arguments: dict[str, Any]) -> Shape:
    return (*arguments["indices"].shape, arguments["weight"].shape[-1])


def _einsum(arguments: dict[str, Any]) -> Shape:
    left, out = arguments["equation"].split("->")
    sizes: dict[str, int] = {}
    for letters, tensor in zip(left.split(","), arguments["tensors"], strict=True):
        sizes |= dict(zip(letters, tensor.shape, strict=True))
    return tuple(sizes[letter] for letter in out)


def _conv(arguments: dict[str, Any]) -> Shape:
    shape, kernel = arguments["input"].shape, arguments["weight"].shape
    n = len(kernel) - 2
    stride, padding, dilation = (_per(arguments, k, n, d) for k, d in (("stride", 1), ("padding", 0), ("dilation", 1)))
    sizes = [(shape[i + 2] + 2 * padding[i] - dilation[i] * (kernel[i + 2] - 1) - 1) // stride[i] + 1 for i in range(n)]
    return (shape[0], kernel[0], *sizes)


def _deconv(arguments: dict[str, Any]) -> Shape:
    shape, kernel = arguments["input"].shape, arguments["weight"].shape
    n = len(kernel) - 2
    stride, padding, extra = (
        _per(arguments, k, n, d) for k, d in (("stride", 1), ("padding", 0), ("output_padding", 0))
    )
    reach = [d * (k - 1) + 1 for d, k in zip(_per(arguments, "dilation", n, 1), kernel[2:], strict=True)]
    sizes = [(shape[i + 2] - 1) * stride[i] - 2 * padding[i] + reach[i] + extra[i] for i in range(n)]
    return (shape[0], kernel[1] * arguments.get("groups", 1), *sizes)


def _pool(arguments: dict[str, Any]) -> Shape:
    shape, kernel = arguments["input"].shape, arguments["kernel_size"]
    n = len(kernel)
    stride, padding = arguments.get("stride", kernel), _per(arguments, "padding", n, 0)
    up = arguments.get("ceil_mode", False)
    spans = [shape[i - n] + 2 * padding[i] - kernel[i] for i in range(n)]
    sizes = [(-(-span // s) if up else span // s) + 1 for span, s in zip(spans, stride, strict=True)]
    return (*shape[:-n], *sizes)


def _per(arguments: dict[str, Any], name: str, n: int, default: int) -> Sequence[int]:
    return tuple(arguments.get(name, (default,) * n))


def _sized(name: str) -> Callable[[dict[str, Any]], Shape]:
    def rule(arguments: dict[str, Any]) -> Shape:
        return tuple(arguments[name])

    return rule


def _resized(name: str) -> Callable[[dict[str, Any]], Shape]:
    def rule(arguments: dict[str, Any]) -> Shape:
        sizes = tuple(arguments[name])
        return (*arguments["input"].shape[: -len(sizes)], *sizes)

    return rule


def _permute(arguments: dict[str, Any]) -> Shape:
    return tuple(arguments["input"].shape[d] for d in arguments["dims"])


def _transpose(arguments: dict[str, Any]) -> Shape:
    shape = list(arguments["input"].shape)
    one, other = arguments["dim0"], arguments["dim1"]
    shape[one], shape[other] = shape[other], shape[one]
    return tuple(shape)


def _repeat(arguments: dict[str, Any]) -> Shape:
    shape = list(arguments["input"].shape)
    shape[arguments["dim"]] *= arguments["repeats"]
    return tuple(shape)


def _tile(arguments: dict[str, Any]) -> Shape:
    shape, dims = arguments["input"].shape, arguments["dims"]
    rank = max(len(shape), len(dims))
    full = [(1,) * (rank - len(v)) + tuple(v) for v in (shape, dims)]
    return tuple(a * b for a, b in zip(*full, strict=True))


def _index_select(arguments: dict[str, Any]) -> Shape:
    shape = list(arguments["input"].shape)
    shape[arguments["dim"]] = arguments["index"].shape[0]
    return tuple(shape)


def _gather(arguments: dict[str, Any]) -> Shape:
    return tuple(arguments["index"].shape)


def _one_hot(arguments: dict[str, Any]) -> Shape:
    return (*arguments["input"].shape, arguments["num_classes"])


def _expand(arguments: dict[str, Any]) -> Shape:
    shape, size = arguments["input"].shape, arguments["size"]
    shape = (1,) * (len(size) - len(shape)) + tuple(shape)
    return tuple(s if want == -1 else want for s, want in zip(shape, size, strict=True))


SHAPES: dict[str, Callable[[dict[str, Any]], Shape]] = {
    **dict.fromkeys(
        ("sum", "mean", "amax", "amin", "var", "std", "logsumexp", "any", "all", "argmax", "argmin"), _reduce
    ),
    **dict.fromkeys(("prod", "linalg_vector_norm"), _reduce),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _conv),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _deconv),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d"), _pool),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"), _resized("output_size")),
    **dict.fromkeys(
        ("upsample_nearest2d", "upsample_bilinear2d", "_upsample_nearest_exact2d"), _resized("output_size")
    ),
    **dict.fromkeys(("batch_norm", "layer_norm", "group_norm", "rms_norm", "softmax", "prelu", "dropout"), _same),
    **dict.fromkeys(("zeros", "ones", "rand", "randn", "full"), _sized("size")),
    "reshape": _reshape,
    "permute": _permute,
    "transpose": _transpose,
    "unsqueeze": _unsqueeze,
    "squeeze": _squeeze,
    "expand": _expand,
    "cat": _cat,
    "stack": _stack,
    "slice": _slice,
    "select": _without,
    "constant_pad_nd": _pad,
    "reflection_pad2d": _pad,
    "matmul": _matmul,
    "linear": _linear,
    "embedding": _embedding,
    "einsum": _einsum,
    "repeat_interleave": _repeat,
    "tile": _tile,
    "index_select": _index_select,
    "gather": _gather,
    "one_hot": _one_hot,
    **dict.fromkeys(("to", "spectral_step"), _same),
}
