"""Ranks: one model trained by several processes, each on its slice of every batch, by ``torch.distributed`` and DDP.

Every rank holds the data and takes the rows that ``bounds`` gives it. The outputs of all are gathered before the loss,
so that each rank has the loss of the whole batch, however it is averaged, and its gradient at its own rows. The
gradients of the parameters are then sums over the ranks, and BatchNorm's moments sums over all rows. Steps are those of
one process, but for the order of sums.
"""

import atexit
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from dualnet.backends import check
from dualnet.backends.protocol import Array, Progress
from dualnet.backends.shares import bounds
from dualnet.backends.torch.bridges import BiasedBatchNorm
from dualnet.backends.torch.session import TorchSession
from dualnet.backends.torch.train import Held, Trainer, wide
from dualnet.errors import UnsupportedError
from dualnet.specs.losses import Loss
from dualnet.specs.optimizers import Clip, Optimizer
from dualnet.specs.spec import Spec


class Ranks:
    """This process among the others. ``rows`` is the size of the batch at work, None between steps.

    ``layers`` is the group of what layers and losses exchange; DDP has one of its own, so that what it sends during
    backward gets in nobody's way.
    """

    def __init__(self, number: int, workers: int, meet: str, device: torch.device) -> None:
        self.number, self.workers = number, workers
        self.rows: int | None = None
        if not dist.is_available():
            msg = "torch: this build has no torch.distributed, so it trains in one process only. Leave out --workers."
            raise UnsupportedError(msg)
        if not dist.is_initialized():
            backend = "nccl" if device.type == "cuda" else "gloo"
            dist.init_process_group(backend, init_method=meet, rank=number, world_size=workers)
            atexit.register(dist.destroy_process_group)
        self.layers = dist.new_group()

    def total(self, tensor: Tensor) -> Tensor:
        """Return Σ over the ranks; its gradient is Σ of theirs."""
        made: Tensor = _Total.apply(tensor, self.layers)
        return made

    def gathered(self, tensor: Tensor, first: int) -> Tensor:
        """Return the rows of all ranks, of which ``tensor`` are those from ``first`` on; its gradient is that of these.

        Not the sum of all ranks' gradients: every rank computes the same from the rows, and goes back to its own.
        """
        assert self.rows is not None  # asked within a step
        made: Tensor = _Gathered.apply(tensor, first, self.rows, self.layers)
        return made


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, tensor: Tensor, group: Any) -> Tensor:
        context.group, total = group, tensor.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=context.group)
        return total, None


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, tensor: Tensor, first: int, rows: int, group: Any) -> Tensor:
        context.own = slice(first, first + len(tensor))
        whole = tensor.new_zeros(rows, *tensor.shape[1:])  # slices differ in size, so each adds its own to zeros
        whole[context.own] = tensor
        dist.all_reduce(whole, group=group)
        return whole

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return gradients[0][context.own], None, None, None


def synchronise(model: nn.Module, ranks: Ranks) -> None:
    """Make every BatchNorm of a model take the moments of the whole batch during a step of the ranks."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.forward = partial(_normalised, module, ranks, module.forward)


def _normalised(module: Any, ranks: Ranks, alone: Any, x: Tensor) -> Tensor:
    if not module.training or ranks.rows is None:
        made: Tensor = alone(x)
        return made
    axes = [axis for axis in range(x.dim()) if axis != 1]
    count = ranks.rows * (x[0, 0].numel() if x.dim() > 2 else 1)
    per_channel = (1, -1, *[1] * (x.dim() - 2))
    mean = ranks.total(wide(x).sum(axes)) / count
    centred = wide(x) - mean.reshape(per_channel)
    variance = ranks.total((centred * centred).sum(axes)) / count
    with torch.no_grad():
        moved = variance if isinstance(module, BiasedBatchNorm) else variance * (count / (count - 1))
        module.running_mean.lerp_(mean.to(module.running_mean.dtype), module.momentum)
        module.running_var.lerp_(moved.to(module.running_var.dtype), module.momentum)
    made = centred / torch.sqrt(variance + module.eps).reshape(per_channel)
    if module.affine:
        made = made * module.weight.reshape(per_channel) + module.bias.reshape(per_channel)
    return made.to(x.dtype)


class _First(nn.Module):
    """The first output of a model, which is what the loss reads: DDP waits for the gradient of whatever it is given."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the first output."""
        made = self.model(*inputs)
        first: Tensor = made[0] if isinstance(made, tuple) else made
        return first


