"""Training: many steps inside one compiled function over resident data, and the optimizer's state as named arrays."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from dualnet.backends.keras import optimizers
from dualnet.backends.keras.build import Built
from dualnet.backends.keras.device import array_of
from dualnet.backends.keras.layout import Layout
from dualnet.backends.keras.losses import loss_function
from dualnet.backends.keras.optimizers.exact import Order
from dualnet.backends.keras.scaling import Scaling
from dualnet.backends.keras.speed import WHOLE
from dualnet.backends.keras.weights import Carrier
from dualnet.backends.protocol import Array, Arrays, Progress
from dualnet.specs.losses import Loss
from dualnet.specs.optimizers import Accumulate, Clip, Optimizer, WeightAverage
from dualnet.specs.optimizers.slots import slots

Held = dict[str, Any]


def wide(tensor: Any) -> Any:
    """Return what a loss reads of an output: 16 bits are too few for sums over a batch."""
    return tf.cast(tensor, tf.float32) if tensor.dtype in (tf.bfloat16, tf.float16) else tensor


def ordered(output: Any, lies: Layout) -> Any:
    """Return a model's output in the order of the spec, which is that of losses and their targets."""
    spec = Layout(tuple(range(len(lies.axes))))
    return output if lies.axes == spec.axes else tf.transpose(output, (0, *lies.turn(spec)))


