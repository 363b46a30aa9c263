"""Checks that every backend makes on what it is handed, before a framework sees it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dualnet.errors import DeviceError, SpecError, WeightsError, did_you_mean
from dualnet.specs.spec import Spec

DTYPES = ("float32", "float64")


def dtype(name: str) -> str:
    """Return the name of a precision. Raises ``DeviceError`` for one that is not offered."""
    if name not in DTYPES:
        msg = f"dtype must be {' or '.join(DTYPES)}. Received: {name!r}"
        raise DeviceError(msg)
    return name


def weights(spec: Spec, arrays: Mapping[str, Any]) -> None:
    """Raise ``WeightsError`` unless ``arrays`` are all of the spec's parameters and buffers, of the right shapes."""
    for name in arrays:
        if name not in spec.parameters:
            msg = f"{spec.name}: there is no parameter {name!r}.{did_you_mean(name, spec.parameters)}"
            raise WeightsError(msg)
    for name, parameter in spec.parameters.items():
        if name not in arrays:
            msg = f"{spec.name}: the parameter {name!r} is missing. Present: {', '.join(arrays) or 'none'}."
            raise WeightsError(msg)
        if tuple(np.shape(arrays[name])) != parameter.shape:
            msg = f"{spec.name}: {name} has shape {list(parameter.shape)}. Received: {list(np.shape(arrays[name]))}"
            raise WeightsError(msg)


def trainable(spec: Spec) -> None:
    """Raise ``SpecError`` if there is nothing to train."""
    if not any(parameter.trainable for parameter in spec.parameters.values()):
        msg = f"{spec.name}: it has no parameters to train. Add a Linear or Conv2d layer."
        raise SpecError(msg)


def inputs(spec: Spec, arrays: Mapping[str, Any]) -> None:
    """Raise ``WeightsError`` unless ``arrays`` are the spec's inputs, (N, *shape) each."""
    if set(arrays) != set(spec.inputs):
        msg = f"{spec.name}: its inputs are {', '.join(spec.inputs)}. Received: {', '.join(arrays) or 'none'}"
        raise WeightsError(msg)
    for name, shape in spec.inputs.items():
        if tuple(np.shape(arrays[name])[1:]) != shape:
            wanted = f"(N, {', '.join(map(str, shape))})"
            msg = f"{spec.name}: input {name!r} has shape {wanted}. Received: {np.shape(arrays[name])}"
            raise WeightsError(msg)
