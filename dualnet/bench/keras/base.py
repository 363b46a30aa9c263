"""What Keras's recipes share: the live model, data in its order of axes, optimizer and loss as a user writes them."""

from typing import Any

import numpy as np

from dualnet.backends.keras import device as devices  # first: it decides how TensorFlow starts

import keras  # isort: skip
import tensorflow as tf  # isort: skip

from dualnet.backends import backend
from dualnet.backends.draws import turned
from dualnet.bench.job import Job, plain, refuse
from dualnet.errors import UnsupportedError
from dualnet.run.source import model_of
from dualnet.specs.optimizers import SGD

LAST = "channels last (NHWC)"


def start(threads: int) -> dict[str, Any]:
    """Return the threads that TensorFlow was started with: they are set when the backend is imported."""
    threading = tf.config.threading
    found = threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads()
    if found != (threads, threads):
        msg = f"keras: TensorFlow runs with {found[0]} threads within an op and {found[1]} between, not {threads}."
        raise UnsupportedError(msg)
    return {"threads": found[0], "interop threads": found[1]}


def wait(job: Job) -> None:
    """Wait until the device has done what it was given."""
    if job.device != "cpu":
        tf.test.experimental.sync_devices()


def peak(job: Job) -> int | None:
    """Return the largest number of bytes that tensors held on the device; None where that is the process's memory."""
    if job.device == "cpu":
        return None
    found: int = tf.config.experimental.get_memory_info(devices.place(job.device).strip("/"))["peak"]
    return found


def module(job: Job) -> Any:
    """Return the live model."""
    if job.dtype == "float64":
        keras.config.set_floatx("float64")  # or fit would cast its data to float32
    if job.spec is not None:
        return backend("keras").build(job.spec, dtype=job.dtype, device=job.device, seed=job.seed)
    made = model_of(job.place, job.kwargs, job.option)
    made(given(job, [tf.constant(array[:1]) for array in arrays(job, made)]))  # which builds one that was not
    return made


def arrays(job: Job, model: Any) -> list[Any]:
    """Return the inputs as the model reads them: images with channels last."""
    if job.spec is None:
        return [turned(a, job.orders.get(name)) for name, a in job.inputs.items()]
    wanted = [tuple(each.shape[1:]) for each in model.inputs]
    return [_laid(array, shape) for array, shape in zip(job.inputs.values(), wanted, strict=True)]


def _laid(array: Any, wanted: tuple[int, ...]) -> Any:
    last = np.moveaxis(array, 1, -1) if array.ndim > 2 else array
    if array.ndim > 3 or array.shape[1:] != wanted:
        array = last
    return np.ascontiguousarray(array)


def given(job: Job, inputs: list[Any]) -> Any:
    """Return inputs as a model is called with: by keyword, several as a list, or the one."""
    if job.spec is None and not all(name.isdigit() for name in job.inputs):
        return dict(zip(job.inputs, inputs, strict=True))
    return inputs if len(inputs) > 1 else inputs[0]


def resident(job: Job, model: Any) -> tuple[list[Any], Any]:
    """Return the inputs and targets as tensors on the device."""
    with tf.device(devices.place(job.device)):
        targets = None if job.targets is None else tf.constant(job.targets)
        return [tf.constant(array) for array in arrays(job, model)], targets


def optimizer_of(job: Job) -> Any:
    """Return Keras's own optimizer of the spec's settings. Raises ``UnsupportedError`` where they are not its own."""
    if job.spec is None:
        return keras.optimizers.SGD(1e-3)
    refuse(plain(job.spec))
    own: Any = job.spec.training.optimizer
    refuse("Keras decouples weight decay" if own.weight_decay and own.decay == "coupled" else "")
    decay = own.weight_decay or None
    if type(own) is SGD:
        refuse("Keras's SGD has no dampening" if own.dampening else "")
        return keras.optimizers.SGD(own.learning_rate, own.momentum, own.nesterov, weight_decay=decay)
    kind = keras.optimizers.AdamW if decay else keras.optimizers.Adam
    more = {"weight_decay": decay} if decay else {}
    return kind(own.learning_rate, own.beta1, own.beta2, own.epsilon, own.amsgrad, **more)


def loss_of(job: Job) -> Any:
    """Return cross-entropy of logits, or for a live model, which has no task, the mean square of its first output."""
    if job.spec is None:
        return lambda _, made: tf.reduce_mean(tf.square(first(made)))
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def first(made: Any) -> Any:
    """Return the first tensor that a model gives."""
    return keras.tree.flatten(made)[0]
