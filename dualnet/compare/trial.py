"""A trial: a few optimizer steps on random examples, from the pair's weights, leaving the session as it was."""

import math
from dataclasses import dataclass

import numpy as np

from dualnet.backends.protocol import Array, Arrays, Session
from dualnet.backends.walk import walk
from dualnet.compare.pair import Pair, Side
from dualnet.specs.draw import normal
from dualnet.specs.graph import Step
from dualnet.specs.losses import Distillation, classifies, dense
from dualnet.specs.optimizers import SGD
from dualnet.specs.rates import learning_rates
from dualnet.specs.spec import Spec
from dualnet.specs.weights import parameters_of

# Examples to draw batches from, in batches: the same ones come back, in other company.
POOL = 3


@dataclass(frozen=True)
class Examples:
    """Random examples, and the rows of them that make the batch of each step."""

    inputs: Arrays
    labels: Array
    rows: Array


def examples(pair: Pair, steps: int) -> Examples:
    """Return examples for ``steps`` batches."""
    count = POOL * pair.size
    rows = (np.arange(steps)[:, None] * 5 + np.arange(pair.size) * 2) % count
    return Examples(pair.batch(count, "examples"), pair.labels(count, pair.spec.output_shapes[0][-1]), rows)


def refusal(spec: Spec) -> str:
    """Return why a spec's own loss cannot be tried on random examples, or nothing."""
    shape, loss = spec.output_shapes[0], spec.training.loss
    if not _learns(spec):
        return "the first output depends on no trained parameter"
    if dense(loss) and loss.target == "given":
        return ""
    if not classifies(loss):
        read = next(iter(spec.inputs.values()))
        if next(iter(spec.inputs)) in spec.integers:
            return "the loss compares the output with the input, which holds integers"
        return "" if shape == read else f"the loss compares the output {list(shape)} with the input {list(read)}"
    return "" if len(shape) == 1 else f"the loss takes class scores [K]; the first output has shape {list(shape)}"


def _learns(spec: Spec) -> bool:
    """Return whether a trained parameter stands on the way to the first output."""

    def visit(step: Step, inputs: list[bool]) -> bool:
        return any(inputs) or any(parameter.trainable for parameter in parameters_of(step.layer, step.in_shapes))

    return walk(spec.graph, [False] * len(spec.inputs), visit)[0]


def targets(spec: Spec, inputs: Arrays, labels: Array) -> Array:
    """Return what a spec's own loss compares its outputs with."""
    loss = spec.training.loss
    if not dense(loss):
        return labels
    if loss.target == "given":
        return normal(len(labels) * math.prod(spec.output_shapes[0]), "given").reshape(-1, *spec.output_shapes[0])
    return np.eye(spec.output_shapes[0][-1])[labels] if classifies(loss) else next(iter(inputs.values()))


def teacher(spec: Spec, count: int) -> Array | None:
    """Return random logits of a teacher, for a loss that takes them."""
    shape = (count, *spec.output_shapes[0])
    return (
        normal(int(np.prod(shape)), "teacher").reshape(shape) if isinstance(spec.training.loss, Distillation) else None
    )


def _begin(side: Side, session: Session, data: Examples, start: Arrays) -> None:
    session.load(start)
    soft = teacher(side.spec, len(data.labels))
    labels = data.labels if classifies(side.spec.training.loss) else None
    session.hold("random", data.inputs, targets(side.spec, data.inputs, data.labels), labels, soft)


def trained(
    pair: Pair, data: Examples, steps: int, side: Side, session: Session, start: Arrays | None = None
) -> Arrays:
    """Return parameters, buffers, slots and losses after ``steps`` of the side's own training settings."""
    training = side.spec.training
    _begin(side, session, data, pair.weights if start is None else start)
    session.prepare(training.loss, training.optimizer, training.clip)
    rates = learning_rates(training.optimizer, training.schedule, 0, steps)
    losses = session.steps("random", data.rows[:steps], rates)["loss"]
    slots = {name: array for name, array in session.slots().items() if "/" in name}
    found = session.weights() | slots | {"the loss": losses}
    session.load(pair.weights)
    return found


def standing(pair: Pair, data: Examples, steps: int, side: Side, session: Session) -> Arrays:
    """Return parameters and buffers after ``steps`` at learning rate 0: nothing but the buffers moves."""
    _begin(side, session, data, pair.weights)
    session.prepare(side.spec.training.loss, SGD(0.0))
    session.steps("random", data.rows[:steps], np.zeros(steps))
    found = session.weights()
    session.load(pair.weights)
    return found
