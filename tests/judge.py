"""An independent judge of each layer: NumPy formulas, ``torch.nn.functional``, or stock TensorFlow where that is meant.

So that both backends cannot be wrong together. Images come and go as (N, C, H, W), as everywhere.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import special

from dualnet import specs as S
from dualnet.backends import masks
from dualnet.backends.protocol import Array, Arrays
from dualnet.backends.walk import walk
from dualnet.specs.graph import Step
from tests.other_judge import NOISES, OTHERS, PAIRS, noisy
from tests.sequence_judge import SEQUENCES, dropped


class Own(dict[str, Any]):
    """A layer's own parameters by their short names; None for those it has not."""

    def __missing__(self, name: str) -> None:
        return None


def own(step: Step, weights: Arrays) -> Own:
    prefix = f"{step.owner}."
    return Own({name.removeprefix(prefix): array for name, array in weights.items() if name.startswith(prefix)})


def judge(step: Step, inputs: list[Array], weights: Arrays, training: bool, mask: tuple[int, int]) -> Array:
    """Return what a layer's docstring promises for these inputs; ``mask`` is dropout's (seed, step)."""
    layer: Any = step.layer
    if isinstance(layer, S.Dropout):
        return _dropout(layer, step, inputs[0], mask) if training else inputs[0]
    if isinstance(layer, (S.BatchNorm1d, S.BatchNorm2d)):
        return _batch_norm(layer, inputs[0], own(step, weights), training)
    if type(layer) in NOISES:
        return noisy(layer, step, inputs[0], training, mask)
    if isinstance(layer, tuple(JOINS)):
        return np.asarray(JOINS[type(layer)](layer, inputs))
    if type(layer) in SEQUENCES:
        return SEQUENCES[type(layer)](layer, step, inputs, dict(own(step, weights)), dropped(step, mask, training))
    return np.asarray(RULES[type(layer)](layer, inputs[0], own(step, weights)))


def _dropout(layer: S.Dropout, step: Step, x: Array, mask: tuple[int, int]) -> Array:
    kept = masks.uniforms(masks.key(mask[0], step.owner), mask[1], x.size).reshape(x.shape) >= layer.rate
    return np.where(kept, x / (1 - layer.rate), 0.0)


def _columns(values: Any, rank: int) -> Any:
    return np.reshape(values, (-1, *[1] * (rank - 2)))


def _batch_norm(layer: Any, x: Array, w: Own, training: bool) -> Array:
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    mean, variance = (x.mean(axes), x.var(axes)) if training else (w["running_mean"], w["running_var"])
    made = (x - _columns(mean, x.ndim)) / np.sqrt(_columns(variance, x.ndim) + layer.epsilon)
    return made * _columns(w["weight"], x.ndim) + _columns(w["bias"], x.ndim) if layer.affine else made


def statistics(spec: S.Spec, inputs: Arrays, weights: Arrays, layers: Arrays) -> Arrays:
    """Return the running statistics after a training step, by the framework whose rule is meant."""
    found = {name: weights[name] for name, parameter in spec.parameters.items() if not parameter.trainable}

    def visit(step: Step, arguments: list[Any]) -> Any:
        if isinstance(step.layer, (S.BatchNorm1d, S.BatchNorm2d)):
            names = f"{step.owner}.running_mean", f"{step.owner}.running_var"
            biased = step.layer.running_variance == "biased"
            after = (_moved_by_keras if biased else _moved_by_torch)(
                step.layer, arguments[0], *(found[n] for n in names)
            )
            found.update(zip(names, after, strict=True))
        return layers[step.path]

    walk(spec.graph, list(inputs.values()), visit)
    return found


def _moved_by_torch(layer: Any, x: Array, mean: Array, variance: Array) -> tuple[Array, Array]:
    moved = torch.tensor(mean), torch.tensor(variance)
    F.batch_norm(torch.tensor(x), *moved, training=True, momentum=layer.momentum)
    return moved[0].numpy(), moved[1].numpy()


