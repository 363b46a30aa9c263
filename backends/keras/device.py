"""Device, precision, threads and seeds of Keras; the one place that decides how TensorFlow starts."""

import contextlib
import os
from typing import Any

from dualnet.backends.keras import silence

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # else TensorFlow takes the whole GPU from torch

with silence.start():  # lines of C++ that the variable above does not reach
    import keras
    import tensorflow as tf

from dualnet.backends import check
from dualnet.backends.precision import plain
from dualnet.errors import DeviceError, UnsupportedError

if keras.config.backend() != "tensorflow":
    msg = f"dualnet runs Keras on TensorFlow. Received: KERAS_BACKEND={keras.config.backend()}; unset it."
    raise UnsupportedError(msg)

# How many replicas this process trains a model by; dualnet's own workers are told when they start.
WORKERS = int(os.environ.get("DUALNET_WORKERS", "1"))

# One thread unless the user says otherwise, as for torch: small nets gain nothing from more, and busy machines lose.
with contextlib.suppress(RuntimeError):  # TensorFlow already runs: the process belongs to somebody else
    tf.config.threading.set_intra_op_parallelism_threads(int(os.environ.get("OMP_NUM_THREADS", "0")))
    tf.config.threading.set_inter_op_parallelism_threads(int(os.environ.get("OMP_NUM_THREADS", "0")) * WORKERS)
    if WORKERS > 1:  # one logical CPU for each replica
        cpu, *_ = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * WORKERS)
with silence.start():  # the first op greets too
    tf.zeros(())


def array_of(tensor: Any) -> Any:
    """Return a tensor or variable as an array, 16-bit floats as float32."""
    return plain(tensor.numpy())


def place(name: str) -> str:
    """Return TensorFlow's name of a device: cpu, gpu or cuda:N. Raises ``DeviceError`` if this machine lacks it."""
    number = check.device(name)
    if number is None:
        return "/CPU:0"
    gpus = tf.config.list_physical_devices("GPU")
    if number >= len(gpus):
        msg = f"keras: TensorFlow sees {len(gpus)} GPUs on this machine. Received: device={name!r}"
        raise DeviceError(msg)
    exact()
    return f"/GPU:{number}"


def replicas(name: str, workers: int) -> list[str]:
    """Return TensorFlow's names of the devices of so many replicas. Raises ``DeviceError`` if one is not there."""
    number = check.device(name)
    if number is not None:
        return [place(f"cuda:{number + each}") for each in range(workers)]
    found = [device.name for device in tf.config.list_logical_devices("CPU")]
    if len(found) < workers:
        msg = f"keras: TensorFlow started with {len(found)} logical CPUs, too few for {workers} workers."
        raise DeviceError(msg)
    return found[:workers]


def names() -> list[str]:
    """Return the devices that TensorFlow can use here, by the names that ``place`` takes."""
    return ["cpu", *(f"cuda:{index}" for index in range(len(tf.config.list_physical_devices("GPU"))))]


def exact() -> None:
    """Switch TF32 off, which keeps 10 bits of a mantissa, and kernels whose sums change from run to run."""
    tf.config.experimental.enable_tensor_float_32_execution(False)
    tf.config.experimental.enable_op_determinism()


def facts() -> dict[str, Any]:
    """Return the versions, devices and threads."""
    devices = [device.name.removeprefix("/physical_device:") for device in tf.config.list_physical_devices()]
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    return {
        "version": f"{keras.__version__} on TensorFlow {tf.__version__}",
        "devices": devices,
        "threads": threads or "all",
    }
