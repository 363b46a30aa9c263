"""Keras's inference recipes: one batch, its answer brought to NumPy each time."""

from collections.abc import Callable
from typing import Any

from dualnet.bench.keras.base import LAST, arrays, first, given, module

import tensorflow as tf  # isort: skip

from dualnet.backends.keras.device import place
from dualnet.bench.job import Job, Timed
from dualnet.run.predictor import Predictor


def _calling(job: Job, batch: int, answer: Callable[[Any], Callable[[Any], Any]], resident: bool) -> Timed:
    """Return what is timed: ``answer(model)`` is called on the batch, as a tensor on the device or as NumPy."""
    model = module(job)
    batches = [array[:batch] for array in arrays(job, model)]
    call = answer(model)
    with tf.device(place(job.device)):
        inputs = given(job, [tf.constant(array) for array in batches] if resident else batches)

    def run(calls: int) -> None:
        with tf.device(place(job.device)):
            for _ in range(calls):
                made = first(call(inputs))
                made.numpy() if resident else made

    return Timed(batch, run, single=True, model=model, memory_format=LAST)


def predict(job: Job, batch: int) -> Timed:
    """Call ``model.predict`` on NumPy."""
    return _calling(job, batch, lambda model: lambda x: model.predict(x, batch, verbose=0), resident=False)


def predict_on_batch(job: Job, batch: int) -> Timed:
    """Call ``model.predict_on_batch`` on NumPy."""
    return _calling(job, batch, lambda model: model.predict_on_batch, resident=False)


def plain(job: Job, batch: int) -> Timed:
    """Call the model."""
    return _calling(job, batch, lambda model: lambda x: model(x, training=False), resident=True)


def compiled(job: Job, batch: int) -> Timed:
    """Call the model inside one compiled function."""
    return _calling(job, batch, lambda model: tf.function(lambda x: model(x, training=False)), resident=True)


def predictor(job: Job, batch: int) -> Timed:
    """Ask a predictor, with NumPy."""
    return _calling(job, batch, Predictor, resident=False)
