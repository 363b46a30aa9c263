"""Rules: noise, scales, products and moves as constructor calls of ``keras.layers``, or of layers of ours."""

from collections.abc import Callable
from typing import Any

from dualnet.backends.call import Call, call, unless
from dualnet.backends.keras.sequences import held
from dualnet.specs import moves as M
from dualnet.specs import noise as N
from dualnet.specs import products as P
from dualnet.specs import scales as K

Made = Call | list[Call]


def _alpha(layer: N._AlphaDropout, place: Any) -> Call:
    channels = {"channels": place.reads[0].axis(1)} if isinstance(layer, N.FeatureAlphaDropout) else {}
    return call("noise.AlphaDropout", rate=layer.rate, affine=layer.affine(), **channels)


def _prelu(layer: K.PReLU, place: Any) -> Call:
    return call("scales.PReLU", place.reads[0].axes, **held(place.step))


def _rms(layer: K.RMSNorm, place: Any) -> Call:
    first = len(place.shape) - layer.axes
    over = [place.reads[0].axes.index(axis) + 1 for axis in range(first, len(place.shape))]
    order = [axis - first for axis in place.reads[0].axes if axis >= first]
    return call("scales.RMSNorm", sorted(over), order, **unless(None, epsilon=layer.epsilon), **held(place.step))


def _axis(layer: Any, place: Any) -> dict[str, int]:
    return {"axis": place.reads[0].axis(layer.dim)}


def _affine(layer: K.Normalization, place: Any) -> Call:
    scale, offset = layer.affine()
    return call("scales.Affine", scale=scale, offset=offset, **_axis(layer, place))


def _dot(layer: P.Dot, place: Any) -> Call:
    own = {"normalize": True, "epsilon": layer.epsilon} if layer.normalize else {}
    return call("scales.Dot", left=layer.left, right=layer.right, **own)


def _permute(layer: M.Permute, place: Any) -> Call:
    """Return one permutation from where the input's axes lie to where the output's do."""
    read = place.reads[0].axes
    return call("layers.Permute", tuple(read.index(layer.dims[axis] - 1) + 1 for axis in place.gives.axes))


RULES: dict[type[Any], Callable[[Any, Any], Made]] = {
    N.AlphaDropout: _alpha,
    N.FeatureAlphaDropout: _alpha,
    N.GaussianNoise: lambda layer, place: call("noise.GaussianNoise", std=layer.std),
    N.GaussianDropout: lambda layer, place: call("noise.GaussianDropout", rate=layer.rate),
    N.RReLU: lambda layer, place: call("noise.RReLU", lower=layer.lower, upper=layer.upper),
    K.PReLU: _prelu,
    K.GLU: lambda layer, place: call("scales.GLU", **_axis(layer, place)),
    K.Softmin: lambda layer, place: call("scales.Softmin", **_axis(layer, place)),
    K.RMSNorm: _rms,
    K.UnitNormalization: lambda layer, place: call(
        "scales.UnitNormalization", **_axis(layer, place), epsilon=layer.epsilon
    ),
    K.Normalization: _affine,
    K.Rescaling: lambda layer, place: call("scales.Affine", scale=(layer.scale,), offset=(layer.offset,), axis=-1),
    P.Dot: _dot,
    P.PairwiseDistance: lambda layer, place: call("scales.PairwiseDistance", norm=layer.norm, epsilon=layer.epsilon),
    P.Bilinear: lambda layer, place: call("scales.Bilinear", **held(place.step)),
    M.Permute: _permute,
    M.RepeatVector: lambda layer, place: call("layers.RepeatVector", layer.times),
}
HELD = (K.PReLU, K.RMSNorm, P.Bilinear)
