"""Weights: each of a spec's arrays as a variable of a live Keras layer, and the transposition between the two."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualnet.backends import check
from dualnet.backends.keras import sequences, transforms
from dualnet.backends.keras.convs import depthwise
from dualnet.backends.keras.layout import layouts
from dualnet.backends.keras.place import Place
from dualnet.backends.own import yours
from dualnet.backends.precision import plain
from dualnet.backends.protocol import Array, Arrays
from dualnet.specs import convs as V
from dualnet.specs import layers as L
from dualnet.specs.embedding import _Table
from dualnet.specs.spec import Spec

VARIABLES = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


@dataclass(frozen=True)
class Carrier:
    """Where a parameter lives, and how its array turns into the variable's and back."""

    variable: str
    to_keras: Callable[[Any], Any]
    to_spec: Callable[[Any], Any]


def _same(array: Any) -> Any:
    return array


def carrier(place: Place, name: str) -> Carrier:
    """Return the carrier of a step's parameter."""
    layer = place.step.layer
    if yours("keras", place.step) or type(layer) in transforms.HELD:
        return Carrier(name, _same, _same)
    if type(layer) in sequences.RULES:
        return Carrier("_embeddings" if isinstance(layer, _Table) else name, _same, _same)
    if isinstance(layer, L.Linear):
        return _dense(place) if name == "weight" else Carrier("bias", _same, _same)
    if isinstance(layer, (L._Conv, V._ConvTranspose)):
        return _kernel(layer, place.shape[0]) if name == "weight" else Carrier("bias", _same, _same)
    if isinstance(layer, L.LayerNorm):
        return _normalised(layer, place, VARIABLES[name])
    return Carrier(VARIABLES[name], _same, _same)


def _dense(place: Place) -> Carrier:
    """(out, in) ↔ (in, out), the rows in the physical order of what the layer reads."""
    if place.reads[0].image is None:
        return Carrier("kernel", np.transpose, np.transpose)
    order = place.reads[0].order()
    back = np.argsort(order)
    return Carrier("kernel", lambda w: w[:, order].T, lambda k: k[back].T)


def _kernel(layer: L._Conv | V._ConvTranspose, channels: int) -> Carrier:
    """(O, I/g, *k) ↔ (*k, I/g, O), transposed ones alike; depthwise (I·m, 1, *k) ↔ (*k, I, m)."""
    places = range(2, 2 + layer.spatial)
    if not isinstance(layer, L._Conv) or not depthwise(layer, channels):
        order = (*places, 1, 0)
        return Carrier("kernel", lambda w: w.transpose(order), lambda k: k.transpose(np.argsort(order)))
    split, joined = (channels, -1, *layer.kernel), (layer.channels, 1, *layer.kernel)
    order = (*places, 0, 1)
    return Carrier(
        "kernel",
        lambda w: w.reshape(split).transpose(order),
        lambda k: k.transpose(np.argsort(order)).reshape(joined),
    )


def _normalised(layer: L.LayerNorm, place: Place, variable: str) -> Carrier:
    """The axes of the scale follow the layout: (C, H, W) ↔ (H, W, C)."""
    rank = len(place.shape)
    kept = [axis - (rank - layer.axes) for axis in place.reads[0].axes if axis >= rank - layer.axes]
    return Carrier(variable, lambda w: w.transpose(kept), lambda g: g.transpose(np.argsort(kept)))


def variables(model: Any, spec: Spec) -> dict[str, tuple[Any, Carrier]]:
    """Return every parameter and buffer of a live model, and its carrier, by the spec's names.

    Raises ``WeightsError`` if the model lacks one.
    """
    lie = layouts(spec.graph, [len(shape) for shape in spec.inputs.values()])
    steps = {step.path: step for step in spec.graph.leaves()}
    found = {}
    for name in spec.parameters:
        path, _, own = name.rpartition(".")
        carries = carrier(Place(steps[path], lie.reads[path], lie.gives[path]), own)
        variable = getattr(_layer(model, path), carries.variable, None)
        if not hasattr(variable, "assign"):
            check.lacks("keras", spec, name)
        found[name] = (variable, carries)
    return found


def _layer(model: Any, path: str) -> Any:
    for part in path.split("."):
        model = next((layer for layer in getattr(model, "layers", ()) if layer.name == part), None)
    return model


def weights(model: Any, spec: Spec) -> Arrays:
    """Return every parameter and buffer of a live model by the spec's names, copied."""
    return {name: np.ascontiguousarray(c.to_spec(plain(v.numpy()))) for name, (v, c) in variables(model, spec).items()}


def load(model: Any, spec: Spec, arrays: Mapping[str, Array]) -> None:
    """Put arrays by the spec's names into a live model: all of them, or none if one does not fit."""
    held = variables(model, spec)
    check.weights(spec, arrays)
    check.precision(spec, arrays, {name: variable.dtype for name, (variable, _) in held.items()})
    for name, (variable, carries) in held.items():
        variable.assign(carries.to_keras(np.asarray(arrays[name]).astype(variable.dtype)))
