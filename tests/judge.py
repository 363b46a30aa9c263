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
from tests.judge_spatial import RULES as SPATIAL
from tests.sequence_judge import SEQUENCES, dropped
from tests.transform_judge import NOISES, PAIRS, TRANSFORMS, noisy


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
    if isinstance(layer, (S.Dropout, *CHANNELS)):
        return _dropout(layer, step, inputs[0], mask) if training else inputs[0]
    if isinstance(layer, (*BATCH, *INSTANCE)):
        return (_batch_norm if isinstance(layer, BATCH) else _instance)(layer, inputs[0], own(step, weights), training)
    if type(layer) in NOISES:
        return noisy(layer, step, inputs[0], training, mask)
    if isinstance(layer, tuple(JOINS)):
        return np.asarray(JOINS[type(layer)](layer, inputs))
    if type(layer) in SEQUENCES:
        return SEQUENCES[type(layer)](layer, step, inputs, dict(own(step, weights)), dropped(step, mask, training))
    return np.asarray(RULES[type(layer)](layer, inputs[0], own(step, weights)))


BATCH = (S.BatchNorm1d, S.BatchNorm2d, S.BatchNorm3d)
INSTANCE = (S.InstanceNorm1d, S.InstanceNorm2d, S.InstanceNorm3d)
CHANNELS = (S.Dropout1d, S.Dropout2d, S.Dropout3d)


def _dropout(layer: Any, step: Step, x: Array, mask: tuple[int, int]) -> Array:
    shape = x.shape if isinstance(layer, S.Dropout) else (*x.shape[:2], *(1 for _ in x.shape[2:]))
    drawn = masks.uniforms(masks.key(mask[0], step.owner), mask[1], int(np.prod(shape)))
    kept = drawn.reshape(shape) >= layer.rate
    return np.where(kept, x / (1 - layer.rate), 0.0)


def _columns(values: Any, rank: int) -> Any:
    return np.reshape(values, (-1, *[1] * (rank - 2)))


def _batch_norm(layer: Any, x: Array, w: Own, training: bool) -> Array:
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    mean, variance = (x.mean(axes), x.var(axes)) if training else (w["running_mean"], w["running_var"])
    made = (x - _columns(mean, x.ndim)) / np.sqrt(_columns(variance, x.ndim) + layer.epsilon)
    return made * _columns(w["weight"], x.ndim) + _columns(w["bias"], x.ndim) if layer.affine else made


def _instance(layer: Any, x: Array, w: Own, training: bool) -> Array:
    axes = tuple(range(2, x.ndim))
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    if layer.track_running_stats and not training:
        mean, variance = (_columns(w[name], x.ndim) for name in ("running_mean", "running_var"))
    made = (x - mean) / np.sqrt(variance + layer.epsilon)
    return made * _columns(w["weight"], x.ndim) + _columns(w["bias"], x.ndim) if layer.affine else made


def statistics(spec: S.Spec, inputs: Arrays, weights: Arrays, layers: Arrays) -> Arrays:
    """Return the running statistics after a training step, by the framework whose rule is meant."""
    found = {name: weights[name] for name, parameter in spec.parameters.items() if not parameter.trainable}

    def visit(step: Step, arguments: list[Any]) -> Any:
        layer: Any = step.layer
        if isinstance(layer, BATCH) or (isinstance(layer, INSTANCE) and layer.track_running_stats):
            names = f"{step.owner}.running_mean", f"{step.owner}.running_var"
            rule = _moved_by_torch if isinstance(layer, BATCH) else _moved_by_instances
            rule = _moved_by_keras if getattr(layer, "running_variance", "") == "biased" else rule
            after = rule(layer, arguments[0], *(found[n] for n in names))
            found.update(zip(names, after, strict=True))
        return layers[step.path]

    walk(spec.graph, list(inputs.values()), visit)
    return found


def _moved_by_torch(layer: Any, x: Array, mean: Array, variance: Array) -> tuple[Array, Array]:
    moved = torch.tensor(mean), torch.tensor(variance)
    F.batch_norm(torch.tensor(x), *moved, training=True, momentum=layer.momentum)
    return moved[0].numpy(), moved[1].numpy()


def _moved_by_instances(layer: Any, x: Array, mean: Array, variance: Array) -> tuple[Array, Array]:
    moved = torch.tensor(mean), torch.tensor(variance)
    F.instance_norm(torch.tensor(x), *moved, use_input_stats=True, momentum=layer.momentum)
    return moved[0].numpy(), moved[1].numpy()


def _moved_by_keras(layer: Any, x: Array, mean: Array, variance: Array) -> tuple[Array, Array]:
    import keras

    stock = keras.layers.BatchNormalization(momentum=1 - layer.momentum, center=False, scale=False, dtype="float64")
    stock.build((None, x.shape[1]))
    stock.set_weights([mean, variance])
    stock(keras.ops.convert_to_tensor(np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])), training=True)
    return stock.moving_mean.numpy(), stock.moving_variance.numpy()


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
    **SPATIAL,
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
RULES |= TRANSFORMS
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
