"""Spec: a model with its inputs, and the settings by which it starts, is fed, and learns."""

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, Literal

from dualnet.errors import SpecError
from dualnet.specs.augment import Augmentation
from dualnet.specs.graph import Scope, resolve
from dualnet.specs.integers import integers
from dualnet.specs.kinds import Kind, Size, numbers, shape
from dualnet.specs.layers import Block, Layer
from dualnet.specs.losses import CrossEntropy, Distillation, Loss
from dualnet.specs.node import Node
from dualnet.specs.optimizers import Adam, Clip, Optimizer
from dualnet.specs.optimizers.slots import shares
from dualnet.specs.parameter import Parameter
from dualnet.specs.schedules import Schedule
from dualnet.specs.shapes import Shape as ShapeOf
from dualnet.specs.weights import parameters


def _inputs(value: Any) -> dict[str, ShapeOf]:
    named = value if isinstance(value, dict) else {"input": value}
    if not named:
        raise ValueError
    return {str(name): shape.accept(sizes) for name, sizes in named.items()}


def _name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", value):
        raise ValueError
    return value


def _split(value: Any) -> str | tuple[float, ...]:
    if isinstance(value, str) and value == "official":
        return value
    shares: tuple[float, ...] = numbers.accept(value)
    if len(shares) != 3 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise ValueError
    return shares


def _augment(value: Any) -> tuple[Augmentation, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, Augmentation) for item in value):
        raise ValueError
    return tuple(value)


@dataclass(frozen=True)
class Data(Node):
    """What the network is fed. ``normalise`` "standard" subtracts the *training* mean and divides by its std.

    ``augment`` varies the training images anew in each epoch, in this order, before they are normalised.
    """

    set: Literal["fashion_mnist", "mnist", "digits"] = "fashion_mnist"
    split: Annotated[Any, Kind("'official' or three shares that add up to 1, such as [0.7, 0.15, 0.15]", _split)] = (
        "official"
    )
    normalise: Literal["none", "standard"] = "none"
    augment: Annotated[tuple[Augmentation, ...], Kind("a list of augmentations, such as [Flip()]", _augment)] = ()


@dataclass(frozen=True)
class Training(Node):
    """How the network learns. ``schedule`` left out keeps the learning rate, ``clip`` left out clips nothing."""

    loss: Loss = CrossEntropy()  # noqa: RUF009 - frozen
    optimizer: Optimizer = Adam()  # noqa: RUF009 - frozen
    batch_size: Size = 100
    epochs: Size = 4
    clip: Clip | None = None
    schedule: Schedule | None = None


@dataclass(frozen=True)
class Student(Node):
    """The network of the zoo that the parity run distils this one into, and by which loss."""

    spec: str
    loss: Loss = Distillation()  # noqa: RUF009 - frozen
    epochs: Size = 2


def _model(value: Any) -> Block:
    """Return a model as a bare block: the spec has its name, and the spec's inputs are its ports."""
    if isinstance(value, Layer) and not isinstance(value, Block):
        return Block((value,))
    if not isinstance(value, Block):
        raise ValueError
    return replace(value, name="", inputs=(), ports=("input",))


@dataclass(frozen=True)
class Spec(Node):
    """One model for every framework.

    ``inputs`` are shapes without the batch axis by name, or one shape. ``init`` is the preset for parameters whose
    layer names no initializer. Raises ``SpecError``, naming the layer, if a shape cannot flow or a wire dangles.
    """

    name: Annotated[str, Kind("letters, digits, '_', '-' and '.', for reports and files are named after it", _name)]
    model: Annotated[Block, Kind("a block of layers, such as Sequential(Linear(10))", _model)]
    inputs: Annotated[Any, Kind("a shape without the batch axis, such as (1, 28, 28), or shapes by name", _inputs)]
    about: str = ""
    init: Literal["torch_default", "keras_default"] = "torch_default"
    data: Data = Data()
    training: Training = Training()
    student: Student | None = field(default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        shape, loss = self.output_shapes[0], self.training.loss  # finds every fault of the wiring now
        _ = self.integers
        weights = getattr(loss, "class_weights", None)
        if weights and len(weights) != shape[-1]:
            wanted = f"one for each of the {shape[-1]} classes"
            msg = f"Spec {self.name!r}: class_weights must be {wanted}. Received: {len(weights)}"
            raise SpecError(msg)
        trained = {name: parameter.shape for name, parameter in self.parameters.items() if parameter.trainable}
        shares(self.training.optimizer, trained)  # finds a group that fits nothing now

    @cached_property
    def graph(self) -> Scope:
        """The explicit graph: every layer with its path, wires and shapes."""
        return resolve(self.model, self.inputs)

    @cached_property
    def integers(self) -> dict[str, int]:
        """The inputs that hold integers, which embeddings read, and the size that each stays below."""
        return integers(self.graph)

    @cached_property
    def output_shapes(self) -> tuple[ShapeOf, ...]:
        """The shapes of the outputs, without the batch axis."""
        shapes = dict(self.inputs)
        for step in self.graph.steps:
            shapes.update(zip(step.made, step.out_shapes, strict=True))
        return tuple(shapes[wire] for wire in self.graph.outputs)

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """Every parameter and buffer by full name, in graph order."""
        return parameters(self.graph, self.init)
