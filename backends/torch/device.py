"""Device, precision, threads and seeds of PyTorch."""

import os
import warnings
from contextlib import ExitStack, nullcontext
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # libgomp's spinning made busy machines 100 times slower

import torch

from dualnet.backends import check
from dualnet.backends.precision import Precision
from dualnet.errors import DeviceError


def stored(precision: Precision) -> torch.dtype:
    """Return the dtype of a precision's parameters."""
    found: torch.dtype = getattr(torch, precision.stores)
    return found


def casting(precision: Precision, device: torch.device) -> Any:
    """Return the context in which layers compute in a precision: autocast where it is mixed."""
    if not precision.mixed:
        return nullcontext()
    context = ExitStack()
    context.enter_context(torch.autocast(device.type, getattr(torch, precision.computes)))
    if device.type == "cpu" and precision.computes == "float16":  # oneDNN has no LSTM of it, torch itself has
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it asks about Intel's GPUs
            context.enter_context(torch.backends.mkldnn.flags(enabled=False))
    return context


def array_of(tensor: torch.Tensor) -> Any:
    """Return a tensor as an array of its own, 16-bit floats as float32."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor).numpy().copy()


def place(name: str) -> torch.device:
    """Return the device of a name: cpu, gpu or cuda:N. Raises ``DeviceError`` if this machine lacks it."""
    number = check.device(name)
    if number is None:
        return torch.device("cpu")
    if number >= torch.cuda.device_count():
        msg = f"torch: this machine has {torch.cuda.device_count()} GPUs. Received: device={name!r}"
        raise DeviceError(msg)
    exact()
    return torch.device(f"cuda:{number}")


def names() -> list[str]:
    """Return the devices that torch can use here, by the names that ``place`` takes."""
    return ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]


def exact() -> None:
    """Switch TF32 off, which keeps 10 bits of a mantissa, and kernels whose sums change from run to run.

    No verdict survives the one or the other. An op that has no other kernel warns.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read by cuBLAS when it starts
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=True)


def facts() -> dict[str, Any]:
    """Return the version, devices and threads."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"version": torch.__version__, "devices": ["cpu", *gpus], "threads": torch.get_num_threads()}
