"""PyTorch's training recipes: the same steps on the same batches, each in another way."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, TensorDataset

from dualnet.backends import backend
from dualnet.bench.job import LONG, Job, Timed, refuse, taken
from dualnet.bench.torch.base import Data, call, format_name, loss_of, module, optimizer_of, wait
from dualnet.run.train import CHUNK


def stepper(job: Job, model: Any, optimizer: torch.optim.Optimizer) -> Any:
    """Return one plain training step, of inputs and a target."""
    loss_function = loss_of(job)

    def step(inputs: Any, target: Any) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss_function(call(model, inputs), target).backward()
        optimizer.step()

    return step


def _resident(job: Job, batch: int, fused: bool, last: bool) -> Timed:
    model = module(job, last).train()
    step = stepper(job, model, optimizer_of(job, model, fused))
    data, rows = Data(job, last), job.rows(batch)

    def run(calls: int) -> None:
        for _ in range(calls):
            step(*data(torch.from_numpy(next(rows)).to(data.device)))
        wait(job)

    return Timed(batch, run, model=model, memory_format=format_name(last))


def resident(job: Job, batch: int) -> Timed:
    """Gather each batch from data on the device."""
    return _resident(job, batch, fused=False, last=False)


def resident_fused(job: Job, batch: int) -> Timed:
    """The same with a fused update."""
    return _resident(job, batch, fused=True, last=False)


def resident_last(job: Job, batch: int) -> Timed:
    """The same with images channels-last."""
    return _resident(job, batch, fused=True, last=True)


def _fixed(job: Job, batch: int, last: bool) -> Timed:
    model = module(job, last).train()
    step = stepper(job, model, optimizer_of(job, model, fused=True))
    data = Data(job, last)
    one = data(torch.from_numpy(next(job.rows(batch))).to(data.device))

    def run(calls: int) -> None:
        for _ in range(calls):
            step(*one)
        wait(job)

    return Timed(batch, run, model=model, memory_format=format_name(last))


def fixed(job: Job, batch: int) -> Timed:
    """Train on one batch over and over."""
    return _fixed(job, batch, last=False)


def fixed_last(job: Job, batch: int) -> Timed:
    """The same with images channels-last."""
    return _fixed(job, batch, last=True)


class Order(Sampler[int]):
    """The job's own order of samples, epoch after epoch, where a user would shuffle."""

    def __init__(self, rows: Iterator[Any], steps: int) -> None:
        self.rows, self.steps = rows, steps

    def __iter__(self) -> Iterator[int]:
        return iter(taken(self.rows, self.steps).ravel().tolist())

    def __len__(self) -> int:
        return self.steps


class Images(Dataset[Any]):
    """Images as torchvision's data sets give them: out of PIL, one at a time, scaled and normalised by themselves."""

    def __init__(self, job: Job) -> None:
        assert job.images is not None and job.targets is not None  # those who call have looked
        self.pixels = job.images.transpose(0, 2, 3, 1)
        self.targets, self.mean, self.std = job.targets.tolist(), job.mean, job.std
        self.dtype = torch.float64 if job.kind == np.float64 else torch.float32

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels = self.pixels[index]
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        array = np.array(image, np.uint8, copy=True).reshape(pixels.shape)
        tensor = torch.from_numpy(array).permute(2, 0, 1).contiguous().to(self.dtype).div(255)
        return tensor.sub_(self.mean).div_(self.std), self.targets[index]


def _loader(job: Job, batch: int, dataset: Any) -> Timed:
    model = module(job).train()
    step = stepper(job, model, optimizer_of(job, model))
    rows, steps = job.rows(batch), job.epoch(batch)
    loader = DataLoader(dataset, batch, sampler=Order(rows, steps))
    device = next(model.parameters()).device

    def batches() -> Iterator[Iterable[Tensor]]:
        while True:
            yield from loader

    endless = batches()

    def run(calls: int) -> None:
        for _ in range(calls):
            *inputs, target = next(endless)
            step([each.to(device) for each in inputs], target.to(device))
        wait(job)

    return Timed(batch, run, model=model, memory_format=format_name(False))


def loader_of_images(job: Job, batch: int) -> Timed:
    """Take each image out of PIL."""
    refuse("" if job.images is not None else "the data are no images")
    refuse("" if job.targets is not None and job.targets.ndim == 1 else "the targets are no labels")
    return _loader(job, batch, Images(job))


def loader_of_tensors(job: Job, batch: int) -> Timed:
    """Index and collate tensors one by one."""
    refuse("" if job.targets is not None else "there are no targets")
    return _loader(
        job, batch, TensorDataset(*(torch.from_numpy(a) for a in job.inputs.values()), torch.from_numpy(job.targets))
    )


def session(job: Job, batch: int) -> Timed:
    """Ask a session for its steps, so many at once as a training asks for."""
    made = backend("torch").session(job.net, dtype=job.dtype, device=job.device, seed=job.seed)
    training, rows = job.net.training, job.rows(batch)
    made.hold("train", job.inputs, job.targets, job.labels)
    made.prepare(training.loss, training.optimizer, training.clip, LONG)

    def run(calls: int) -> None:
        for at in range(0, calls, CHUNK):
            count = min(CHUNK, calls - at)
            made.steps("train", taken(rows, count), np.full(count, training.optimizer.learning_rate))

    return Timed(batch, run, least=CHUNK, model=made, memory_format="the session's own")
