"""Loss scaling: the loss grows before backward, gradients shrink again, an update that overflows is left out."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from dualnet.backends.protocol import Array, Arrays
from dualnet.backends.scaling import LARGEST, STATE, arrays, number
from dualnet.specs.optimizers import LossScale


class Scaling:
    """The factor at work, how many updates in a row were finite, and how many were left out."""

    def __init__(self, rule: LossScale) -> None:
        self.rule = rule
        self.scale = tf.Variable(rule.initial, dtype=tf.float64, trainable=False)
        self.run, self.skipped = (tf.Variable(0, dtype=tf.int64, trainable=False) for _ in range(2))

    def unscaled(self, gradients: dict[str, Any]) -> dict[str, Any]:
        """Return gradients divided by the scale."""
        return {name: gradient / tf.cast(self.scale, gradient.dtype) for name, gradient in gradients.items()}

    def update(self, gradients: dict[str, Any], move: Callable[[dict[str, Any]], Any]) -> None:
        """Call ``move`` on unscaled gradients if all are finite, and move the scale accordingly."""
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients.values()])

        def fine() -> Any:
            move(gradients)
            due, grown = tf.equal(self.run + 1, self.rule.interval), self.scale * self.rule.growth
            self.scale.assign(tf.where(due & (grown <= LARGEST), grown, self.scale))
            self.run.assign(tf.where(due, tf.zeros_like(self.run), self.run + 1))
            return tf.constant(0)

        def overflow() -> Any:
            self.scale.assign(self.scale * self.rule.backoff)
            self.run.assign(0)
            self.skipped.assign_add(1)
            return tf.constant(0)

        tf.cond(finite, fine, overflow)

    def slots(self) -> Arrays:
        """Return the state by name."""
        return arrays({name: getattr(self, name).numpy() for name in STATE})

    def load(self, slots: Mapping[str, Array]) -> None:
        """Put the state back."""
        for name in STATE:
            getattr(self, name).assign(number(slots, name))