def _summed(group: Any, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
    """Add up DDP's gradients: the loss is that of the whole batch, so there is no mean over ranks to take."""
    done = dist.all_reduce(bucket.buffer(), group=group, async_op=True).get_future()
    found: torch.futures.Future[Tensor] = done.then(lambda future: future.value()[0])
    return found


class RankTrainer(Trainer):
    """One rank's optimizer. All ranks hold the same weights and slots, and move them by the same gradients."""

    def __init__(self, ranks: Ranks, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.ranks = ranks
        self.parallel = DistributedDataParallel(
            _First(self.model), broadcast_buffers=False, find_unused_parameters=True
        )
        self.parallel.register_comm_hook(None, _summed)

    def steps(self, data: Held, indices: Tensor, rates: Array) -> Progress:
        """Take one step on each row of indices; the loss and the hits are those of the whole batch, on every rank."""
        losses, hits = [], []
        self.model.train()
        for row, rate in zip(indices, rates, strict=True):
            try:
                loss, correct = self._share(data, row)
            finally:
                self._among(None, 0)
            losses.append(float(loss))
            hits.append(int(correct))
            self.count += 1
            if self.count % self.accumulate.steps == 0:
                self._update(float(rate))
        self.model.eval()
        return {"loss": np.array(losses, np.float64), "correct": np.array(hits, np.int64)}

    def _among(self, rows: int | None, first: int) -> None:
        """Tell layers of which batch they see a slice."""
        self.ranks.rows = rows
        for module in self.dropouts:
            module.step, module.first = self.count, first

    def _share(self, data: Held, row: Tensor) -> tuple[Tensor, Tensor]:
        """Gather the gradients of a batch; return its loss, and how many were classified correctly."""
        first, last = bounds(len(row), self.ranks.number, self.ranks.workers)
        self._among(len(row), first)
        before = [p.grad for p in self.named.values()]
        for p in self.named.values():
            p.grad = None  # or DDP would add up what earlier batches left, once for each rank
        with self.casting():
            own = self.parallel(*(held.rows(row[first:last]) for held in data["inputs"]))
        outputs = self.ranks.gathered(wide(own), first)
        soft, labels = data["soft"], data["labels"]
        loss = self.loss(outputs, data["targets"][row], None if soft is None else soft[row])
        (loss * self.scaling.scale if self.scaling else loss).backward()
        for p, earlier in zip(self.named.values(), before, strict=True):
            if earlier is not None:
                p.grad = earlier if p.grad is None else earlier.add_(p.grad)
        hits = torch.zeros((), dtype=torch.int64) if labels is None else (outputs.argmax(1) == labels[row]).sum()
        return loss.detach(), hits


class RankSession(TorchSession):
    """A session of one rank. Of its verbs ``steps`` is asked of all ranks at once; the others it answers alone."""

    def __init__(self, spec: Spec, dtype: str, device: str, seed: int, ranks: tuple[int, int, str]) -> None:
        super().__init__(spec, dtype, device, seed, shared_masks=True)
        self.ranks = Ranks(*ranks, self.device)
        synchronise(self.model, self.ranks)

    def prepare(self, loss: Loss, optimizer: Optimizer, clip: Clip | None = None, steps: int = 0) -> None:
        """Make a fresh optimizer: step 0, empty slots. ``steps`` is how many are to come, 0 if nobody knows.

        Raises ``SpecError`` if there is nothing to train.
        """
        check.trainable(self.spec)
        check.trains(self.precision.name)
        tensors = self._tensors()
        named = {name: tensors[name] for name in self.trainable()}
        self.trainer = RankTrainer(self.ranks, self.model, named, loss, optimizer, clip, self._casting)
