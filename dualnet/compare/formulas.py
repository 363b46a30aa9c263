"""What a layer gives by each of the formulas that people mean by its name, in NumPy: by which one does a side go?"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import ml_dtypes
import numpy as np
from scipy import special

from dualnet.backends.draws import Array
from dualnet.compare.sequences import recurrences
from dualnet.compare.windows import FILLS, convolutions, padded, pools

Label = dict[str, str]
Form = tuple[Label, Array]
EPSILONS = (1e-3, 1e-5, 1e-6, 1e-8, 1e-12, 0.0)


@dataclass(frozen=True)
class Layer:
    """What is known of a layer's work: its kind, what it read and gave (channels first), and how it is set."""

    kind: str
    x: Array
    out: Array
    weights: dict[str, Array] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    epsilons: tuple[float, ...] = ()
    images: frozenset[tuple[int, ...]] = frozenset()


def _erf_gelu(x: Array) -> Array:
    return np.asarray(0.5 * x * (1 + special.erf(x / np.sqrt(2))))


def _tanh_gelu(x: Array) -> Array:
    return np.asarray(0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))))


ENTRYWISE: dict[str, Callable[[Array], Array]] = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0))),
    "gelu": _erf_gelu,
    "gelu by tanh": _tanh_gelu,
    "gelu by sigmoid": lambda x: x * special.expit(1.702 * x),
    "silu": lambda x: x * special.expit(x),
    "sigmoid": special.expit,
    "hard sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "tanh": np.tanh,
    "softplus": lambda x: np.logaddexp(x, 0),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "exp": np.exp,
}


def entrywise(layer: Layer) -> Iterator[Form]:
    """Yield the usual activations, the leaky one by the slope that its output shows, softmax over each axis."""
    x, out = layer.x, layer.out
    for name, function in ENTRYWISE.items():
        label = {"activation": name.partition(" by ")[0]}
        yield label | ({"GELU form": name.partition(" by ")[2] or "erf"} if "gelu" in name else {}), function(x)
    if x.shape == out.shape and (x < 0).any():
        slope = float(np.median(out[x < 0] / x[x < 0]))
        if slope != 1.0 and (abs(slope) > 1e-12):
            yield {"activation": "leaky relu", "negative slope": f"{slope:.6g}"}, np.where(x > 0, x, slope * x)
        steep = float(np.median(out[x < 0] / np.expm1(x[x < 0])))
        yield (
            {"activation": "elu", "negative slope": f"{steep:.6g}"},
            np.where(x > 0, x, steep * np.expm1(np.minimum(x, 0))),
        )
    for axis in range(x.ndim):
        whole = x - special.logsumexp(x, axis, keepdims=True)
        yield {"activation": "softmax", "softmax axis": str(axis)}, np.exp(whole)
        yield {"activation": "log softmax", "softmax axis": str(axis)}, whole
    yield from scaled(layer)


def scaled(layer: Layer) -> Iterator[Form]:
    """Yield the input times the one number that fits best, and turned round along an axis."""
    x, out = layer.x, layer.out
    if x.shape != out.shape:
        return
    size = float((x * x).sum())
    if size:
        factor = float((x * out).sum()) / size
        yield {"scale": f"times {factor:.6g}"}, x * factor
    if x.ndim > 1 and x.shape[1] > 1:
        yield {"channel order": "reversed"}, x[:, ::-1]
    if x.ndim > 2 and x.shape[-1] > 1:
        yield {"channel order": "reversed"}, x[..., ::-1]


def _normalised(x: Array, mean: Array, variance: Array, epsilon: float, outside: bool) -> Array:
    spread = np.sqrt(variance) + epsilon if outside else np.sqrt(variance + epsilon)
    return np.asarray((x - mean) / spread)


