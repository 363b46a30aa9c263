"""Reading: a live Keras model as a program, with its nesting, both modes, and weights in PyTorch's layout."""

import re
from dataclasses import replace
from typing import Any

import keras

from dualnet.backends.keras.read.calls import Reader, owners, precise
from dualnet.backends.keras.read.hooks import hooked
from dualnet.backends.keras.read.inputs import AGAIN, FIRST, called_with, concrete, symbolic, typed, unknown
from dualnet.backends.keras.read.sheet import Sheet, Value, identifier
from dualnet.errors import TraceError
from dualnet.specs.carry import Carry
from dualnet.specs.program import Op, Program, Scope, replaced, wire


def read(model: keras.Model, inputs: Any = None) -> Program:
    """Return the program of a built model; ``inputs`` is an example for one that does not know its own.

    A tuple of arrays is given to ``call`` by place, a dictionary by name.

    Raises ``TraceError`` with everything that cannot be read. The model itself is left as it was.
    """
    return _read(model, inputs)[0]


def carries(model: keras.Model, inputs: Any = None) -> list[Carry]:
    """Return how each variable of a model becomes a weight of its program, where that is a matter of axes."""
    program, sheet = _read(model, inputs)
    return [carry for name, carry in sheet.carries.items() if name in program.weights]


def _read(model: keras.Model, inputs: Any) -> tuple[Program, Sheet]:
    call = called_with(model, inputs)
    program, sheet = _once(model, call, FIRST)
    if unknown(call) and list(_once(model, call, AGAIN)[0].root.ops()) != list(program.root.ops()):
        msg = f"{model.name}: what it does depends on the size of its input. Give its Input a fixed shape."
        raise TraceError(msg)
    return program, sheet


def _once(model: keras.Model, call: Any, sizes: dict[str, int]) -> tuple[Program, Sheet]:
    """Read a model with numbers in place of the sizes that are unknown."""
    sheet = Sheet(owners(model), Scope("", type(model).__name__), tuple(sizes.values()))
    reader = Reader(model, sheet)
    inputs: dict[str, Value] = {}

    def entered(tensor: Any) -> Value:
        history = getattr(tensor, "_keras_history", None)
        name = history.operation.name if history and history.operation else tensor.name
        value = sheet.input(name, concrete(tensor.shape, sizes), tensor.dtype)
        inputs[value.wire] = value
        return value

    args, kwargs = keras.tree.map_structure(entered, call)
    with precise(model, sheet.notes), hooked(reader):
        given = reader.whole(args, kwargs)
        flat = [_wire(sheet, value) for value in keras.tree.flatten(given)]
    reader.refuse()
    keys = tuple(map(str, given)) if isinstance(given, dict) else ()
    outputs = tuple(flat)
    return _program(model, sheet, tuple(inputs), outputs, keys, sizes), sheet


def _wire(sheet: Sheet, value: Any) -> str:
    """Return the name of an output's wire; a weight that is given back becomes a wire of its own."""
    value = sheet.tensor(value)
    if not isinstance(value, Value):
        value = sheet("alias", value)
    return str(value.wire)


def _program(
    model: keras.Model, sheet: Sheet, inputs: tuple[str, ...], outputs: tuple[str, ...], keys: tuple[str, ...],
    sizes: dict[str, int],
) -> Program:  # fmt: skip
    root = sheet.root
    _live(root, set(outputs))
    _sized(root, sizes)
    wire(root, outputs)
    used = {name for op in root.ops() for name in op.held()}
    wires = {name: typed(tensor, sizes) for name, tensor in sheet.wires.items()}
    return Program(
        identifier(_called(model)),
        {name: wires[name] for name in inputs},
        outputs,
        root,
        {name: wires[name] for name in {*inputs, *(n for op in root.ops() for n in op.results)}},
        {name: weight for name, weight in sheet.weights.items() if name in used},
        {name: array for name, array in sheet.arrays.items() if name in used},
        keys,
        tuple(dict.fromkeys(sheet.notes)),
        "keras",
    )


def _called(model: keras.Model) -> str:
    """Return the name of a user's own class; else the model's, without Keras's count of models."""
    own = not type(model).__module__.startswith("keras.")
    return type(model).__name__ if own else re.sub(r"_\d+$", "", model.name)


def _live(scope: Scope, needed: set[str]) -> None:
    """Drop the ops whose results reach no output, and the scopes that are empty then."""
    kept: list[Op | Scope] = []
    for item in reversed(scope.body):
        if isinstance(item, Scope):
            _live(item, needed)
            kept += [item] if item.body else []
        elif needed.intersection(item.results):
            needed.update(item.refs())
            kept.append(item)
    scope.body = kept[::-1]


def _sized(scope: Scope, sizes: dict[str, int]) -> None:
    """Write symbolic sizes where the numbers stand that they were read as."""
    for index, item in enumerate(scope.body):
        if isinstance(item, Scope):
            _sized(item, sizes)
        else:
            scope.body[index] = replace(item, arguments=replaced(item.arguments, lambda v: symbolic(v, sizes)))
