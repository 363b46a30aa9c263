"""Porting's verbs for Keras: read a live model, write a program, bring what was written to life, look at it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from dualnet.backends.keras import device as devices  # first: it decides how TensorFlow starts

import keras  # isort: skip

from dualnet.backends.keras.live import KerasLive, handed, made, variable
from dualnet.backends.keras.read import carries as ways
from dualnet.backends.keras.read import read as read_model
from dualnet.backends.keras.write import write
from dualnet.backends.live import listed
from dualnet.backends.source.document import Document
from dualnet.backends.source.load import module_of
from dualnet.specs.carry import Carry
from dualnet.specs.program import Program

assert devices is not None  # imported for what it does


def arrays(value: Any) -> Any:
    """Return nested tensors as arrays."""
    return keras.tree.map_structure(np.asarray, value)


def read(model: keras.Model, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Program:
    """Return the program of a model; the inputs are an example for one that does not know its own."""
    return read_model(model, kwargs or tuple(handed(model, list(args))) or None)


def run(model: keras.Model, inputs: Any) -> None:
    """Call a model once on arrays by place or by keyword, to see whether it takes them. It builds what is not built."""
    given = inputs if isinstance(inputs, dict) else dict(enumerate(inputs))
    declared = [tuple(each.shape) for each in getattr(model, "inputs", None) or []]
    if model.built and len(declared) == len(given) and not isinstance(inputs, dict):
        _fits(declared, [tuple(array.shape) for array in given.values()])
    KerasLive(model).run(given, training=False, gradients=False)


def _fits(declared: list[tuple[int | None, ...]], shapes: list[tuple[int, ...]]) -> None:
    """Raise ``ValueError`` for shapes that the model does not declare: Keras adds and drops axes of one itself."""
    for wanted, shape in zip(declared, shapes, strict=True):
        if len(wanted) != len(shape) or any(w not in (None, size) for w, size in zip(wanted, shape, strict=True)):
            msg = f"the model declares an input of shape {wanted}, received {shape}"
            raise ValueError(msg)


def vocabulary(model: keras.Model) -> int:
    """Return how many rows the smallest embedding has; 0 if there is none."""
    found = [each.input_dim for each in model._flatten_layers() if isinstance(each, keras.layers.Embedding)]
    return min(found, default=0)


def make(document: Document, weights: Mapping[str, Any], dtype: str) -> keras.Model:
    """Return the live model of a document, built, with weights by its own names."""
    model = made(lambda _: module_of(document).build(), dtype)
    fill(model, weights)
    return model


def fill(model: keras.Model, weights: Mapping[str, Any]) -> None:
    """Put arrays into a model by name."""
    for name, array in weights.items():
        variable(model, name).assign(array)


def load(model: keras.Model, arrays: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Load arrays by the variables' paths; return the names that the model lacks, and those that it has in addition."""
    own = {each.path: each for each in model.variables}
    wrong = [n for n, a in arrays.items() if n not in own or tuple(own[n].shape) != tuple(np.shape(a))]
    for name, array in arrays.items():
        if name not in wrong:
            own[name].assign(array)
    return wrong, [each.path for each in model.weights if each.path not in arrays]


def original(model: keras.Model, inputs: Any) -> Callable[[str], KerasLive]:
    """Return a side of the certificate, by precision: the model that was read, its weights by the program's names."""
    args = tuple(inputs[name] for name in sorted(n for n in inputs if isinstance(n, int)))
    kwargs = {name: value for name, value in inputs.items() if isinstance(name, str)}
    back = [way.inverse() for way in ways(model, kwargs or args or None)]
    return partial(KerasLive, model, carries=back)


def ported(document: Document, model: keras.Model, dtype: str, carries: list[Carry]) -> KerasLive:
    """Return a side of the certificate: the model that was written."""
    return KerasLive(
        model, dtype, carries, in_orders=document.in_orders, out_orders=document.out_orders,
        draw_orders=document.draws, flat=True, training_orders=document.training_orders,
    )  # fmt: skip


def call(model: keras.Model, inputs: list[Any]) -> list[Any]:
    """Return a written model's outputs in evaluation mode."""
    tensors = [keras.ops.convert_to_tensor(each) for each in inputs]
    given = model(*handed(model, tensors), training=False)
    return [np.asarray(each) for each in listed(given)]


__all__ = ["read", "write"]
