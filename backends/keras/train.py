"""Training: many steps inside one compiled function over resident data, and the optimizer's state as named arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from dualnet.backends.keras import optimizers
from dualnet.backends.keras.losses import loss_function
from dualnet.backends.keras.weights import Carrier
from dualnet.backends.protocol import Array, Arrays, Progress
from dualnet.specs.losses import Loss
from dualnet.specs.optimizers import Clip, Optimizer

Held = dict[str, Any]


class Trainer:
    """One optimizer at work on one model. ``carried`` holds each trained variable and its carrier by name."""

    def __init__(
        self,
        model: Any,
        carried: dict[str, tuple[Any, Carrier]],
        loss: Loss,
        optimizer: Optimizer,
        clip: Clip | None,
        mask_step: Any,
    ) -> None:
        self.model, self.carried, self.clip, self.mask_step = model, carried, clip, mask_step
        self.variables = [variable for variable, _ in carried.values()]
        self.loss = loss_function(loss)
        self.rate = tf.Variable(optimizer.learning_rate, dtype=tf.float64, trainable=False)
        self.optimizer = optimizers.make(optimizer, self.rate.value)
        self.optimizer.build(self.variables)
        self.used = optimizers.used(optimizer)
        # The data come as arguments: a constant would be traced anew, and kept, for every data set that is held.
        self.compiled = tf.function(self._loop, reduce_retracing=True)
        self.idle: set[str] = set()  # parameters that the loss does not reach; known once a step is traced

    def steps(self, data: Held, indices: Array, rates: Array) -> Progress:
        """Take one step on each row of indices."""
        losses, correct = self.compiled(data, tf.constant(indices, tf.int64), tf.constant(rates, tf.float64))
        return {"loss": losses.numpy(), "correct": correct.numpy()}

    def _loop(self, data: Held, indices: Any, rates: Any) -> Any:
        count = tf.shape(indices)[0]
        losses, correct = tf.TensorArray(tf.float64, count), tf.TensorArray(tf.int64, count)

        def body(i: Any, losses: Any, correct: Any) -> Any:
            loss, hits = self._step(data, indices[i], rates[i])
            return i + 1, losses.write(i, tf.cast(loss, tf.float64)), correct.write(i, hits)

        _, losses, correct = tf.while_loop(lambda i, *_: i < count, body, (tf.constant(0), losses, correct))
        return losses.stack(), correct.stack()

    def _step(self, data: Held, row: Any, rate: Any) -> Any:
        with tf.control_dependencies([self.rate.assign(rate), self.mask_step.assign(self.optimizer.iterations.value)]):
            inputs = [tf.gather(tensor, row) for tensor in data["inputs"]]
        with tf.GradientTape() as tape:
            outputs = self.model(inputs if len(inputs) > 1 else inputs[0], training=True)
            first = outputs[0] if isinstance(outputs, (list, tuple)) else outputs
            targets, soft = (None if data[key] is None else tf.gather(data[key], row) for key in ("targets", "soft"))
            loss = self.loss(first, targets, soft)
        self._learn(tape.gradient(loss, [v.value for v in self.variables]))
        if data["labels"] is None:
            return loss, tf.constant(0, tf.int64)
        hits = tf.equal(tf.argmax(first, 1), tf.gather(data["labels"], row))
        return loss, tf.reduce_sum(tf.cast(hits, tf.int64))

    def _learn(self, found: list[Any]) -> None:
        """Update the parameters that the loss reaches, as torch does; the others have no gradient, and keep still."""
        self.idle = {name for name, gradient in zip(self.carried, found, strict=True) if gradient is None}
        variables = [v for v, gradient in zip(self.variables, found, strict=True) if gradient is not None]
        gradients = [gradient for gradient in found if gradient is not None]
        self.optimizer.apply(optimizers.clip(gradients, self.clip) if self.clip else gradients, variables)

    def slots(self) -> Arrays:
        """Return the optimizer's state by ``parameter/slot``, and ``step``."""
        found: Arrays = {"step": np.array(int(self.optimizer.iterations.numpy()), dtype=np.int64)}
        for name, (variable, carrier) in self.carried.items():
            for slot in sorted(self.used) if name not in self.idle else ():
                value = self.optimizer.slot(variable, slot).numpy()
                found[f"{name}/{slot}"] = np.ascontiguousarray(carrier.to_spec(value))
        return found

    def load_slots(self, slots: Mapping[str, Array]) -> None:
        """Put the optimizer's state back."""
        self.optimizer.iterations.assign(int(slots["step"]))
        for full, value in slots.items():
            name, _, slot = full.partition("/")
            if slot:
                variable, carrier = self.carried[name]
                self.optimizer.slot(variable, slot).assign(carrier.to_keras(value))
