"""Optimizers of a spec in Keras: subclasses with every field's meaning.

Keras's own classes hold one meaning only, round their coefficients to float32 even for float64 variables, and compute
βᵗ in the variable's precision. Here scalars are float64 until they meet a variable.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from dualnet.specs import optimizers as S


def make(optimizer: S.Optimizer, rate: Callable[[], Any]) -> "Exact":
    """Return the live optimizer; ``rate`` gives the learning rate of the step, float64."""
    return RULES[type(optimizer)](optimizer, rate)


def clip(gradients: list[Any], rule: S.Clip) -> list[Any]:
    """Return the clipped gradients, by the formula in ``specs.Clip``."""
    if rule.by == "value":
        return [ops.clip(gradient, -rule.limit, rule.limit) for gradient in gradients]
    squares = [ops.sum(gradient * gradient) for gradient in gradients]
    if rule.by == "global_norm":
        squares = [sum(squares)] * len(squares)
    factors = [ops.minimum(rule.limit / (ops.sqrt(square) + rule.epsilon), _as(1.0, square)) for square in squares]
    return [gradient * factor for gradient, factor in zip(gradients, factors, strict=True)]


def _as(value: Any, like: Any) -> Any:
    """Return a number as a tensor of another's dtype. ``ops.cast`` of a Python float goes through float32."""
    return ops.convert_to_tensor(value, dtype=like.dtype)


class Exact(keras.optimizers.Optimizer):
    """Base: decay first, then one rule a variable, with slots by the spec's names."""

    slot_names: tuple[str, ...] = ()

    def __init__(self, spec: Any, rate: Callable[[], Any]) -> None:
        super().__init__(learning_rate=rate)
        self.spec = spec
        self.slots: dict[str, list[Any]] = {}

    def build(self, variables: list[Any]) -> None:
        """Make the slots."""
        if not self.built:
            super().build(variables)
            self.slots = {name: self.add_optimizer_variables(variables, name) for name in self.slot_names}

    def slot(self, variable: Any, name: str) -> Any:
        """Return a slot of a variable."""
        return self.slots[name][self._get_variable_index(variable)]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable. ``learning_rate`` is float64."""
        spec, rate = self.spec, ops.cast(learning_rate, variable.dtype)
        if spec.weight_decay and spec.decay == "decoupled":
            shrink = ops.cast(1.0 - learning_rate * spec.weight_decay, variable.dtype)
            self.assign(variable, variable * shrink)
        elif spec.weight_decay:
            gradient = gradient + spec.weight_decay * variable
        self.update(gradient, variable, rate)

    def update(self, g: Any, p: Any, rate: Any) -> None:
        """Update one variable by a gradient that includes coupled decay."""
        raise NotImplementedError

    def time(self) -> Any:
        """Return the number of this step, from 1, float64."""
        return ops.cast(self.iterations + 1, "float64")

    def move(self, p: Any, direction: Any, rate: Any) -> None:
        """Take the step -rate·direction, through the velocity if there is momentum."""
        momentum = self.spec.momentum
        if not momentum:
            self.assign_sub(p, rate * direction)
            return
        velocity, nesterov = self.slot(p, "velocity"), getattr(self.spec, "nesterov", False)
        if self.spec.velocity == "update":
            self.assign(velocity, momentum * velocity - rate * direction)
            self.assign_add(p, momentum * velocity - rate * direction if nesterov else velocity)
        else:
            first = ops.cast(ops.equal(self.iterations, 0), direction.dtype)
            share = 1.0 - getattr(self.spec, "dampening", 0.0) * (1.0 - first)
            self.assign(velocity, momentum * velocity + share * direction)
            self.assign_sub(p, rate * (direction + momentum * velocity if nesterov else velocity))

    def average(self, p: Any, name: str, value: Any, weight: float) -> Any:
        """Move a running mean by ``weight`` towards a value; return it."""
        slot = self.slot(p, name)
        self.assign(slot, slot + weight * (value - slot))
        return slot


class ExactSGD(Exact):
    """See ``specs.SGD``."""

    slot_names = ("velocity",)

    def update(self, g: Any, p: Any, rate: Any) -> None:
        """Update one variable."""
        self.move(p, g, rate)


class ExactAdam(Exact):
    """See ``specs.Adam``."""

    slot_names = ("first_moment", "second_moment", "largest_second_moment")

    def update(self, g: Any, p: Any, rate: Any) -> None:
        """Update one variable."""
        spec, time = self.spec, self.time()
        m = self.average(p, "first_moment", g, 1.0 - spec.beta1)
        v = self.slot(p, "second_moment")
        self.assign(v, spec.beta2 * v + (1.0 - spec.beta2) * g * g)
        if spec.amsgrad:
            largest = self.slot(p, "largest_second_moment")
            self.assign(largest, ops.maximum(largest, v))
            v = largest
        c1, c2 = (1.0 - ops.power(ops.convert_to_tensor(beta, "float64"), time) for beta in (spec.beta1, spec.beta2))
        root = ops.sqrt(c2)
        if spec.epsilon_placement == "after_correction":
            size, bottom = rate / ops.cast(c1, g.dtype), ops.sqrt(v) / ops.cast(root, g.dtype) + spec.epsilon
        else:
            size, bottom = rate * ops.cast(root / c1, g.dtype), ops.sqrt(v) + spec.epsilon
        self.assign_sub(p, size * m / bottom)


class ExactRMSprop(Exact):
    """See ``specs.RMSprop``."""

    slot_names = ("mean_square", "mean_gradient", "velocity")

    def update(self, g: Any, p: Any, rate: Any) -> None:
        """Update one variable."""
        spec, v = self.spec, self.slot(p, "mean_square")
        self.assign(v, spec.alpha * v + (1.0 - spec.alpha) * g * g)
        if spec.centered:
            mean = self.average(p, "mean_gradient", g, 1.0 - spec.alpha)
            v = v - mean * mean
        inside = spec.epsilon_placement == "inside_root"
        self.move(p, g / (ops.sqrt(v + spec.epsilon) if inside else ops.sqrt(v) + spec.epsilon), rate)


RULES: dict[type[S.Optimizer], Callable[[Any, Callable[[], Any]], Exact]] = {
    S.SGD: ExactSGD,
    S.Adam: ExactAdam,
    S.AdamW: ExactAdam,
    S.RMSprop: ExactRMSprop,
}


def used(optimizer: S.Optimizer) -> set[str]:
    """Return the slots that an optimizer's fields put to use."""
    names = {"first_moment", "second_moment"} if isinstance(optimizer, S.Adam) else set()
    if isinstance(optimizer, S.RMSprop):
        names |= {"mean_square"} | ({"mean_gradient"} if optimizer.centered else set())
    if getattr(optimizer, "amsgrad", False):
        names.add("largest_second_moment")
    return names | ({"velocity"} if getattr(optimizer, "momentum", 0.0) else set())
