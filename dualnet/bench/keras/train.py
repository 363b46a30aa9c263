"""Keras's training recipes: the same steps on the same batches, each in another way."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from dualnet.bench.keras.base import LAST, arrays, given, loss_of, module, optimizer_of, resident, wait

import keras  # isort: skip
import tensorflow as tf  # isort: skip

from dualnet.backends import backend
from dualnet.backends.keras.device import place
from dualnet.bench.job import LONG, Job, Timed, taken
from dualnet.run.train import CHUNK

# Steps of one call of a compiled loop: it costs a third of a millisecond, and a slow net's must not take seconds.
PIECE = 20
# Steps of one execution within fit: more gained nothing.
EXECUTION = 100


class Clock(keras.callbacks.Callback):
    """Notes when the first epoch begins: what fit does before is setting up."""

    began = (0.0, 0.0)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the time, if this is the first epoch."""
        if epoch == 0:
            self.began = (time.perf_counter(), time.process_time())


def _fitting(job: Job, steps: int, model: Any, **how: Any) -> Callable[[int], tuple[float, float]]:
    """Return what runs whole epochs of fit and tells their seconds, wall and CPU."""

    def run(calls: int) -> tuple[float, float]:
        clock = Clock()
        model.fit(epochs=-(-calls // steps), verbose=0, callbacks=[clock], **how)
        wait(job)
        return time.perf_counter() - clock.began[0], time.process_time() - clock.began[1]

    return run


def fit(job: Job, batch: int) -> Timed:
    """Call ``model.fit`` on NumPy arrays."""
    model, steps = module(job), job.epoch(batch)
    model.compile(optimizer_of(job), loss_of(job))
    assert job.targets is not None  # a spec's job has some
    whole = steps * batch
    given_arrays = [array[:whole] for array in arrays(job, model)]
    how = {"x": given_arrays if len(given_arrays) > 1 else given_arrays[0], "y": job.targets[:whole]}
    run = _fitting(job, steps, model, batch_size=batch, shuffle=job.shuffled, **how)
    return Timed(batch, run, least=steps, model=model, memory_format=LAST)


def fit_dataset(job: Job, batch: int) -> Timed:
    """Call ``model.fit`` on a Dataset that gathers batches by index, without autotune."""
    model, steps = module(job), job.epoch(batch)
    together = max(count for count in range(1, EXECUTION + 1) if steps % count == 0)
    model.compile(optimizer_of(job), loss_of(job), steps_per_execution=together, jit_compile=False)
    inputs, targets = resident(job, model)

    def order(_: Any) -> Any:
        numbers = tf.range(job.count)
        numbers = tf.random.shuffle(numbers) if job.shuffled else numbers
        return tf.data.Dataset.from_tensor_slices(tf.reshape(numbers[: steps * batch], (steps, batch)))

    def gather(rows: Any) -> Any:
        return given(job, [tf.gather(tensor, rows) for tensor in inputs]), tf.gather(targets, rows)

    data = tf.data.Dataset.range(1).flat_map(order).map(gather).prefetch(2)
    data = data.apply(tf.data.experimental.assert_cardinality(steps))
    options = tf.data.Options()
    options.autotune.enabled = False
    run = _fitting(job, steps, model, x=data.with_options(options), shuffle=False)
    return Timed(batch, run, least=steps, model=model, memory_format=LAST)


def on_batch(job: Job, batch: int) -> Timed:
    """Call ``train_on_batch`` on NumPy."""
    model, rows = module(job), job.rows(batch)
    model.compile(optimizer_of(job), loss_of(job))
    held = arrays(job, model)
    targets = job.targets if job.targets is not None else np.zeros((job.count, 1), np.float32)

    def run(calls: int) -> None:
        for _ in range(calls):
            row = next(rows)
            model.train_on_batch(given(job, [array[row] for array in held]), targets[row])
        wait(job)

    return Timed(batch, run, model=model, memory_format=LAST)


def stepper(job: Job, model: Any) -> Callable[[Any, Any], Any]:
    """Return one training step, of inputs and targets, to be compiled."""
    optimizer, loss_function = optimizer_of(job), loss_of(job)
    variables = model.trainable_variables
    optimizer.build(variables)

    def step(inputs: Any, target: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_function(target, model(given(job, inputs), training=True))
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
        return loss

    return step


def step(job: Job, batch: int) -> Timed:
    """Call one compiled step for each batch."""
    model, rows = module(job), job.rows(batch)
    take, (inputs, targets) = stepper(job, model), resident(job, model)

    @tf.function
    def one(row: Any) -> Any:
        return take([tf.gather(t, row) for t in inputs], None if targets is None else tf.gather(targets, row))

    def run(calls: int) -> None:
        with tf.device(place(job.device)):
            for _ in range(calls):
                made = one(tf.constant(next(rows)))
            made.numpy()

    return Timed(batch, run, model=model, memory_format=LAST)


def _looping(job: Job, batch: int, xla: bool, fixed: bool) -> Timed:
    model, rows = module(job), job.rows(batch)
    take, (inputs, targets) = stepper(job, model), resident(job, model)
    row = tf.constant(next(rows)) if fixed else None
    one = None if row is None else ([tf.gather(t, row) for t in inputs], tf.gather(targets, row))

    @tf.function(jit_compile=xla)
    def many(table: Any) -> Any:
        loss = tf.zeros((), "float64" if job.dtype == "float64" else "float32")
        for i in tf.range(PIECE):
            given_inputs, target = one or ([tf.gather(t, table[i]) for t in inputs], tf.gather(targets, table[i]))
            loss = tf.cast(take(given_inputs, target), loss.dtype)
        return loss

    def run(calls: int) -> None:
        with tf.device(place(job.device)):
            for _ in range(0, calls, PIECE):
                made = many(tf.constant(taken(rows, PIECE)))
            made.numpy()

    return Timed(batch, run, least=PIECE, model=model, memory_format=LAST)


def loop(job: Job, batch: int) -> Timed:
    """Take many steps inside one compiled function."""
    return _looping(job, batch, xla=False, fixed=False)


def loop_xla(job: Job, batch: int) -> Timed:
    """The same, compiled by XLA."""
    return _looping(job, batch, xla=True, fixed=False)


def fixed(job: Job, batch: int) -> Timed:
    """The loop on one batch over and over."""
    return _looping(job, batch, xla=False, fixed=True)


def fixed_xla(job: Job, batch: int) -> Timed:
    """The same, compiled by XLA."""
    return _looping(job, batch, xla=True, fixed=True)


def session(job: Job, batch: int) -> Timed:
    """Ask a session for its steps, so many at once as a training asks for."""
    made = backend("keras").session(job.net, dtype=job.dtype, device=job.device, seed=job.seed)
    training, rows = job.net.training, job.rows(batch)
    made.hold("train", job.inputs, job.targets, job.labels)
    made.prepare(training.loss, training.optimizer, training.clip, LONG)

    def run(calls: int) -> None:
        for at in range(0, calls, CHUNK):
            count = min(CHUNK, calls - at)
            made.steps("train", taken(rows, count), np.full(count, training.optimizer.learning_rate))

    return Timed(batch, run, least=CHUNK, model=made, memory_format="the session's own")
