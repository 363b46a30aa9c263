"""Keras's building recipes: from a spec, or from its source, to a live model."""

from dualnet.backends import backend
from dualnet.bench.job import Job, Timed
from dualnet.bench.keras.base import module, wait
from dualnet.bench.written import builder
from dualnet.run.source import model_of


def emitted(job: Job, batch: int) -> Timed:
    """Call build() of the source that dualnet emits."""
    build = builder(job, "keras")

    def run(calls: int) -> None:
        for _ in range(calls):
            build()
        wait(job)

    return Timed(1, run, single=True)


def _build(job: Job, seed: int | None) -> Timed:
    def run(calls: int) -> None:
        for _ in range(calls):
            backend("keras").build(job.net, dtype=job.dtype, device=job.device, seed=seed)
        wait(job)

    return Timed(1, run, single=True)


def own_start(job: Job, batch: int) -> Timed:
    """Build the spec, started by Keras's own initializers."""
    return _build(job, None)


def shared_start(job: Job, batch: int) -> Timed:
    """Build the spec, started by shared draws."""
    return _build(job, job.seed)


def live(job: Job, batch: int) -> Timed:
    """Call the class or function that makes the model."""
    module(job)  # the file is run once before

    def run(calls: int) -> None:
        for _ in range(calls):
            model_of(job.place, job.kwargs, job.option)

    return Timed(1, run, single=True)
