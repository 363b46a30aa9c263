"""Watching a ``keras.Model``: every call of a layer in it, and the activation that a layer applies by itself."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dualnet.backends.draws import Array
from dualnet.backends.keras.draws import swapped
from dualnet.backends.keras.kinds import ROLES, function_of, fused, kind_of, settings_of
from dualnet.backends.live import flattened
from dualnet.backends.watch import Calls, Seen

# What is one layer in the other framework too, and calls its parts once for every step or head.
WHOLE = (keras.layers.RNN, keras.layers.MultiHeadAttention)


def array(tensor: Any) -> Array:
    """Return a tensor as an array of its own."""
    return np.array(tensor)


def _tensors(value: Any) -> list[Any]:
    return [each for each in flattened(value) if tf.is_tensor(each)]


def _copied(value: Any) -> Any:
    return tf.nest.map_structure(lambda v: tf.identity(v) if tf.is_tensor(v) else v, value)


@contextmanager
def watching(root: Any, names: dict[int, str]) -> Iterator[Calls]:
    """Enter every call of a layer below ``root``; ``names`` are those of its variables, by id."""
    calls = Calls(array)
    own, paths = keras.layers.Layer.__call__, places(root)

    def enter(seen: Seen, given: Any, output: Any) -> Any:
        output = _copied(output)
        calls.enter(seen, iter(_tensors(given)), iter(_tensors(output)), lambda each: bool(each.dtype.is_floating))
        return output

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if layer is root or id(layer) not in paths:
            return own(layer, *args, **kwargs)
        path, start, function = paths[id(layer)], len(calls.seen), fused(layer)
        known = {ROLES.get(v.name, v.name): names[id(v)] for v in _own(layer) if id(v) in names}
        seen = Seen(path, kind_of(layer), settings_of(layer, kwargs.get("training")), known)

        def activation(x: Any) -> Any:
            x = enter(seen, (args, kwargs), x)
            return enter(Seen(f"{path} (activation)", function_of(function)), x, function(x))

        with swapped(layer, activation=activation) if function is not None else nullcontext():
            output = own(layer, *args, **kwargs)
        if function is not None:
            return output
        seen.inner = len(calls.seen) > start
        return enter(seen, (list(args), list(kwargs.values())), output)

    keras.layers.Layer.__call__ = call
    try:
        yield calls
    finally:
        keras.layers.Layer.__call__ = own


def _own(layer: Any) -> list[Any]:
    if isinstance(layer, WHOLE):
        return list(layer.weights)
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def places(root: Any) -> dict[int, str]:
    """Return the path of each layer below a model, by id: the names on the way to it."""
    found: dict[int, str] = {}

    def visit(layer: Any, path: str) -> None:
        for each in layer._layers:
            if id(each) not in found and each is not root:
                found[id(each)] = f"{path}/{each.name}" if path else each.name
                if not isinstance(each, WHOLE):
                    visit(each, found[id(each)])

    visit(root, "")
    return found


def layer_at(root: Any, path: str) -> Any:
    """Return the layer of a path that ``places`` gave."""
    wanted = {name: number for number, name in places(root).items()}[path]
    return next(layer for layer in root._flatten_layers() if id(layer) == wanted)
