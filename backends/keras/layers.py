"""Rules: each layer of a spec as constructor calls of ``keras.layers``, trivial ones a line of the table.

A layer becomes one call, or a short chain where Keras splits what PyTorch does at once.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from dualnet.backends import own
from dualnet.backends.call import Call, call, unless
from dualnet.backends.keras import sequences, spatial, transforms
from dualnet.backends.keras.place import Place
from dualnet.specs import activations as A
from dualnet.specs import channels as C
from dualnet.specs import layers as L
from dualnet.specs.moves import Unflatten


def lower(place: Place) -> list[Call]:
    """Return the calls that make a step's layers, in order; the one that holds its weights bears the step's name."""
    if type(place.step.layer) in sequences.RULES:
        made = sequences.RULES[type(place.step.layer)](place.step.layer, place.step, place.gives.axes)
        return made if isinstance(made, list) else [made]
    if type(place.step.layer) not in RULES:
        shapes = zip(place.step.in_shapes, place.reads, strict=True)
        return [own.lower("keras", place.step, tuple(tuple(s[axis] for axis in read.axes) for s, read in shapes))]
    made = RULES[type(place.step.layer)](place.step.layer, place)
    return made if isinstance(made, list) else [made]


def _linear(layer: L.Linear, place: Place) -> Call:
    return call("layers.Dense", layer.features, **unless(True, use_bias=layer.bias, trainable=layer.trainable))


def _batch_norm(layer: L._BatchNorm, place: Place) -> Call:
    axis = place.reads[0].axis(1)
    options = unless(len(place.shape), axis=axis) | unless(0.99, momentum=1.0 - layer.momentum)
    options |= (
        unless(1e-3, epsilon=layer.epsilon) | unless(True, center=layer.affine) | unless(True, scale=layer.affine)
    )
    unbiased = layer.running_variance == "unbiased"
    return call("bridges.UnbiasedBatchNormalization" if unbiased else "layers.BatchNormalization", **options)


def _layer_norm(layer: L.LayerNorm, place: Place) -> Call:
    axes = [place.reads[0].axis(-1 - index) for index in range(layer.axes)]
    options = unless(1e-3, epsilon=layer.epsilon) | unless(True, center=layer.affine) | unless(True, scale=layer.affine)
    return call("layers.LayerNormalization", **unless([len(place.shape)], axis=sorted(axes)), **options)


def _group_norm(layer: L.GroupNorm, place: Place) -> Call:
    options = unless(32, groups=layer.groups) | unless(len(place.shape), axis=place.reads[0].axis(1))
    options |= (
        unless(1e-3, epsilon=layer.epsilon) | unless(True, center=layer.affine) | unless(True, scale=layer.affine)
    )
    return call("layers.GroupNormalization", **options)


def _back(place: Place) -> list[Call]:
    """Return the permutation from memory to the spec's order, if they differ."""
    axes = place.reads[0].axes
    return (
        []
        if axes == tuple(range(len(axes)))
        else [call("layers.Permute", tuple(axes.index(a) + 1 for a in range(len(axes))))]
    )


def _flatten(layer: L.Flatten, place: Place) -> list[Call]:
    same = place.shape[0] == 1 or set(place.shape[1:]) <= {1}
    return [*([] if place.gives.image or same else _back(place)), call("layers.Flatten")]


def _reshape(layer: L.Reshape | Unflatten, place: Place) -> list[Call]:
    shape, axes = place.step.out_shapes[0], place.gives.axes
    forth = [] if axes == tuple(range(len(axes))) else [call("layers.Permute", tuple(axis + 1 for axis in axes))]
    return [*_back(place), call("layers.Reshape", shape), *forth]


def _along(target: str) -> Callable[[Any, Place], Call]:
    return lambda layer, place: call(target, **unless(-1, axis=place.reads[0].axis(layer.dim)))


def _relu(layer: L.ReLU, place: Place) -> Call:
    return call("bridges.ShiftedReLU", layer.shift) if layer.shift else call("layers.ReLU")


def _activation(name: str) -> Callable[[Any, Place], Call]:
    return lambda layer, place: call("layers.Activation", name)


def _gelu(layer: L.GELU, place: Place) -> Call:
    return call("bridges.GELU", **unless(False, approximate=layer.approximate == "tanh"))


FORMULAS = (
    *(A.SELU, A.CELU, A.Softplus, A.Softsign, A.Hardtanh, A.Hardswish, A.LogSigmoid),
    *(A.Tanhshrink, A.Softshrink, A.Hardshrink, A.Threshold, A.Mish, A.Exponential),
)


def _total(name: str) -> Callable[[L.Layer, Place], Call]:
    """Return the rule of a sum: the stock layer where shapes are alike."""

    def rule(layer: L.Layer, place: Place) -> Call:
        alike = len(set(place.step.in_shapes)) == 1
        return call(f"layers.{name}" if alike else f"bridges.Broadcast{name}")

    return rule


def _formula(layer: Any, place: Place) -> Call:
    """Return the class of ours that has the spec's name and the spec's fields."""
    own = {field.name: getattr(layer, field.name) for field in fields(layer) if field.name not in ("name", "inputs")}
    return call(f"activations.{type(layer).__name__}", **own)


RULES: dict[type[L.Layer], Callable[[Any, Place], Call | list[Call]]] = {
    L.Linear: _linear,
    **spatial.RULES,
    L.BatchNorm1d: _batch_norm,
    L.BatchNorm2d: _batch_norm,
    C.BatchNorm3d: _batch_norm,
    L.LayerNorm: _layer_norm,
    L.GroupNorm: _group_norm,
    L.Dropout: lambda layer, place: call("layers.Dropout", layer.rate),
    L.Flatten: _flatten,
    L.Reshape: _reshape,
    L.Add: _total("Add"),
    L.Subtract: lambda layer, place: call("layers.Subtract"),
    L.Multiply: lambda layer, place: call("layers.Multiply"),
    L.Average: _total("Average"),
    L.Maximum: lambda layer, place: call("bridges.Maximum"),
    L.Minimum: lambda layer, place: call("bridges.Minimum"),
    L.Concat: _along("layers.Concatenate"),
    L.Sum: _along("bridges.Sum"),
    L.Halve: lambda layer, place: call("bridges.Halve", layer.limit),
    L.ReLU: _relu,
    L.LeakyReLU: lambda layer, place: call("bridges.LeakyReLU", layer.slope),
    L.ELU: lambda layer, place: call("layers.ELU", **unless(1.0, alpha=layer.alpha)),
    L.GELU: _gelu,
    L.Sigmoid: _activation("sigmoid"),
    L.Hardsigmoid: _activation("hard_sigmoid"),
    L.Tanh: _activation("tanh"),
    L.SiLU: _activation("silu"),
    **dict.fromkeys(FORMULAS, _formula),
    A.Identity: lambda layer, place: call("layers.Identity"),
    **transforms.RULES,
    Unflatten: _reshape,
    L.Softmax: _along("layers.Softmax"),
    L.LogSoftmax: _along("bridges.LogSoftmax"),
}
