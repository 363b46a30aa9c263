"""Job: what a worker is asked to time: a spec or a live model, its data, and the order of the batches."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualnet.backends.precision import held
from dualnet.backends.protocol import Array, Arrays
from dualnet.errors import UnsupportedError
from dualnet.specs.losses import CrossEntropy
from dualnet.specs.optimizers import SGD, Adam
from dualnet.specs.spec import Spec

# The steps that a session is told are to come: what is timed is the pace of a long training, its compilation apart.
LONG = 100_000


@dataclass(frozen=True)
class Job:
    """A model and its data, as it crosses to a worker: numbers, texts, arrays and a spec.

    ``place`` names a live model as file.py:name, for ``spec`` None; ``orders`` are then the axes of its inputs. Inputs
    are channels-first and named, or by place for a live model. ``images`` uint8 (N, C, H, W) are what files would hold:
    ``inputs`` are they, over 255, less ``mean``, by ``std``. ``shuffled`` False keeps the data in order, for tests.
    """

    spec: Spec | None
    inputs: Arrays
    targets: Array | None = None
    labels: NDArray[np.int64] | None = None
    images: NDArray[np.uint8] | None = None
    mean: float = 0.0
    std: float = 1.0
    place: str = ""
    kwargs: str = ""
    option: str = "--kwargs"
    dtype: str = "float32"
    device: str = "cpu"
    threads: int = 1
    seed: int = 0
    shuffled: bool = True
    orders: dict[str, Any] = field(default_factory=dict)

    @property
    def net(self) -> Spec:
        """Return the spec, where there must be one."""
        assert self.spec is not None  # the table of recipes keeps live models from those that need a spec
        return self.spec

    @property
    def count(self) -> int:
        """Return how many samples there are."""
        return len(next(iter(self.inputs.values())))

    @property
    def kind(self) -> np.dtype[Any]:
        """Return the dtype in which data are held."""
        return np.dtype(held(self.dtype))

    def rows(self, batch: int) -> Iterator[NDArray[np.int64]]:
        """Yield the samples of each batch without end: an order for each epoch, of whole batches."""
        steps, epoch = self.epoch(batch), 0
        while True:
            order = np.random.default_rng((self.seed, epoch)).permutation(self.count)
            order = order if self.shuffled else np.arange(self.count)
            yield from order[: steps * batch].reshape(steps, batch)
            epoch += 1

    def epoch(self, batch: int) -> int:
        """Return how many whole batches there are. Raises ``UnsupportedError`` if there is none."""
        if batch > self.count:
            msg = f"a batch of {batch} is more than the {self.count} samples that are timed: raise --samples"
            raise UnsupportedError(msg)
        return self.count // batch

    def to_data(self) -> dict[str, Any]:
        """Return it as it crosses to a worker."""
        return dict(vars(self))


@dataclass
class Timed:
    """A recipe made ready. ``run(calls)`` does the work and waits until it is done.

    A call does ``samples`` of them. ``least`` calls belong together, such as an epoch's or a compiled piece's; calls
    that are ``single`` are timed one by one. ``run`` may return (wall, CPU) seconds of its own, where setting up does
    not count. ``model`` is the live one, for a look at its weights.
    """

    samples: int
    run: Callable[[int], tuple[float, float] | None]
    least: int = 1
    single: bool = False
    model: Any = None
    memory_format: str = ""


def taken(rows: Iterator[NDArray[np.int64]], count: int) -> NDArray[np.int64]:
    """Return the next batches as one array (count, batch)."""
    return np.stack([next(rows) for _ in range(count)])


def refuse(why: str) -> None:
    """Raise ``UnsupportedError`` with the reason why a recipe is left out, if there is one."""
    if why:
        raise UnsupportedError(why)


def plain(spec: Spec) -> str:
    """Return why a framework's own loop would not do what the spec's training does, or nothing."""
    training, optimizer = spec.training, spec.training.optimizer
    if training.loss != CrossEntropy() or len(spec.output_shapes[0]) != 1 or len(spec.graph.outputs) != 1:
        return "stock recipes know cross-entropy of one vector of logits only"
    if type(optimizer) is not SGD and not isinstance(optimizer, Adam):
        return f"stock recipes know SGD, Adam and AdamW, not {type(optimizer).__name__}"
    more = ("groups", "accumulate", "average", "loss_scale", "maximize")
    asked = [name for name in more if getattr(optimizer, name)] + ["clip"] * bool(training.clip)
    return f"stock recipes have no {', '.join(asked)}" if asked else ""
