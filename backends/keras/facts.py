"""What is known of a live ``keras.Model``: the kind and role of each weight, its values, the inputs it declares."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from dualnet.backends.draws import Arrays, Order
from dualnet.backends.keras.kinds import ROLES, kind_of
from dualnet.backends.keras.live import KerasLive, named, variable
from dualnet.backends.live import Fact, Inputs
from dualnet.errors import WeightsError, did_you_mean
from dualnet.specs.carry import Carry

DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)


def live(model: Any, dtype: str, carries: Sequence[Carry] | None = None, **orders: Any) -> KerasLive:
    """Return a live model."""
    return KerasLive(model, dtype, carries, **orders)


def facts(model: Any) -> list[Fact]:
    """Return what is known of each weight."""
    owners = {id(each): layer for layer in model._flatten_layers() for each in _own(layer)}
    trained = {id(each) for each in model.trainable_variables}
    return [_fact(name, each, owners.get(id(each)), id(each) in trained) for name, each in named(model).items()]


def _own(layer: Any) -> list[Any]:
    return [*layer._trainable_variables, *layer._non_trainable_variables]


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
    inner = [name for name in known if name.partition("/")[2] == path.partition("/")[2] != ""]
    if path in known or len(inner) == 1:  # Keras numbers the models of a process: sequential, sequential_1, …
        return path if path in known else inner[0]
    try:
        found = variable(model, path)
    except (AttributeError, IndexError, KeyError, TypeError):
        msg = f"The table names {path!r}, which is not there.{did_you_mean(path, known)}"
        raise WeightsError(msg) from None
    return next((name for name, each in known.items() if each is found), path)
