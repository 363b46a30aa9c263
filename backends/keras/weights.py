"""Weights: each of a spec's arrays as a variable of a live Keras layer, and the transposition between the two."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualnet.backends.keras.layers import Place
from dualnet.backends.own import yours
from dualnet.specs import layers as L

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
    if yours("keras", place.step):
        return Carrier(name, _same, _same)
    if isinstance(layer, L.Linear):
        return _dense(place) if name == "weight" else Carrier("bias", _same, _same)
    if isinstance(layer, L.Conv2d):
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


def _kernel(layer: L.Conv2d, channels: int) -> Carrier:
    """(O, I/g, kh, kw) ↔ (kh, kw, I/g, O); depthwise (I·m, 1, kh, kw) ↔ (kh, kw, I, m)."""
    if layer.groups == channels > 1:
        split = (channels, layer.channels // channels, *layer.kernel)
        joined = (layer.channels, 1, *layer.kernel)
        return Carrier(
            "kernel",
            lambda w: w.reshape(split).transpose(2, 3, 0, 1),
            lambda k: k.transpose(2, 3, 0, 1).reshape(joined),
        )
    return Carrier("kernel", lambda w: w.transpose(2, 3, 1, 0), lambda k: k.transpose(3, 2, 0, 1))


def _normalised(layer: L.LayerNorm, place: Place, variable: str) -> Carrier:
    """The axes of the scale follow the layout: (C, H, W) ↔ (H, W, C)."""
    rank = len(place.shape)
    kept = [axis - (rank - layer.axes) for axis in place.reads[0].axes if axis >= rank - layer.axes]
    return Carrier(variable, lambda w: w.transpose(kept), lambda g: g.transpose(np.argsort(kept)))
