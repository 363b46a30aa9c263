"""What is known of a live ``keras.Model``: the kind and role of each weight, its values, the inputs it declares."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from dualnet.backends.draws import Arrays, Order
from dualnet.backends.fact import Fact, laid_as_torch, whole
from dualnet.backends.keras import attention, recurrent
from dualnet.backends.keras.kinds import ROLES, kind_of
from dualnet.backends.keras.live import KerasLive, named, variable
from dualnet.backends.live import Inputs
from dualnet.errors import WeightsError, did_you_mean
from dualnet.specs.carry import Carry

# Of Keras's cells the common kind, and PyTorch's numbers of their gates in Keras's order: a GRU's are z, r, h.
CELLS: dict[Any, tuple[str, tuple[int, ...]]] = {
    keras.layers.LSTMCell: ("lstm", ()),
    keras.layers.GRUCell: ("gru", (1, 0, 2)),
    keras.layers.SimpleRNNCell: ("rnn", ()),
}
WEIGHTS = {"kernel": "weight_ih", "recurrent_kernel": "weight_hh", "bias": "bias_ih"}
PROJECTIONS = ("query", "key", "value", "output")
DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)


def live(model: Any, dtype: str, carries: Sequence[Carry] | None = None, **orders: Any) -> KerasLive:
    """Return a live model."""
    return KerasLive(model, dtype, carries, **orders)


def facts(model: Any) -> list[Fact]:
    """Return what is known of each weight."""
    layers = list(model._flatten_layers())
    owners = {id(each): layer for layer in layers for each in _own(layer)}
    parts = {
        id(getattr(layer, f"{part}_dense")): part
        for layer in layers
        if isinstance(layer, keras.layers.MultiHeadAttention)
        for part in PROJECTIONS
    }
    trained = {id(each) for each in model.trainable_variables}
    found = []
    for name, each in named(model).items():
        owner = owners.get(id(each))
        if id(owner) in parts:
            found.append(_projection(name, each, parts[id(owner)], id(each) in trained))
        elif isinstance(owner, tuple(CELLS)):
            found += _recurrent(name, each, owner, id(each) in trained)
        elif isinstance(owner, (attention.MultiheadAttention, recurrent.Recurrent)):
            heads = isinstance(owner, attention.MultiheadAttention)
            kind, rows = ("attention", owner.rows) if heads else (owner.kind.lower(), ())
            found += laid_as_torch(name, each.name, kind, tuple(each.shape), id(each) in trained, "keras", rows)
        else:
            found.append(_fact(name, each, owner, id(each) in trained))
    return found


def _own(layer: Any) -> list[Any]:
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def _projection(name: str, variable: Any, part: str, trained: bool) -> Fact:
    """Return what is known of a weight of attention, which Keras holds by heads."""
    shape, role = tuple(variable.shape), ROLES.get(variable.name, variable.name)
    order: tuple[int, ...] = tuple(range(len(shape)))
    joined: tuple[int, ...] = (int(np.prod(shape)),)
    if role == "weight" and part == "output":
        order, joined = (2, 0, 1), (shape[2], shape[0] * shape[1])
    elif role == "weight":
        order, joined = (1, 2, 0), (shape[1] * shape[2], shape[0])
    return Fact(name, "attention", f"{part} {role}", shape, order, joined, trained, "keras")


def _recurrent(name: str, variable: Any, owner: Any, trained: bool) -> Iterator[Fact]:
    """Yield what is known of a weight of a recurrent cell; the biases of a GRU are the two rows of one variable."""
    kind, gates = next(found for base, found in CELLS.items() if isinstance(owner, base))
    shape, role = tuple(variable.shape), WEIGHTS.get(variable.name, variable.name)
    if role != "bias_ih":
        yield Fact(name, kind, role, shape, (1, 0), shape[::-1], trained, "keras", gates)
    elif len(shape) == 1:
        yield Fact(name, kind, role, shape, (0,), shape, trained, "keras", gates)
    else:
        for row, each in enumerate(("bias_ih", "bias_hh")):
            size, rows = shape[1:], (row, row + 1)
            yield Fact(f"{name}[{each}]", kind, each, size, (0,), size, trained, "keras", gates, rows)


def _fact(name: str, variable: Any, owner: Any, trained: bool) -> Fact:
    kind = kind_of(owner)
    shape, role = tuple(variable.shape), ROLES.get(variable.name, variable.name)
    order, joined = tuple(range(len(shape))), shape
    if role == "weight" and kind == "dense":
        order, joined = (1, 0), (shape[1], shape[0])
    elif role == "weight" and isinstance(owner, DEPTHWISE):
        order = (len(shape) - 2, len(shape) - 1, *range(len(shape) - 2))
        joined = (shape[-2] * shape[-1], 1, *shape[:-2])
    elif role == "weight" and "convolution" in kind:
        order = (len(shape) - 1, len(shape) - 2, *range(len(shape) - 2))
        joined = tuple(shape[axis] for axis in order)
    return Fact(name, kind, role, shape, order, joined, trained, "keras")


def fold(model: Any, spare: Mapping[str, str]) -> Any:
    """Return the model: only second biases of PyTorch's layers are spared."""
    return model


def values(model: Any) -> Arrays:
    """Return the weights as they are, by path."""
    return {name: np.array(each.value.numpy()) for name, each in named(model).items()}


def expects(model: Any) -> list[tuple[int | None, ...]]:
    """Return the shapes of the inputs that a model declares, if it does."""
    declared = getattr(model, "inputs", None)
    return [tuple(each.shape) for each in declared or []]


def build(model: Any, inputs: Inputs, orders: Sequence[Order]) -> None:
    """Run a model once, if it has no weights yet."""
    if not model.built:
        KerasLive(model, in_orders=orders).run(inputs, training=False, gradients=False)


def name_of(model: Any, path: str) -> str:
    """Return a variable's own path, of that or of the attributes that lead to it. Raises ``WeightsError``."""
    known = named(model)
    if path != whole(path):
        return path.replace(whole(path), name_of(model, whole(path)))
    tails = {path, path.partition("/")[2]} - {""}
    inner = [name for name in known if name.partition("/")[2] in tails]
    if path in known or len(inner) == 1:  # Keras numbers the models of a process: sequential, sequential_1, …
        return path if path in known else inner[0]
    try:
        found = variable(model, path)
    except (AttributeError, IndexError, KeyError, TypeError):
        msg = f"The table names {path!r}, which is not there.{did_you_mean(path, known)}"
        raise WeightsError(msg) from None
    return next((name for name, each in known.items() if each is found), path)
