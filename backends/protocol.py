"""Backend and Session: what a framework must answer. Everything that crosses this line is NumPy in the spec's layout.

A backend builds live models. A session is one live model with the verbs by which the rest of dualnet looks at it and
trains it; arrays are channels-first and weights carry the spec's names, whatever the framework holds in memory.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from dualnet.specs.losses import Loss
from dualnet.specs.optimizers import Clip, Optimizer
from dualnet.specs.spec import Spec

Array = NDArray[Any]
Arrays = dict[str, Array]


class LayerFacts(TypedDict):
    """One layer of a live model, as read back from the live object."""

    path: str
    kind: str
    shape: list[int]
    parameters: int
    settings: dict[str, Any]


class Forward(TypedDict):
    """The outputs of the live model, and of each of its layers by path."""

    outputs: list[Array]
    layers: Arrays


class Gradients(TypedDict):
    """A loss and its gradients with respect to parameters, inputs, and each layer's output."""

    loss: float
    parameters: Arrays
    inputs: Arrays
    layers: Arrays


class Progress(TypedDict):
    """The loss of each step, and how many of each batch were classified correctly."""

    loss: NDArray[np.float64]
    correct: NDArray[np.int64]


class Session(Protocol):
    """One live model of a spec in one precision, and what one can do with it."""

    model: Any

    def structure(self) -> list[LayerFacts]:
        """Return the layers in graph order, with the settings that the live objects hold."""

    def trainable(self) -> list[str]:
        """Return the names of the parameters that the framework would train."""

    def weights(self) -> Arrays:
        """Return every parameter and buffer by name, copied."""

    def load(self, weights: Mapping[str, Array]) -> None:
        """Put parameters and buffers into the model. Raises ``WeightsError`` unless names and shapes are the spec's."""

    def draw(self, seed: int) -> None:
        """Start all parameters anew by the framework's own initializers and generator."""

    def forward(self, inputs: Mapping[str, Array], *, training: bool = False, step: int = 0) -> Forward:
        """Run the model; parameters and buffers stay as they were. ``step`` chooses the dropout masks."""

    def layer(self, path: str, inputs: Sequence[Array], *, training: bool = False, step: int = 0) -> Array:
        """Run one layer on given inputs; parameters and buffers stay as they were."""

    def loss(self, loss: Loss, outputs: Array, targets: Array, soft: Array | None = None) -> float:
        """Return the loss of given outputs."""

    def gradients(
        self,
        inputs: Mapping[str, Array],
        loss: Loss | None,
        targets: Array | Sequence[Array],
        soft: Array | None = None,
        *,
        training: bool = False,
        step: int = 0,
    ) -> Gradients:
        """Return gradients of a loss, or, for ``loss`` None, of Σ outputs·targets (a vector-Jacobian product).

        Inputs that hold integers have none.
        """

    def hold(
        self,
        name: str,
        inputs: Mapping[str, Array],
        targets: Array | None = None,
        labels: Array | None = None,
        soft: Array | None = None,
    ) -> None:
        """Keep a data set on the device under a name."""

    def prepare(self, loss: Loss, optimizer: Optimizer, clip: Clip | None = None, steps: int = 0) -> None:
        """Make a fresh optimizer: step 0, empty slots. ``steps`` is how many are to come, 0 if nobody knows.

        Raises ``SpecError`` if there is nothing to train.
        """

    def speed(self) -> str:
        """Return in words by which recipe the prepared training runs, and why."""

    def steps(self, data: str, indices: Array, rates: Array) -> Progress:
        """Take one training step on each row of ``indices`` (steps, batch) at the learning rate of that step."""

    def slots(self) -> Arrays:
        """Return the optimizer's state by ``parameter/slot``, and ``step``."""

    def load_slots(self, slots: Mapping[str, Array]) -> None:
        """Put the optimizer's state back."""

    def predict(self, data: str, batch_size: int = 1000) -> Array:
        """Return the first output for a whole held data set, in evaluation mode."""


class Backend(Protocol):
    """A framework."""

    name: str

    def build(self, spec: Spec, *, dtype: str = "float32", device: str = "cpu", seed: int | None = 0) -> Any:
        """Return a live model with shared draws of ``seed``, or the framework's own draws for None."""

    def session(
        self, spec: Spec, *, dtype: str = "float32", device: str = "cpu", seed: int = 0, shared_masks: bool = True
    ) -> Session:
        """Return a session; ``seed`` keys the weights' start and, if shared, the dropout masks."""

    def facts(self) -> dict[str, Any]:
        """Return versions, devices and threads."""


class Parallel(Backend, Protocol):
    """A backend that trains one model by several workers at once, each on its slice of every batch."""

    def processes(self, workers: int) -> int:
        """Return in how many processes so many workers train. Each is started with ``DUALNET_WORKERS`` = workers."""

    def part(
        self,
        spec: Spec,
        *,
        number: int,
        workers: int,
        meet: str,
        dtype: str = "float32",
        device: str = "cpu",
        seed: int = 0,
    ) -> Session:
        """Return the session of process ``number``; ``meet`` is a file: address by which processes find one another.

        The verbs that change its state are asked of all processes at once, the others of the first.
        """
