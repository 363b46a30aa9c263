"""Several workers: what they cannot train as one process does is refused by name, before anything runs."""

import os
from collections.abc import Mapping

from dualnet.backends.protocol import Session
from dualnet.errors import SpecError
from dualnet.run.hosts import Host
from dualnet.run.plan import Settings
from dualnet.specs.graph import Step
from dualnet.specs.layers import Halve
from dualnet.specs.spec import Spec


def opened(host: Host, name: str, spec: Spec, count: int, settings: Settings) -> Session:
    """Return a session to train a spec on ``count`` examples, by as many workers as the settings say.

    Raises ``SpecError`` for what several cannot train.
    """
    check(spec, count, settings.workers)
    more = {"workers": settings.workers} if settings.workers > 1 else {}
    return host.open(name, spec, dtype=settings.dtype, device=settings.device, seed=settings.seed, **more)


def check(spec: Spec, count: int, workers: int) -> None:
    """Raise ``SpecError`` if ``workers`` cannot train a spec on ``count`` examples and come to what one comes to."""
    if workers == 1:
        return
    launched()
    for step in spec.graph.leaves():
        _refuse_mixing(spec, step)
    size = spec.training.batch_size
    short = [each for each in (min(size, count), count % size) if 0 < each < workers]
    if short:
        msg = (
            f"{spec.name}: batches of {size} of {count:,} examples leave one of {short[0]}, too few for {workers} "
            "workers to have one each. Choose another batch_size, or fewer workers."
        )
        raise SpecError(msg)


def launched(environment: Mapping[str, str] = os.environ) -> None:
    """Raise ``SpecError`` in a process that torchrun started as one of several."""
    size = environment.get("WORLD_SIZE", "1")
    if "RANK" in environment and size != "1":
        msg = (
            f"This is process {environment['RANK']} of {size} that torchrun (or its like) started, and each would "
            f"train the whole model. dualnet starts its workers itself: leave out torchrun, and say --workers {size}."
        )
        raise SpecError(msg)


def _refuse_mixing(spec: Spec, step: Step) -> None:
    """Raise ``SpecError`` for a layer that sees, or may see, other examples of the batch than those of its worker."""
    if isinstance(step.layer, Halve):
        why = (
            f"Halve halves by the sum over the whole batch (limit {step.layer.limit:g}), of which a worker sees a slice"
        )
    elif not type(step.layer).__module__.startswith("dualnet.specs."):
        why = f"{type(step.layer).__name__} is a layer of your own, which may look at other examples than a worker sees"
    else:
        return
    msg = f"{spec.name}: {step.path} cannot be trained by several workers: {why}. Leave out --workers."
    raise SpecError(msg)
