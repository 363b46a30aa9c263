"""Exact: an optimizer of one rule, called on each variable.

Keras's own classes hold one meaning only, round their coefficients to float32 even for float64 variables, and compute
βᵗ in the variable's precision. Here scalars are float64 until they meet a variable.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from dualnet.backends.keras.weights import Carrier
from dualnet.specs.optimizers import Optimizer
from dualnet.specs.optimizers.slots import slots

# (the optimizer at work, variable, gradient, learning rate as a float64 scalar): updates the variable.
Rule = Callable[[Any, Any, Any, Any], None]


class Order:
    """The order of a parameter's entries in the spec and in its variable; ``shape`` is the spec's."""

    def __init__(self, shape: tuple[int, ...], carrier: Carrier) -> None:
        entries = np.arange(int(np.prod(shape)))
        self.physical = np.asarray(carrier.to_spec(entries.reshape(shape)))
        self.shape: tuple[int, ...] = self.physical.shape
        self.logical = np.asarray(carrier.to_keras(entries.reshape(self.shape)))

    def to_spec(self, tensor: Any) -> Any:
        """Return a tensor ordered as its variable in the spec's order."""
        return self._taken(tensor, self.physical)

    def to_keras(self, tensor: Any) -> Any:
        """Return a tensor in the spec's order as its variable is ordered."""
        return self._taken(tensor, self.logical)

    def _taken(self, tensor: Any, places: Any) -> Any:
        return tf.reshape(tf.gather(tf.reshape(tensor, [-1]), places.ravel()), places.shape)


class Exact(keras.optimizers.Optimizer):
    """What a rule works with: the spec, the number of the update, and slots by the spec's names."""

    def __init__(self, spec: Optimizer, rate: Callable[[], Any], rule: Rule, orders: list[Order]) -> None:
        super().__init__(learning_rate=rate)
        self.spec, self.rule, self.orders = spec, rule, orders
        self.slots: list[dict[str, Any]] = []

    def build(self, variables: list[Any]) -> None:
        """Make the slots."""
        if self.built:
            return
        super().build(variables)
        for variable, order in zip(variables, self.orders, strict=True):
            self.slots.append({})
            for name, slot in slots(self.spec, order.shape).items():
                shape = variable.shape if slot.shape is None else slot.shape
                # a number that is no mean of entries stays exact, whatever the precision of the model
                dtype = "float64" if slot.shape == () else variable.dtype
                made = self.add_variable(shape, dtype=dtype, name=name)
                made.assign(variable if slot.start == "parameter" else np.full(shape, slot.start, dtype))
                self.slots[-1][name] = made

    def order(self, variable: Any) -> Order:
        """Return the order of a variable's entries."""
        found: Order = self.orders[self._get_variable_index(variable)]
        return found

    def slot(self, variable: Any, name: str) -> Any:
        """Return a slot of a variable."""
        return self.slots[self._get_variable_index(variable)][name]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable. ``learning_rate`` is float64."""
        self.rule(self, variable, gradient, learning_rate)

    def gradient(self, p: Any, g: Any, lr: Any) -> Any:
        """Return the gradient to go down by, coupled decay added; decoupled decay is done."""
        g = -g if self.spec.maximize else g
        if self.spec.weight_decay and self.spec.decay == "decoupled":
            self.assign(p, p * ops.cast(1.0 - lr * self.spec.weight_decay, p.dtype))
        elif self.spec.weight_decay:
            g = g + self.spec.weight_decay * p
        return g

    def time(self) -> Any:
        """Return the number of this update, from 1, float64."""
        return ops.cast(self.iterations + 1, "float64")

    def power(self, beta: float) -> Any:
        """Return beta to the number of this update, float64."""
        return ops.power(ops.convert_to_tensor(beta, "float64"), self.time())

    def mean(self, p: Any, name: str, value: Any, weight: Any) -> Any:
        """Move a running mean by ``weight`` towards a value; return it."""
        slot = self.slot(p, name)
        self.assign(slot, slot + weight * (value - slot))
        return slot

    def mean_of_squares(self, p: Any, name: str, value: Any, kept: float) -> Any:
        """Move a running mean of squares, of which ``kept`` stays; return it."""
        slot = self.slot(p, name)
        self.assign(slot, kept * slot + (1.0 - kept) * value * value)
        return slot