def _statistics(layer: Layer) -> Iterator[tuple[Label, Array, Array]]:
    """Yield the means and variances by which a norm may divide."""
    x, w = layer.x, layer.weights
    channel = (1, -1, *(1,) * (x.ndim - 2))
    if layer.kind in ("batch norm", "instance norm"):
        if "running_mean" in w:
            yield {"mode": "running statistics"}, w["running_mean"].reshape(channel), w["running_var"].reshape(channel)
        axes: tuple[int, ...] = (0, *range(2, x.ndim))
        groups = [(axes, "batch statistics")] + ([(axes[1:], "each sample's statistics")] if x.ndim > 2 else [])
        for over, name in groups:
            yield {"mode": name}, x.mean(over, keepdims=True), x.var(over, keepdims=True)
        return
    if layer.kind == "group norm":
        for number in {int(layer.settings.get("groups", 1)), 1, 2, x.shape[1]}:
            if x.shape[1] % number == 0:
                parts = x.reshape(len(x), number, -1)
                mean, var = (np.repeat(f(2), x.shape[1] // number, 1).reshape(len(x), -1, *(1,) * (x.ndim - 2))
                             for f in (parts.mean, parts.var))  # fmt: skip
                yield {"groups": str(number)}, mean, var
        return
    for first in range(x.ndim):
        for over in sorted({tuple(range(first, x.ndim)), (first,)}):
            label = {"normalised axes": str(list(over))}
            mean = np.zeros_like(x) if layer.kind == "rms norm" else x.mean(over, keepdims=True)
            yield label, mean, ((x - mean) ** 2).mean(over, keepdims=True)
            count = int(np.prod([x.shape[axis] for axis in over]))
            if count > 1:
                yield (
                    label | {"biased variance": "unbiased"},
                    mean,
                    ((x - mean) ** 2).sum(over, keepdims=True) / (count - 1),
                )


def norms(layer: Layer) -> Iterator[Form]:
    """Yield a norm by each statistics, epsilon and place of epsilon."""
    x, w = layer.x, layer.weights
    spatial = layer.kind in ("batch norm", "group norm", "instance norm")
    shape = (1, -1, *(1,) * (x.ndim - 2)) if spatial else None
    gain, shift = (w[role].reshape(shape) if shape and role in w else w.get(role) for role in ("weight", "bias"))
    for label, mean, variance in _statistics(layer):
        for epsilon in dict.fromkeys((*layer.epsilons, *EPSILONS)):
            for outside in (False, True):
                made = _normalised(x, mean, variance, epsilon, outside)
                for dropped in (False, True):
                    if dropped and shift is None:
                        continue
                    whole = made if gain is None else made * gain
                    whole = whole if shift is None or dropped else whole + shift
                    name = {"epsilon": f"{epsilon:g}", "epsilon placement": "outside the root" if outside else "inside"}
                    yield label | name | ({"bias dropped": "no bias"} if dropped else {}), whole


def dense(layer: Layer) -> Iterator[Form]:
    """Yield a matrix product: its kernel transposed or not, with and without bias, of inputs as people feed them."""
    weight, bias = layer.weights["weight"], layer.weights.get("bias")
    kernels: list[tuple[Label, Array]] = [({}, weight)]
    kernels += [({"kernel transposed": "transposed"}, weight.T)] if len(set(weight.shape)) == 1 else []
    for label, own in kernels:
        for read, x in inputs(layer.x):
            yield label | read, x @ own.T if bias is None else x @ own.T + bias
    if bias is not None:
        yield {"bias dropped": "no bias"}, layer.x @ weight.T
    for name, x in _unrolled(layer):
        yield {"flatten order": name}, x @ weight.T if bias is None else x @ weight.T + bias
    yield from _stretched(layer, layer.x @ weight.T, bias)


def _unrolled(layer: Layer) -> Iterator[tuple[str, Array]]:
    """Yield rows that were flattened from images, in the other framework's order."""
    x = layer.x
    for channels, *sizes in layer.images if x.ndim == 2 else ():
        if channels * int(np.prod(sizes)) == x.shape[1]:
            rank = len(sizes)
            yield "channels last", np.moveaxis(x.reshape(len(x), channels, *sizes), 1, -1).reshape(x.shape)
            yield "channels first", np.moveaxis(x.reshape(len(x), *sizes, channels), 1 + rank, 1).reshape(x.shape)


def head(out: Array, made: Array) -> Array:
    """Return as many samples and channels of an output as a formula has made."""
    return out[: len(made), : made.shape[1]] if min(out.ndim, made.ndim) > 2 else out[: len(made)]


def inputs(x: Array) -> Iterator[tuple[Label, Array]]:
    """Yield an input as it is, through a narrower dtype, and with its channels turned round."""
    yield {}, x
    for name in ("float16", "bfloat16", "float32"):
        with np.errstate(over="ignore"):
            yield {"dtype cast": name}, x.astype(np.dtype(getattr(ml_dtypes, name, name))).astype(np.float64)
    axis = 1 if x.ndim > 2 else -1
    yield {"channel order": "reversed"}, np.flip(x, axis)


def _stretched(layer: Layer, product: Array, bias: Array | None) -> Iterator[Form]:
    """Yield a linear layer on its input times the one number that fits best."""
    shift = np.zeros(1) if bias is None else bias
    if bias is not None and layer.kind != "dense":
        shift = bias[: product.shape[1]].reshape(-1, *(1,) * (product.ndim - 2))
    out = head(layer.out, product)
    size = float((product * product).sum())
    if size and product.shape == out.shape:
        factor = float((product * (out - shift)).sum()) / size
        yield {"input scale": f"times {factor:.6g}"}, product * factor + shift


def convolution(layer: Layer) -> Iterator[Form]:
    """Yield a convolution, set or fed in each of the ways that people get wrong; two samples tell."""
    small = replace(layer, x=layer.x[:2], out=layer.out[:2])
    for read, x in inputs(small.x):
        for label, made in convolutions(x, small.out, layer.weights, layer.settings, brief=bool(read)):
            yield label | read, made
    weights = {role: w for role, w in layer.weights.items() if role != "bias"}
    for label, product in convolutions(small.x, small.out, weights, layer.settings, brief=True):
        for more, made in _stretched(small, product, layer.weights.get("bias")):
            yield label | more, made


def embedding(layer: Layer) -> Iterator[Form]:
    """Yield rows of a table, as they are and times the root of their length."""
    weight = layer.weights["weight"]
    rows = weight[np.clip(layer.x.astype(int), 0, len(weight) - 1)]
    yield {}, rows
    yield {"embedding scale": f"times √{weight.shape[1]}"}, rows * np.sqrt(weight.shape[1])


def dropped(layer: Layer) -> Iterator[Form]:
    """Yield an input as it is, and without the entries that the output shows to be dropped, the others scaled alike."""
    x, out = layer.x, layer.out
    yield {"mode": "nothing dropped"}, x
    if x.shape == out.shape and (out == 0).any() and (out != 0).any():
        kept = out != 0
        factor = float(np.median(out[kept] / x[kept]))
        label = (
            {"mode": "some dropped"} if layer.settings.get("evaluated") else {"dropout rate": f"{1 - 1 / factor:.6g}"}
        )
        yield label, np.where(kept, factor * x, 0.0)


def padding(layer: Layer) -> Iterator[Form]:
    """Yield an image with cells added on each side, of each mode."""
    spare = [made - size for size, made in zip(layer.x.shape[2:], layer.out.shape[2:], strict=True)]
    for sides in itertools.product(*[[(low, more - low) for low in range(more + 1)] for more in spare]):
        for mode in FILLS if any(map(any, sides)) else ("zeros",):
            if mode != "reflect" or all(max(each) < size for each, size in zip(sides, layer.x.shape[2:], strict=True)):
                yield {"padding side": str(sides), "padding mode": mode}, padded(layer.x, sides, mode)


def flattened(layer: Layer) -> Iterator[Form]:
    """Yield an image's entries in one row, channels first and channels last."""
    x = layer.x
    yield {"flatten order": "channels first"}, x.reshape(len(x), -1)
    yield {"flatten order": "channels last"}, np.moveaxis(x, 1, -1).reshape(len(x), -1)
    for axes in ((0, 1, 3, 2), (0, 3, 2, 1), (0, 2, 1, 3)) if x.ndim == 4 else ():
        yield {"flatten order": str(list(axes))}, x.transpose(axes).reshape(len(x), -1)


def _pool(layer: Layer) -> Iterator[Form]:
    return pools(layer.x, layer.out, layer.settings)


def _reduced(layer: Layer) -> Iterator[Form]:
    over = tuple(range(2, layer.x.ndim))
    for name, made in (("mean", layer.x.mean(over)), ("largest", layer.x.max(over)), ("sum", layer.x.sum(over))):
        yield {"pooling kind": name}, made.reshape(layer.out.shape) if made.size == layer.out.size else made


FORMULAS: dict[str, Callable[[Layer], Iterator[Form]]] = {
    "dense": dense,
    "convolution": convolution,
    "embedding": embedding,
    "pad": padding,
    "dropout": dropped,
    **dict.fromkeys(("lstm", "gru"), lambda layer: recurrences(layer.kind, layer.x, layer.out, layer.weights)),
    "flatten": flattened,
    "max pool": _pool,
    "average pool": _pool,
    "adaptive average pool": _reduced,
    "adaptive max pool": _reduced,
    **dict.fromkeys(("batch norm", "layer norm", "group norm", "rms norm", "instance norm"), norms),
}


def forms(layer: Layer) -> Iterator[Form]:
    """Yield every formula of a kind; of one that is not known, what entries alone can become."""
    yield from FORMULAS.get(layer.kind, entrywise)(layer)
