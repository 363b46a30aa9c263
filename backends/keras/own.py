"""Layers of your own in Keras: what a registered lowering returned, held to what was declared."""

from typing import Any

import keras

from dualnet.backends import own
from dualnet.backends.keras.layout import plain
from dualnet.specs.graph import Step
from dualnet.specs.weights import parameters_of


def named(step: Step, made: Any, dtype: str) -> None:
    """Raise ``UnsupportedError`` unless a lowering returned a layer that took its name and precision."""
    own.is_a("keras", step, made, keras.layers.Layer, "keras.layers.Layer")
    if (made.name, made.compute_dtype) != (step.name, dtype):
        took = f"took name={made.name!r}, dtype={made.compute_dtype!r}"
        own.refuse("keras", step, f"{took} instead of {step.name!r}, {dtype!r}: it must pass both to super().__init__")


def checked(step: Step, layer: Any, output: Any) -> None:
    """Raise ``UnsupportedError`` unless a layer that has been called holds and gives what was declared."""
    names = {id(value): name for name, value in _attributes(layer)}
    held = {names.get(id(v), v.path): (tuple(v.shape), v.trainable) for v in layer.weights}
    own.holds("keras", step, held)
    shape = tuple(output.shape[1:]) if hasattr(output, "shape") else type(output).__name__
    wanted = step.out_shapes[0]
    own.gives("keras", step, shape, tuple(wanted[axis] for axis in plain(len(wanted)).axes))


def freeze(step: Step, layer: Any) -> None:
    """Keep from training what was declared so."""
    for parameter in parameters_of(step.layer, step.in_shapes):
        variable = getattr(layer, parameter.name, None)
        if not parameter.trainable and isinstance(variable, keras.Variable):
            variable.trainable = False


def _attributes(layer: Any) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in vars(layer).items() if isinstance(value, keras.Variable)]
