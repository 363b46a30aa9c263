"""What PyTorch's recipes share: the live model, data on the device, optimizer and loss as a user would write them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dualnet.backends import backend
from dualnet.backends.torch.device import place
from dualnet.bench.job import Job, plain, refuse
from dualnet.errors import UnsupportedError
from dualnet.run.source import model_of
from dualnet.specs.optimizers import SGD

LAST = torch.channels_last
Loss = Callable[[Any, Any], Tensor]


def start(threads: int) -> dict[str, Any]:
    """Set the threads and return what torch says of them."""
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(threads)
    return {"threads": torch.get_num_threads(), "interop threads": torch.get_num_interop_threads()}


def wait(job: Job) -> None:
    """Wait until the device has done what it was given."""
    if job.device != "cpu":
        torch.cuda.synchronize(place(job.device))


def peak(job: Job) -> int | None:
    """Return the largest number of bytes that tensors held on the device; None where that is the process's memory."""
    return None if job.device == "cpu" else torch.cuda.max_memory_allocated(place(job.device))


def module(job: Job, last: bool = False) -> nn.Module:
    """Return the live model, its weights and images in the pinned memory format."""
    if job.spec is None:
        made = model_of(job.place, job.kwargs, job.option).to(place(job.device))
    else:
        made = backend("torch").build(job.spec, dtype=job.dtype, device=job.device, seed=job.seed)
    found: nn.Module = made.to(memory_format=LAST if last else torch.contiguous_format)
    return found


class Data:
    """The data set on the device, from which batches are gathered.

    Channels-last images are held as (N, H, W, C) and turned after the gather: ``.to(memory_format=…)`` does nothing to
    images of one channel, whose strides it finds good for either order, and then kernels choose the other.
    """

    def __init__(self, job: Job, last: bool = False) -> None:
        if last and any(array.ndim != 4 for array in job.inputs.values()):
            msg = "channels_last is a format of images, and the net reads something else"
            raise UnsupportedError(msg)
        self.last, self.device, self.names = last, place(job.device), names(job)
        self.inputs = [self._tensor(a.transpose(0, 2, 3, 1) if last else a) for a in job.inputs.values()]
        self.targets = None if job.targets is None else self._tensor(job.targets)

    def _tensor(self, array: Any) -> Tensor:
        # a copy: what has an axis of one counts as contiguous whatever its strides, and would keep them
        return torch.from_numpy(np.array(array, order="C", copy=True)).to(self.device)

    def __call__(self, rows: Tensor) -> tuple[Any, Tensor | None]:
        """Return the inputs, by keyword where the model takes them so, and the targets of some samples."""
        inputs = [tensor[rows] for tensor in self.inputs]
        inputs = [tensor.permute(0, 3, 1, 2) for tensor in inputs] if self.last else inputs
        given = dict(zip(self.names, inputs, strict=True)) if self.names else inputs
        return given, None if self.targets is None else self.targets[rows]


def names(job: Job) -> list[str]:
    """Return by which keywords a live model takes its inputs; none where by place."""
    return [] if job.spec is not None or all(name.isdigit() for name in job.inputs) else list(job.inputs)


def call(model: Any, inputs: Any) -> Any:
    """Return what a model gives for inputs by keyword or by place."""
    return model(**inputs) if isinstance(inputs, dict) else model(*inputs)


def format_name(last: bool) -> str:
    """Return the name of a pinned memory format."""
    return "channels_last" if last else "contiguous (NCHW)"


def optimizer_of(job: Job, model: nn.Module, fused: bool = False) -> torch.optim.Optimizer:
    """Return torch's own optimizer of the spec's settings. Raises ``UnsupportedError`` where they are not its own."""
    parameters = list(model.parameters())
    if job.spec is None:
        return torch.optim.SGD(parameters, lr=1e-3)
    refuse(plain(job.spec))
    own: Any = job.spec.training.optimizer
    common = {"lr": own.learning_rate, "weight_decay": own.weight_decay, "fused": fused or None}
    decoupled = bool(own.weight_decay) and own.decay == "decoupled"
    if type(own) is SGD:
        refuse("torch's SGD couples its weight decay" if decoupled else "")
        return torch.optim.SGD(
            parameters, momentum=own.momentum, dampening=own.dampening, nesterov=own.nesterov, **common
        )
    kind: Any = torch.optim.AdamW if decoupled else torch.optim.Adam
    made: torch.optim.Optimizer = kind(
        parameters, betas=(own.beta1, own.beta2), eps=own.epsilon, amsgrad=own.amsgrad, **common
    )
    return made


def loss_of(job: Job) -> Loss:
    """Return cross-entropy, or for a live model, which has no task, the mean square of its first output."""
    return F.cross_entropy if job.spec is not None else lambda made, _: first(made).square().mean()


def first(made: Any) -> Tensor:
    """Return the first tensor that a model gives."""
    while not isinstance(made, Tensor):
        made = next(iter(made.values() if isinstance(made, dict) else made))
    return made
