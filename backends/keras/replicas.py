"""Replicas: one model trained on several devices, each on its slice of every batch, under ``tf.distribute``.

``fit`` under MultiWorkerMirroredStrategy fails with this Keras (keras #20585), so this is a ``strategy.run`` loop of
our own under MirroredStrategy. The outputs of all are gathered before the loss, so that each replica has the loss of
the whole batch, however it is averaged, and its gradient at its own rows. The gradients of the parameters are then sums
over the replicas, and BatchNorm's moments sums over all rows. Optimizers work outside of the replicas, as alone.
"""

from functools import partial
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from dualnet.backends import check
from dualnet.backends.keras import device as devices
from dualnet.backends.keras.bridges import UnbiasedBatchNormalization
from dualnet.backends.keras.session import KerasSession
from dualnet.backends.keras.slices import SLICE
from dualnet.backends.keras.train import Held, Trainer, dense, ordered, wide
from dualnet.backends.shares import bounds
from dualnet.specs.losses import Loss
from dualnet.specs.optimizers import Clip, Optimizer
from dualnet.specs.spec import Spec

SUM = tf.distribute.ReduceOp.SUM


def strategy(device: str, workers: int) -> Any:
    """Return the strategy of so many replicas, on logical CPUs or on GPUs. Raises ``DeviceError``."""
    places = devices.replicas(device, workers)
    if "CPU" in places[0]:
        return tf.distribute.MirroredStrategy(places, tf.distribute.ReductionToOneDevice())
    return tf.distribute.MirroredStrategy(places)


def total(tensor: Any) -> Any:
    """Return Σ over the replicas; its gradient is Σ of theirs."""
    return tf.distribute.get_replica_context().all_reduce(SUM, tensor)


def gathered(tensor: Any, first: Any, rows: Any) -> Any:
    """Return the rows of all replicas, of which ``tensor`` are those from ``first`` on; its gradient is that of these.

    Not the sum of all replicas' gradients: every one computes the same from the rows, and goes back to its own.
    """

    @tf.custom_gradient
    def whole(tensor: Any) -> Any:
        count = tf.shape(tensor)[0]
        around = [[first, rows - first - count], *[[0, 0]] * (len(tensor.shape) - 1)]
        # slices differ in size, so each adds its own to zeros
        return total(tf.pad(tensor, around)), lambda gradient: gradient[first : first + count]

    return whole(tensor)