class Trainer:
    """One optimizer at work on one model. ``carried`` holds each trained variable and its carrier by name."""

    def __init__(
        self,
        built: Built,
        carried: dict[str, tuple[Any, Carrier]],
        loss: Loss,
        optimizer: Optimizer,
        clip: Clip | None,
        mask_step: Any,
    ) -> None:
        self.model, self.carried, self.clip, self.mask_step = built.model, carried, clip, mask_step
        self.lies = built.layouts.outputs[0]
        self.variables = [variable for variable, _ in carried.values()]
        self.loss = loss_function(loss)
        self.rate = tf.Variable(optimizer.learning_rate, dtype=tf.float64, trainable=False)
        orders = {name: Order(tuple(variable.shape), carrier) for name, (variable, carrier) in carried.items()}
        variables = {name: variable for name, (variable, _) in carried.items()}
        self.optimizers = optimizers.make(optimizer, variables, orders, self.rate.value)
        self.accumulate, self.average = optimizer.accumulate or Accumulate(1), optimizer.average
        self.count = tf.Variable(0, dtype=tf.int64, trainable=False)  # batches seen
        self.gathered = _copies(variables) if self.accumulate.steps > 1 else {}
        self.averages = _copies(variables) if self.average else {}
        self.scaling = Scaling(optimizer.loss_scale) if optimizer.loss_scale else None
        # The data come as arguments: a constant would be traced anew, and kept, for every data set that is held.
        self.compiled = tf.function(self._loop, reduce_retracing=True)
        self.xla, self.fast = False, tf.function(self._loop, jit_compile=True)
        self.idle: set[str] = set()  # parameters that the loss does not reach; known once a step is traced

    def steps(self, data: Held, indices: Array, rates: Array) -> Progress:
        """Take one step on each row of indices."""
        given = (data, tf.constant(indices, tf.int64), tf.constant(rates, tf.float64))
        losses, correct = (self.fast if self.xla and len(indices) == WHOLE else self.compiled)(*given)
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
        with tf.control_dependencies([self.rate.assign(rate), self.mask_step.assign(self.count)]):
            inputs = [tf.gather(tensor, row) for tensor in data["inputs"]]
        with tf.GradientTape() as tape:
            outputs = self.model(inputs if len(inputs) > 1 else inputs[0], training=True)
            first = ordered(wide(outputs[0] if isinstance(outputs, (list, tuple)) else outputs), self.lies)
            targets, soft = (None if data[key] is None else tf.gather(data[key], row) for key in ("targets", "soft"))
            loss = self.loss(first, targets, soft)
            scaled = loss * tf.cast(self.scaling.scale, loss.dtype) if self.scaling else loss
        self._learn([dense(each) for each in tape.gradient(scaled, [v.value for v in self.variables])])
        if data["labels"] is None:
            return loss, tf.constant(0, tf.int64)
        hits = tf.equal(tf.argmax(first, 1), tf.gather(data["labels"], row))
        return loss, tf.reduce_sum(tf.cast(hits, tf.int64))

    def _learn(self, found: list[Any]) -> None:
        """Update the parameters that the loss reaches, as torch does; the others have no gradient, and keep still."""
        gradients = {name: gradient for name, gradient in zip(self.carried, found, strict=True) if gradient is not None}
        self.idle = self.carried.keys() - gradients
        self.count.assign_add(1)
        if self.accumulate.steps == 1:
            self._update(gradients)
            return
        for name, gradient in gradients.items():
            self.gathered[name].assign_add(gradient)
        due = tf.equal(self.count % self.accumulate.steps, 0)
        tf.cond(due, lambda: self._update_gathered(list(gradients)), lambda: tf.constant(0))

    def _update_gathered(self, names: list[str]) -> Any:
        """Move the weights by the gradients gathered so far, and begin to gather anew."""
        share = self.accumulate.steps if self.accumulate.reduction == "mean" else 1
        self._update({name: tf.identity(self.gathered[name]) / share for name in names})
        for name in names:
            self.gathered[name].assign(tf.zeros_like(self.gathered[name]))
        return tf.constant(0)

    def _update(self, gradients: dict[str, Any]) -> None:
        if self.scaling:
            self.scaling.update(self.scaling.unscaled(gradients), self._move)
        else:
            self._move(gradients)

    def _move(self, gradients: dict[str, Any]) -> None:
        if self.clip:
            gradients = dict(zip(gradients, optimizers.clip(list(gradients.values()), self.clip), strict=True))
        for optimizer, names in self.optimizers.items():
            own = [name for name in names if name in gradients]
            optimizer.apply([gradients[name] for name in own], [self.carried[name][0] for name in own])
        if self.average:
            self._average(self.average, self._updates())

    def _updates(self) -> Any:
        """Return how often the weights have moved, in a graph or out of one."""
        return self.count // self.accumulate.steps - (self.scaling.skipped if self.scaling else 0)

    def _average(self, rule: WeightAverage, updates: Any) -> None:
        for name, (variable, _) in self.carried.items():
            mean, p = self.averages[name], variable.value
            mean.assign(tf.where(updates > 1, rule.momentum * mean + (1.0 - rule.momentum) * p, p))
            if rule.overwrite_every:
                variable.assign(tf.where(tf.equal(updates % rule.overwrite_every, 0), mean, p))

    def _slots(self) -> Iterator[tuple[str, Any, bool]]:
        """Yield every slot by ``parameter/slot``, its variable, and whether its entries lie as the parameter's do."""
        for optimizer, names in self.optimizers.items():
            for name, own in zip(names, optimizer.slots, strict=True):
                shaped = slots(optimizer.spec, optimizer.order(self.carried[name][0]).shape)
                yield from ((f"{name}/{slot}", own[slot], shaped[slot].shape is None) for slot in own)
        yield from ((f"{name}/gathered", variable, True) for name, variable in self.gathered.items())
        yield from ((f"{name}/average", variable, True) for name, variable in self.averages.items())

    def slots(self) -> Arrays:
        """Return the optimizer's state by ``parameter/slot``, and ``step``."""
        count = int(self.count.numpy())
        found: Arrays = {"step": np.array(count, dtype=np.int64)}
        found |= self.scaling.slots() if self.scaling else {}
        for full, variable, shaped in self._slots():
            name, _, slot = full.rpartition("/")
            moot = {"average": self._updates() < 1, "gathered": count % self.accumulate.steps == 0}
            if not moot.get(slot, False) and (name not in self.idle or slot == "average"):
                value = array_of(variable)
                found[full] = np.ascontiguousarray(self.carried[name][1].to_spec(value)) if shaped else value
        return found

    def load_slots(self, slots: Mapping[str, Array]) -> None:
        """Put the optimizer's state back."""
        self.count.assign(int(slots["step"]))
        if self.scaling:
            self.scaling.load(slots)
        for optimizer in self.optimizers:
            optimizer.iterations.assign(self._updates())
        for full, variable, shaped in self._slots():
            if full in slots:
                carrier = self.carried[full.rpartition("/")[0]][1]
                variable.assign(carrier.to_keras(slots[full]) if shaped else slots[full])


def dense(gradient: Any) -> Any:
    """Return a gradient whole: an embedding's comes as a slice for each look-up, of one row maybe several."""
    return tf.convert_to_tensor(gradient) if isinstance(gradient, tf.IndexedSlices) else gradient


def _copies(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return a variable of zeros beside each."""
    return {name: tf.Variable(tf.zeros_like(variable.value), trainable=False) for name, variable in variables.items()}
