"""An independent judge of noise, scales, products and moves: NumPy's formulas, or ``torch.nn.functional``."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import special

from dualnet import specs as S
from dualnet.backends import masks
from dualnet.backends.protocol import Array
from dualnet.specs.graph import Step

Draw = Callable[..., Array]


def draws(step: Step, mask: tuple[int, int]) -> Draw:
    """Return U[0, 1) of a shape, as the step's layer draws them."""
    return lambda shape: masks.uniforms(masks.key(mask[0], step.owner), mask[1], int(np.prod(shape))).reshape(shape)


def _normal(drawn: Array) -> Array:
    return np.asarray(special.ndtri(drawn + 2.0**-54))


def _alpha(layer: Any, x: Array, draw: Draw) -> Array:
    """Klambauer et al.: with SELU's λ and α, dropped entries become -λα, and a and b restore mean and variance."""
    shape = (*x.shape[:2], *[1] * (x.ndim - 2)) if isinstance(layer, S.FeatureAlphaDropout) else x.shape
    fallen = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717
    q = 1 - layer.rate
    a = (q + fallen**2 * q * (1 - q)) ** -0.5
    return np.asarray(a * np.where(draw(shape) >= layer.rate, x, fallen) - a * fallen * (1 - q))


def _rrelu(layer: S.RReLU, x: Array, draw: Draw) -> Array:
    return np.where(x > 0, x, x * (layer.lower + (layer.upper - layer.lower) * draw(x.shape)))


NOISES: dict[type[S.Layer], Callable[[Any, Array, Draw], Array]] = {
    S.AlphaDropout: _alpha,
    S.FeatureAlphaDropout: _alpha,
    S.GaussianNoise: lambda layer, x, draw: x + layer.std * _normal(draw(x.shape)),
    S.GaussianDropout: lambda layer, x, draw: x * (1 + np.sqrt(layer.rate / (1 - layer.rate)) * _normal(draw(x.shape))),
    S.RReLU: _rrelu,
}


def noisy(layer: Any, step: Step, x: Array, training: bool, mask: tuple[int, int]) -> Array:
    """Return what a layer of noise makes of x."""
    if training:
        return NOISES[type(layer)](layer, x, draws(step, mask))
    return F.rrelu(torch.tensor(x), layer.lower, layer.upper).numpy() if isinstance(layer, S.RReLU) else x


def _column(values: Any, x: Array, dim: int) -> Array:
    shape = [1] * x.ndim
    shape[dim] = -1
    return np.reshape(values, shape)


def _prelu(layer: S.PReLU, x: Array, w: Any) -> Array:
    slopes = w["weight"] if layer.slopes == "entries" else _column(w["weight"], x, 1)
    return np.asarray(np.maximum(x, 0) + slopes * np.minimum(x, 0))


def _rms(layer: S.RMSNorm, x: Array, w: Any) -> Any:
    weight = torch.tensor(w["weight"]) if layer.affine else None
    return F.rms_norm(torch.tensor(x), x.shape[-layer.axes :], weight, layer.epsilon)


def _normalization(layer: S.Normalization, x: Array, w: Any) -> Array:
    mean = _column(layer.mean, x, layer.dim)
    deviation = np.maximum(np.sqrt(_column(layer.variance, x, layer.dim)), 1e-7)
    return np.asarray(x * deviation + mean if layer.invert else (x - mean) / deviation)


def _unflatten(layer: S.Unflatten, x: Array, w: Any) -> Any:
    return torch.tensor(x).unflatten(layer.dim, layer.sizes)


TRANSFORMS: dict[type[S.Layer], Callable[[Any, Array, Any], Any]] = {
    S.PReLU: _prelu,
    S.GLU: lambda layer, x, w: F.glu(torch.tensor(x), layer.dim),
    S.Softmin: lambda layer, x, w: special.softmax(-x, layer.dim),
    S.RMSNorm: _rms,
    S.UnitNormalization: lambda layer, x, w: (
        x / np.maximum(np.linalg.norm(x, axis=layer.dim, keepdims=True), layer.epsilon)
    ),
    S.Normalization: _normalization,
    S.Rescaling: lambda layer, x, w: x * layer.scale + layer.offset,
    S.Permute: lambda layer, x, w: x.transpose(0, *layer.dims),
    S.RepeatVector: lambda layer, x, w: np.repeat(x[:, None], layer.times, axis=1),
    S.Unflatten: _unflatten,
}


def _dot(layer: S.Dot, step: Step, inputs: list[Array], w: Any, drop: Any) -> Array:
    """Keras's own Dot, on what was normalised here."""
    import keras

    axes = [dim % x.ndim for dim, x in zip((layer.left, layer.right), inputs, strict=True)]
    if layer.normalize:
        norms = [np.linalg.norm(x, axis=axis, keepdims=True) for x, axis in zip(inputs, axes, strict=True)]
        inputs = [x / np.maximum(norm, layer.epsilon) for x, norm in zip(inputs, norms, strict=True)]
    return np.asarray(keras.layers.Dot(tuple(axes), dtype="float64")(inputs))


def _distance(layer: S.PairwiseDistance, step: Step, inputs: list[Array], w: Any, drop: Any) -> Array:
    x, y = (torch.tensor(each) for each in inputs)
    return F.pairwise_distance(x, y, layer.norm, layer.epsilon, keepdim=True).numpy()


def _bilinear(layer: S.Bilinear, step: Step, inputs: list[Array], w: Any, drop: Any) -> Array:
    bias = torch.tensor(w["bias"]) if layer.bias else None
    return F.bilinear(*(torch.tensor(each) for each in inputs), torch.tensor(w["weight"]), bias).numpy()


PAIRS: dict[type[S.Layer], Callable[..., Array]] = {
    S.Dot: _dot,
    S.PairwiseDistance: _distance,
    S.Bilinear: _bilinear,
}
