"""Rules: noise, scales, products and moves as constructor calls of ``torch.nn``, or of what stands for it."""

from collections.abc import Callable
from typing import Any

from dualnet.backends.call import Call, call, unless
from dualnet.specs import moves as M
from dualnet.specs import noise as N
from dualnet.specs import products as P
from dualnet.specs import scales as K

Shape = tuple[int, ...]


def _alpha(layer: N._AlphaDropout, key: int | None) -> Call:
    if key is None:
        return call(f"nn.{type(layer).__name__}", layer.rate)
    features = unless(False, features=isinstance(layer, N.FeatureAlphaDropout))
    return call("noise.AlphaDropout", layer.rate, layer.affine(), key=key, **features)


def _rrelu(layer: N.RReLU, key: int | None) -> Call:
    return call("nn.RReLU" if key is None else "noise.RReLU", layer.lower, layer.upper, **unless(None, key=key))


def _prelu(layer: K.PReLU, shape: Shape) -> Call:
    if layer.slopes == "entries":
        return call("scales.EntryPReLU", *shape)
    return call("nn.PReLU", **unless(1, num_parameters=shape[0] if layer.slopes == "channels" else 1))


def _rms(layer: K.RMSNorm, shape: Shape) -> Call:
    options = unless(None, eps=layer.epsilon) | unless(True, elementwise_affine=layer.affine)
    return call("nn.RMSNorm", shape[-layer.axes :], **options)


def _dot(layer: P.Dot, shape: Shape) -> Call:
    options = unless(False, normalize=layer.normalize) | unless(1e-12, epsilon=layer.epsilon)
    return call("scales.Dot", layer.left, layer.right, **options)


RULES: dict[type[Any], Callable[[Any, Shape], Call]] = {
    K.PReLU: _prelu,
    K.GLU: lambda layer, shape: call("nn.GLU", layer.dim),
    K.Softmin: lambda layer, shape: call("nn.Softmin", layer.dim),
    K.RMSNorm: _rms,
    K.UnitNormalization: lambda layer, shape: call("scales.UnitNormalization", layer.dim, layer.epsilon),
    K.Normalization: lambda layer, shape: call("scales.Affine", *layer.affine(), layer.dim),
    K.Rescaling: lambda layer, shape: call("scales.Affine", (layer.scale,), (layer.offset,)),
    P.Dot: _dot,
    P.PairwiseDistance: lambda layer, shape: call("scales.PairwiseDistance", layer.norm, layer.epsilon),
    M.Permute: lambda layer, shape: call("scales.Permute", *layer.dims),
    M.RepeatVector: lambda layer, shape: call("scales.RepeatVector", layer.times),
    M.Unflatten: lambda layer, shape: call("nn.Unflatten", layer.dim, layer.sizes),
}
# Layers that draw take a key by which to share what they draw.
DRAWS: dict[type[Any], Callable[[Any, int | None], Call]] = {
    N.AlphaDropout: _alpha,
    N.FeatureAlphaDropout: _alpha,
    N.GaussianNoise: lambda layer, key: call("noise.GaussianNoise", layer.std, **unless(None, key=key)),
    N.GaussianDropout: lambda layer, key: call("noise.GaussianDropout", layer.rate, **unless(None, key=key)),
    N.RReLU: _rrelu,
}
