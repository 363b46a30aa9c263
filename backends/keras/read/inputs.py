"""What a Keras model is called with: a structure of symbolic tensors, and sizes that stand for unknown ones."""

import inspect
from typing import Any

import keras
import numpy as np

from dualnet.errors import TraceError
from dualnet.specs.program import Sym, Tensor

# Sizes that are known only at run time are read as numbers that no real size is a multiple of, and told by them.
FIRST = {"N": 10007, "L": 10009, "M": 10037, "K": 10039, "J": 10061}
AGAIN = {"N": 10007, "L": 10080, "M": 12600, "K": 15120, "J": 17640}

Call = tuple[tuple[Any, ...], dict[str, Any]]


def called_with(model: keras.Model, example: Any = None) -> Call:
    """Return the arguments of a model's call, as symbolic tensors."""
    inner = getattr(model, "_functional", None) or model
    if getattr(inner, "_inputs_struct", None) is not None:
        return (inner._inputs_struct,), {}
    if example is not None:
        return _given(model, example)
    if not model.built:
        msg = f"{model.name}: the model was never called, so its weights do not exist. Call it once on an example."
        raise TraceError(msg)
    shapes = getattr(model, "_build_shapes_dict", None)
    if not shapes:
        msg = f"{model.name}: the model does not remember what it was called with. Pass an example as inputs."
        raise TraceError(msg)
    if len(shapes) == 1:
        return (_typed(next(iter(shapes.values())), _names(model)[0]),), {}
    named = {key.removesuffix("_shape"): shape for key, shape in shapes.items()}
    return (), {name: _typed(shape, name) for name, shape in named.items()}


def _names(model: keras.Model) -> list[str]:
    return list(inspect.signature(model.call).parameters)


def _given(model: keras.Model, example: Any) -> Call:
    """Return an example as arguments: a tuple by place, a dictionary by name where the names are the call's."""
    names = _names(model)
    if isinstance(example, dict) and set(example) <= set(names):
        return (), {name: _like(value, name) for name, value in example.items()}
    values = example if isinstance(example, tuple) else (example,)
    return tuple(_like(value, name) for name, value in zip(names, values, strict=False)), {}


def _like(example: Any, name: str) -> Any:
    def one(array: Any) -> keras.KerasTensor:
        array = array if hasattr(array, "dtype") else np.asarray(array)
        return keras.KerasTensor((None, *array.shape[1:]), keras.backend.standardize_dtype(array.dtype), name=name)

    return keras.tree.map_structure(one, example)


def _typed(shape: Any, name: str) -> Any:
    if isinstance(shape, dict):
        return {key: _typed(value, key) for key, value in shape.items()}
    if any(isinstance(size, (tuple, list)) for size in shape):
        return [_typed(size, name) for size in shape]
    return keras.KerasTensor((None, *shape[1:]), keras.config.floatx(), name=name)


def unknown(call: Call) -> bool:
    """Return whether sizes besides the batch are unknown."""
    return any(size is None for tensor in keras.tree.flatten(call) for size in tensor.shape[1:])


def concrete(shape: tuple[int | None, ...], sizes: dict[str, int]) -> tuple[int, ...]:
    """Return a shape with a number for every size; unknown ones by their place in the shape."""
    names = list(sizes)
    return tuple(sizes[names[axis]] if size is None else size for axis, size in enumerate(shape))


def symbolic(value: Any, sizes: dict[str, int]) -> Any:
    """Return an integer as the symbolic size that it stands for, anything else as it is."""
    rest = int(value) if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else 0
    if not 10_000 < abs(rest) < 10**15:
        return value
    names = []
    for name, size in sizes.items():
        while rest and rest % size == 0:
            names.append(name)
            rest //= size
    return Sym(tuple(sorted(names)), rest) if names else value


def typed(tensor: Tensor, sizes: dict[str, int]) -> Tensor:
    """Return a wire's type with symbolic sizes."""
    return Tensor(tuple(symbolic(size, sizes) for size in tensor.shape), tensor.dtype)