def synchronise(model: Any) -> None:
    """Make every BatchNorm of a model take the moments of the whole batch in a replica's step."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.call = partial(_normalised, layer, layer.call)


def _normalised(layer: Any, alone: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
    if SLICE.rows is None or not (training and layer.trainable):
        return alone(inputs, training=training, mask=mask)
    x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
    axis = layer.axis % len(x.shape)
    axes = [each for each in range(len(x.shape)) if each != axis]
    count = tf.cast(SLICE.rows * (tf.size(x[0]) // x.shape[axis]), x.dtype)
    per_channel = [x.shape[axis] if each == axis else 1 for each in range(len(x.shape))]
    mean = total(tf.reduce_sum(x, axes)) / count
    centred = x - tf.reshape(mean, per_channel)
    variance = total(tf.reduce_sum(centred * centred, axes)) / count
    _move(layer, layer.moving_mean, mean)
    unbiased = isinstance(layer, UnbiasedBatchNormalization)
    _move(layer, layer.moving_variance, variance * (count / (count - 1.0)) if unbiased else variance)
    made = centred / tf.reshape(tf.sqrt(variance + layer.epsilon), per_channel)
    made = made * tf.reshape(ops.cast(layer.gamma, x.dtype), per_channel) if layer.scale else made
    made = made + tf.reshape(ops.cast(layer.beta, x.dtype), per_channel) if layer.center else made
    return ops.cast(made, inputs.dtype)


def _move(layer: Any, moving: Any, batch: Any) -> None:
    """Note where a running statistic moves to: replicas cannot assign, all of them come to the same."""
    _, before = SLICE.moved.get(id(moving), (moving, moving.value))
    SLICE.moved[id(moving)] = moving, before * layer.momentum + ops.cast(batch * (1.0 - layer.momentum), moving.dtype)


class ReplicaTrainer(Trainer):
    """The optimizer of all replicas."""

    def __init__(self, strategy: Any, home: str, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.strategy, self.home = strategy, home
        self.reached: list[str] = []  # the names of the parameters that have a gradient; known once a step is traced
        self.moving: list[Any] = []  # and the variables of the statistics that it moves

    def _step(self, data: Held, row: Any, rate: Any) -> Any:
        with tf.control_dependencies([self.rate.assign(rate), self.mask_step.assign(self.count)]):
            row = tf.identity(row)
        loss, hits, gradients, moved = self.strategy.run(self._share, (data, row))
        sums = [self.strategy.reduce(SUM, each, axis=None) for each in gradients]
        found = dict(zip(self.reached, sums, strict=True))
        self._learn([found.get(name) for name in self.carried])
        for variable, value in zip(self.moving, moved, strict=True):
            variable.assign(self._one(value))
        return self._one(loss), self._one(hits)

    def _one(self, value: Any) -> Any:
        """Return what all replicas have alike."""
        return self.strategy.experimental_local_results(value)[0]

    def _share(self, data: Held, row: Any) -> Any:
        """Return, in a replica: loss and hits of the batch, its share of the gradients, and the moved statistics."""
        context = tf.distribute.get_replica_context()
        rows = tf.shape(row)[0]
        first, last = bounds(rows, context.replica_id_in_sync_group, self.strategy.num_replicas_in_sync)
        with tf.device(self.home):  # where the data lie: only the slice is sent on
            inputs = [tf.gather(tensor, row[first:last]) for tensor in data["inputs"]]
            targets, soft = (None if data[key] is None else tf.gather(data[key], row) for key in ("targets", "soft"))
        SLICE.first, SLICE.rows = first, rows
        with tf.GradientTape() as tape:
            made = self.model(inputs if len(inputs) > 1 else inputs[0], training=True)
            own = ordered(wide(made[0] if isinstance(made, (list, tuple)) else made), self.lies)
            outputs = gathered(own, first, rows)
            loss = self.loss(outputs, targets, soft)
            scaled = loss * tf.cast(self.scaling.scale, loss.dtype) if self.scaling else loss
        gradients = [dense(each) for each in tape.gradient(scaled, [v.value for v in self.variables])]
        moved = list(SLICE.moved.values())
        SLICE.whole()
        self.reached = [name for name, each in zip(self.carried, gradients, strict=True) if each is not None]
        self.moving = [variable for variable, _ in moved]
        hits = tf.constant(0, tf.int64)
        if data["labels"] is not None:
            right = tf.equal(tf.argmax(outputs, 1), tf.gather(data["labels"], row))
            hits = tf.reduce_sum(tf.cast(right, tf.int64))
        return loss, hits, [each for each in gradients if each is not None], [value for _, value in moved]


class Replicated(KerasSession):
    """One model in replicas. Outside of ``steps`` it is the model of the first."""

    def __init__(self, spec: Spec, dtype: str, device: str, seed: int, strategy: Any) -> None:
        self.strategy = strategy
        with strategy.scope():
            super().__init__(spec, dtype, device, seed, shared_masks=True)
        synchronise(self.model)

    def prepare(self, loss: Loss, optimizer: Optimizer, clip: Clip | None = None, steps: int = 0) -> None:
        """Make a fresh optimizer: step 0, empty slots. ``steps`` is how many are to come, 0 if nobody knows.

        Raises ``SpecError`` if there is nothing to train.
        """
        check.trainable(self.spec)
        check.trains(self.precision.name)
        trained = {name: pair for name, pair in self._carried().items() if name in self.trainable()}
        given = (self.built, trained, loss, optimizer, clip, self.mask_step)
        with self.strategy.scope():
            self.trainer = ReplicaTrainer(self.strategy, self.device, *given)
        self.why = "no XLA: not with several replicas"
