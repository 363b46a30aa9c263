"""PyTorch's inference recipes: one batch on the device, its answer brought to NumPy each time."""

from typing import Any

import torch

from dualnet.bench.job import Job, Timed
from dualnet.bench.torch.base import Data, call, first, format_name, module
from dualnet.run.predictor import Predictor
from dualnet.specs.program import replaced


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


def predictor(job: Job, batch: int) -> Timed:
    """Ask a predictor, with NumPy; a spec's kernels lie as dualnet builds them."""
    last = job.spec is not None and all(array.ndim == 4 for array in job.inputs.values())
    model, data = module(job, last).eval(), Data(job)
    inputs, _ = data(torch.arange(batch, device=data.device))
    arrays, predict = replaced(inputs, lambda each: each.cpu().numpy()), Predictor(model)

    def run(calls: int) -> Any:
        for _ in range(calls):
            predict(arrays)

    return Timed(batch, run, single=True, model=model, memory_format=format_name(last))
