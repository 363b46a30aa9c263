"""PyTorch's inference recipes: one batch on the device, its answer brought to NumPy each time."""

from typing import Any

import torch

from dualnet.backends import backend
from dualnet.bench.job import Job, Timed
from dualnet.bench.torch.base import Data, call, first, format_name, module


def _calling(job: Job, batch: int, last: bool, graph: bool) -> Timed:
    model = module(job, last).eval()
    data = Data(job, last)
    inputs, _ = data(torch.arange(batch, device=data.device))

    def run(calls: int) -> Any:
        for _ in range(calls):
            if graph:
                first(call(model, inputs)).detach().cpu().numpy()
            else:
                with torch.inference_mode():
                    first(call(model, inputs)).cpu().numpy()

    return Timed(batch, run, single=True, model=model, memory_format=format_name(last))


def plain(job: Job, batch: int) -> Timed:
    """Call the model."""
    return _calling(job, batch, last=False, graph=True)


def inference_mode(job: Job, batch: int) -> Timed:
    """Call the model without a graph."""
    return _calling(job, batch, last=False, graph=False)


def channels_last(job: Job, batch: int) -> Timed:
    """The same on channels-last images."""
    return _calling(job, batch, last=True, graph=False)


def session(job: Job, batch: int) -> Timed:
    """Ask a session to predict a held batch."""
    made = backend("torch").session(job.net, dtype=job.dtype, device=job.device, seed=job.seed)
    made.hold("bench", {name: array[:batch] for name, array in job.inputs.items()})

    def run(calls: int) -> None:
        for _ in range(calls):
            made.predict("bench", batch)

    return Timed(batch, run, single=True, model=made, memory_format="the session's own")