def _moved_by_keras(layer: Any, x: Array, mean: Array, variance: Array) -> tuple[Array, Array]:
    import keras

    stock = keras.layers.BatchNormalization(momentum=1 - layer.momentum, center=False, scale=False, dtype="float64")
    stock.build((None, x.shape[1]))
    stock.set_weights([mean, variance])
    stock(keras.ops.convert_to_tensor(np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])), training=True)
    return stock.moving_mean.numpy(), stock.moving_variance.numpy()


def _conv(layer: S.Conv2d, x: Array, w: Own) -> Any:
    if layer.padding == "same":
        return _conv_same(layer, x, w)
    bias = torch.tensor(w["bias"]) if layer.bias else None
    options = layer.stride, layer.padding, layer.dilation, layer.groups
    return F.conv2d(torch.tensor(x), torch.tensor(w["weight"]), bias, *options)


def _conv_same(layer: S.Conv2d, x: Array, w: Own) -> Array:
    """TensorFlow's own convolution, a group at a time, on kernels whose dilation is written out as zeros."""
    import tensorflow as tf

    size = [d * (k - 1) + 1 for d, k in zip(layer.dilation, layer.kernel, strict=True)]
    kernel = np.zeros((*w["weight"].shape[:2], *size))
    kernel[:, :, :: layer.dilation[0], :: layer.dilation[1]] = w["weight"]
    groups = zip(np.split(x, layer.groups, 1), np.split(kernel, layer.groups, 0), strict=True)
    made = [tf.nn.conv2d(a.transpose(0, 2, 3, 1), k.transpose(2, 3, 1, 0), layer.stride, "SAME") for a, k in groups]
    out = np.concatenate([part.numpy().transpose(0, 3, 1, 2) for part in made], 1)
    return out + _columns(w["bias"], 4) if layer.bias else out


def _avg_pool(layer: S.AvgPool2d, x: Array, w: Own) -> Any:
    options = layer.kernel, layer.stride, layer.padding, layer.ceil_mode, layer.count_include_pad
    return F.avg_pool2d(torch.tensor(x), *options)


def _max_pool(layer: S.MaxPool2d, x: Array, w: Own) -> Any:
    return F.max_pool2d(torch.tensor(x), layer.kernel, layer.stride, layer.padding, 1, layer.ceil_mode)


