"""Checks that every backend makes on what it is handed, before a framework sees it."""

import re
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from dualnet.backends.precision import HALVES, PRECISIONS
from dualnet.errors import DeviceError, SpecError, WeightsError, did_you_mean
from dualnet.specs.spec import Spec


def device(name: str) -> int | None:
    """Return the number of the GPU that a name means, None for the CPU. Raises ``DeviceError`` for any other name."""
    found = re.fullmatch("cpu|(gpu|cuda)(:([0-9]{1,4}))?", name)
    if not found:
        msg = f"device must be cpu, gpu or cuda:N. Received: {name!r}"
        raise DeviceError(msg)
    return None if name == "cpu" else int(found[3] or 0)


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


def precision(spec: Spec, arrays: Mapping[str, Any], held: Mapping[str, str]) -> None:
    """Raise ``WeightsError`` if an array has more digits than the live parameter of its name can hold.

    Parameters of 16 bits cross as float32: there it is the values that count.
    """
    for name, dtype in held.items():
        given = np.asarray(arrays[name]).dtype
        if not (_survives(arrays[name], dtype) if dtype in HALVES else np.can_cast(given, dtype, "safe")):
            to = f"Build the model with dtype='{given}', or cast the arrays first."
            msg = f"{spec.name}: {name} is held in {dtype}, which cannot keep every digit of {given}. {to}"
            raise WeightsError(msg)


def _survives(array: Any, dtype: str) -> bool:
    """Return whether no value of an array changes when it is rounded."""
    wide = np.asarray(array).astype(np.float64)
    return np.array_equal(wide, PRECISIONS[dtype].rounded(wide), equal_nan=True)


def lacks(backend: str, spec: Spec, name: str) -> NoReturn:
    """Raise ``WeightsError``: a live model has no such parameter."""
    msg = f"{backend}: this model has no parameter {name!r} of the spec {spec.name!r}. Give the spec it was built from."
    raise WeightsError(msg)


def trainable(spec: Spec) -> None:
    """Raise ``SpecError`` if there is nothing to train."""
    if not any(parameter.trainable for parameter in spec.parameters.values()):
        msg = f"{spec.name}: it has no parameters to train. Add a Linear or Conv2d layer."
        raise SpecError(msg)


def trains(precision: str) -> None:
    """Raise ``SpecError`` for a precision that no optimizer's state fits in."""
    if precision == "float16":
        msg = (
            "float16 alone trains nothing: its smallest number is 6e-8, and an optimizer's squares and its epsilon of "
            "1e-8 are zero there. Train in mixed_float16, with a LossScale, or in bfloat16."
        )
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
        _numbers(spec, name, np.asarray(arrays[name]))


def _numbers(spec: Spec, name: str, array: Any) -> None:
    """Raise ``WeightsError`` unless what holds integers does, each the number of a row of its table."""
    below = spec.integers.get(name)
    if below is None or array.size == 0:
        return
    if array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= below:
        found = f"{array.dtype} from {array.min()} to {array.max()}"
        wanted = f"holds integers from 0 to {below - 1}, rows of its embedding"
        msg = f"{spec.name}: input {name!r} {wanted}. Received: {found}"
        raise WeightsError(msg)
