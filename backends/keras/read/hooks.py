"""Hooks: while a model is read, every layer, operation, variable and random draw of Keras reports to its reader."""

import functools
import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any, Protocol

import keras

OPERATORS = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "pow": "power"}
OPERATORS |= {"matmul": "matmul", "floordiv": "floor_divide", "mod": "mod"}
COMPARE = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}
SINGLE = {"neg": "negative", "abs": "absolute"}
ROOMS = ("numpy", "nn", "math", "core", "linalg", "image")


class Reader(Protocol):
    """Who is told."""

    def layer(self, layer: keras.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any: ...  # noqa: D102
    def operation(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any: ...  # noqa: D102
    def random(self, name: str, *args: Any, **kwargs: Any) -> Any: ...  # noqa: D102
    def loop(self, step: Callable[..., Any], inputs: Any, states: Any, **kwargs: Any) -> Any: ...  # noqa: D102
    def entered(self, value: Any) -> Any: ...  # noqa: D102
    def assigned(self, variable: Any) -> None: ...  # noqa: D102


def symbolic(*values: Any) -> bool:
    """Return whether a symbolic tensor, or a variable, is among nested values."""
    found = keras.tree.flatten(values)
    return any(isinstance(value, (keras.KerasTensor, keras.Variable)) for value in found)


@contextmanager
def hooked(reader: Reader) -> Iterator[None]:
    """Send what happens to symbolic tensors to ``reader``, until the end of the block."""
    with ExitStack() as stack:

        def swap(owner: Any, name: str, value: Any) -> None:
            own = vars(owner)
            stack.callback(setattr, owner, name, own[name]) if name in own else stack.callback(delattr, owner, name)
            setattr(owner, name, value)

        _calls(swap, reader)
        _variables(swap, reader)
        _backend(swap, reader)
        yield


def _calls(swap: Callable[..., None], reader: Reader) -> None:
    before = keras.Layer.__call__

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        tensors = [v for v in keras.tree.flatten((args, kwargs)) if isinstance(v, keras.KerasTensor)]
        return reader.layer(layer, args, kwargs) if tensors else before(layer, *args, **kwargs)

    swap(keras.Layer, "__call__", call)
    swap(keras.Operation, "symbolic_call", lambda operation, *args, **kwargs: reader.operation(operation, args, kwargs))


def _variables(swap: Callable[..., None], reader: Reader) -> None:
    """Let variables count as symbolic: Keras would compute with their present values."""
    base = next(c for c in keras.Variable.__mro__ if c.__name__ == "Variable" and "common" in c.__module__)
    for name, op in (OPERATORS | COMPARE).items():
        swap(base, f"__{name}__", functools.partialmethod(_apply, op))
    for name, op in OPERATORS.items():
        swap(base, f"__r{name}__", functools.partialmethod(_reflected, op))
    for name, op in SINGLE.items():
        swap(base, f"__{name}__", functools.partialmethod(_apply, op))
    swap(base, "__getitem__", _item)
    for name in ("assign", "assign_add", "assign_sub"):
        swap(base, name, lambda variable, value: reader.assigned(variable))
    home = importlib.import_module("keras.src.backend.common.keras_tensor")
    swap(home, "KerasTensor", (keras.KerasTensor, base))


def _apply(variable: Any, op: str, *others: Any) -> Any:
    return getattr(keras.ops, op)(variable, *others)


def _reflected(variable: Any, op: str, other: Any) -> Any:
    return getattr(keras.ops, op)(other, variable)


def _item(variable: Any, key: Any) -> Any:
    return importlib.import_module("keras.src.ops.numpy").GetItem().symbolic_call(variable, key)


def _backend(swap: Callable[..., None], reader: Reader) -> None:
    """Layers that call the backend by itself go through ``keras.ops`` instead."""
    backend = importlib.import_module("keras.src.backend")
    for room in ROOMS:
        _rerouted(swap, getattr(backend, room), getattr(keras.ops, room, keras.ops), reader)
    for home in (backend, importlib.import_module("keras.src.backend.tensorflow")):
        for name in ("cast", "convert_to_tensor", "shape"):
            swap(home, name, _route(getattr(home, name), getattr(keras.ops, name), reader))
    for name in ("uniform", "normal", "truncated_normal", "dropout", "randint", "categorical", "shuffle"):
        swap(backend.random, name, functools.partial(reader.random, name))
    swap(backend, "rnn", reader.loop)


def _rerouted(swap: Callable[..., None], room: ModuleType, ops: Any, reader: Reader) -> None:
    for name, function in list(vars(room).items()):
        op = getattr(ops, name, getattr(keras.ops, name, None))
        if callable(function) and callable(op) and not isinstance(function, type):
            swap(room, name, _route(function, op, reader))


def _route(function: Callable[..., Any], op: Callable[..., Any], reader: Reader) -> Callable[..., Any]:
    """Return ``op`` for symbolic tensors, and ``function`` for what ``op`` itself hands back."""
    inside = False

    def routed(*args: Any, **kwargs: Any) -> Any:
        nonlocal inside
        if not symbolic(args, kwargs):
            return _remembered(function(*args, **kwargs), *args)
        if inside:
            # some operations look at their first argument alone: where it is an array, make it a wire
            turned = keras.tree.map_structure(reader.entered, (args, kwargs))
            pairs = zip(keras.tree.flatten(turned), keras.tree.flatten((args, kwargs)), strict=True)
            same = all(one is other for one, other in pairs)
            return function(*args, **kwargs) if same else op(*turned[0], **turned[1])
        inside = True
        try:
            return op(*args, **kwargs)
        finally:
            inside = False

    return routed


def _remembered(made: Any, *args: Any) -> Any:
    """Let a float32 tensor that was made of a number remember it: 0.1 is not what float32 makes of it."""
    if args and isinstance(args[0], float) and keras.ops.is_tensor(made) and made.dtype == "float32":
        made.number = float(args[0])
    return made