def _adaptive(layer: S.AdaptiveAvgPool2d, x: Array, w: Own) -> Array:
    (h, v), (rows, columns) = x.shape[2:], layer.size
    spans = [[(i * n // o, -(-(i + 1) * n // o)) for i in range(o)] for n, o in ((h, rows), (v, columns))]
    means = [[x[:, :, a:b, c:d].mean((2, 3)) for c, d in spans[1]] for a, b in spans[0]]
    return np.moveaxis(np.array(means), (0, 1), (2, 3))


def _layer_norm(layer: S.LayerNorm, x: Array, w: Own) -> Array:
    axes = tuple(range(-layer.axes, 0))
    made = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + layer.epsilon)
    return made * w["weight"] + w["bias"] if layer.affine else made


def _group_norm(layer: S.GroupNorm, x: Array, w: Own) -> Any:
    given = [None if w[name] is None else torch.tensor(w[name]) for name in ("weight", "bias")]
    return F.group_norm(torch.tensor(x), layer.groups, *given, layer.epsilon)


def _gelu(layer: S.GELU, x: Array, w: Own) -> Any:
    tanh = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    return x * (special.ndtr(x) if layer.approximate == "none" else 0.5 * (1 + tanh))


def _halve(layer: S.Halve, x: Array, w: Own) -> Array:
    while np.abs(x).sum() > layer.limit:
        x = x / 2
    return x


def _softplus(layer: S.Softplus, x: Array) -> Array:
    return np.asarray(np.log1p(np.exp(layer.beta * x)) / layer.beta)


RULES: dict[type[S.Layer], Callable[[Any, Array, Own], Any]] = {
    S.Linear: lambda layer, x, w: x @ w["weight"].T + (w["bias"] if layer.bias else 0.0),
    S.Conv2d: _conv,
    S.MaxPool2d: _max_pool,
    S.AvgPool2d: _avg_pool,
    S.AdaptiveAvgPool2d: _adaptive,
    S.LayerNorm: _layer_norm,
    S.GroupNorm: _group_norm,
    S.Flatten: lambda layer, x, w: x.reshape(len(x), -1),
    S.Reshape: lambda layer, x, w: x.reshape(len(x), *layer.shape),
    S.Sum: lambda layer, x, w: x.sum(layer.dim, keepdims=True),
    S.Halve: _halve,
    S.ReLU: lambda layer, x, w: np.maximum(x, 0) - layer.shift,
    S.LeakyReLU: lambda layer, x, w: np.where(x > 0, x, layer.slope * x),
    S.ELU: lambda layer, x, w: np.where(x > 0, x, layer.alpha * np.expm1(x)),
    S.GELU: _gelu,
    S.Sigmoid: lambda layer, x, w: special.expit(x),
    S.Hardsigmoid: lambda layer, x, w: np.clip(x + 3, 0, 6) / 6,
    S.Tanh: lambda layer, x, w: np.tanh(x),
    S.SiLU: lambda layer, x, w: x * special.expit(x),
    S.Softmax: lambda layer, x, w: special.softmax(x, layer.dim),
    S.LogSoftmax: lambda layer, x, w: special.log_softmax(x, layer.dim),
}
RULES |= {
    S.SELU: lambda layer, x, w: F.selu(torch.from_numpy(x)).numpy(),
    S.CELU: lambda layer, x, w: np.maximum(x, 0) + np.minimum(0, layer.alpha * np.expm1(x / layer.alpha)),
    S.Softplus: lambda layer, x, w: (
        np.where(layer.beta * x > layer.threshold, x, _softplus(layer, x)) if layer.threshold else _softplus(layer, x)
    ),
    S.Softsign: lambda layer, x, w: x / (1 + np.abs(x)),
    S.Hardtanh: lambda layer, x, w: np.clip(x, layer.low, layer.high),
    S.Hardswish: lambda layer, x, w: x * np.clip(x + 3, 0, 6) / 6,
    S.LogSigmoid: lambda layer, x, w: special.log_expit(x),
    S.Tanhshrink: lambda layer, x, w: x - np.tanh(x),
    S.Softshrink: lambda layer, x, w: np.sign(x) * np.maximum(np.abs(x) - layer.limit, 0),
    S.Hardshrink: lambda layer, x, w: np.where(np.abs(x) > layer.limit, x, 0),
    S.Threshold: lambda layer, x, w: np.where(x > layer.limit, x, layer.value),
    S.Mish: lambda layer, x, w: x * np.tanh(np.log1p(np.exp(x))),
    S.Exponential: lambda layer, x, w: np.exp(x),
    S.Identity: lambda layer, x, w: x,
}
RULES |= OTHERS
SEQUENCES |= PAIRS
JOINS: dict[type[S.Layer], Callable[[Any, list[Array]], Any]] = {
    S.Add: lambda layer, inputs: sum(inputs),
    S.Multiply: lambda layer, inputs: np.multiply(np.multiply(*inputs[:2]), inputs[2] if len(inputs) > 2 else 1.0),
    S.Subtract: lambda layer, inputs: inputs[0] - inputs[1],
    S.Average: lambda layer, inputs: sum(inputs) / len(inputs),
    S.Maximum: lambda layer, inputs: reduce(np.maximum, inputs),
    S.Minimum: lambda layer, inputs: reduce(np.minimum, inputs),
    S.Concat: lambda layer, inputs: np.concatenate(inputs, layer.dim),
}
