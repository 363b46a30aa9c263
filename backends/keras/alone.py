"""A layer by itself: the Python that makes one like it."""

import inspect
import warnings
from typing import Any

import keras

from dualnet.errors import UnsupportedError

LEFT_OUT = ("self", "name", "dtype", "trainable", "kwargs", "args")
WIDE = "dtype='float64'"
SILENT = (
    "_initializer",
    "_regularizer",
    "_constraint",
    "renorm",
    "renorm_momentum",
    "synchronized",
    "batch_input_shape",
    "seed",
)


def written(layer: Any) -> str:
    """Return the call that makes a layer of Keras. Raises ``UnsupportedError`` for a class of one's own."""
    kind = type(layer)
    name = getattr(layer, "__name__", "")  # of the activation that a layer applies by itself, which is a function
    if name and getattr(keras.activations, name, None) is layer:
        return f"keras.layers.Activation({name!r}, {WIDE})"
    if not kind.__module__.startswith("keras.src.layers."):
        msg = f"{kind.__name__} is no class of keras.layers, so that no line of code makes it."
        raise UnsupportedError(msg)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # of a lambda, which no line of code makes
            told = layer.get_config()
    except (UserWarning, NotImplementedError, TypeError, ValueError) as error:
        msg = f"{kind.__name__} cannot say how it was made: {error}"
        raise UnsupportedError(msg) from None
    given: list[str] = []
    for name, parameter in inspect.signature(kind.__init__).parameters.items():
        if name in told and name not in LEFT_OUT and not name.endswith(SILENT):
            usual = told[name] == parameter.default and not isinstance(told[name], float)  # of which many are traps
            given += [] if usual else [f"{name}={told[name]!r}"]
    return f"keras.layers.{kind.__name__}({', '.join([*given, WIDE])})"
