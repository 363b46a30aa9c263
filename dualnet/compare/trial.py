"""A trial: a few optimizer steps on random examples, from the pair's weights, leaving the session as it was."""

from dataclasses import dataclass

import numpy as np

from dualnet.backends.protocol import Array, Arrays, Session
from dualnet.compare.pair import Pair, Side
from dualnet.run.feed import first_output
from dualnet.specs.losses import classifies, dense
from dualnet.specs.optimizers import SGD, learning_rates
from dualnet.specs.spec import Spec

# Examples to draw batches from, in batches: the same ones come back, in other company.
POOL = 3


@dataclass(frozen=True)
class Examples:
    """Random examples and the rows of them that make the batch of each step."""

    inputs: Arrays
    targets: Array
    labels: Array | None
    rows: Array


def refusal(spec: Spec) -> str:
    """Return why a spec's own loss cannot be tried on random examples, or nothing."""
    shape = first_output(spec)
    if len(shape) == 1 or dense(spec.training.loss):
        return ""
    return f"the loss takes class scores [K]; the first output has shape {list(shape)}"


def examples(pair: Pair, steps: int) -> Examples:
    """Return examples for ``steps`` batches, with targets as the left side's loss takes them."""
    count = POOL * pair.size
    inputs, shape, loss = pair.batch(count, "examples"), first_output(pair.spec), pair.spec.training.loss
    rows = (np.arange(steps)[:, None] * 5 + np.arange(pair.size) * 2) % count
    labels = pair.labels(count, shape[0])
    if not dense(loss):
        return Examples(inputs, labels, labels, rows)
    if not classifies(loss):
        return Examples(inputs, next(iter(inputs.values())), None, rows)
    return Examples(inputs, np.eye(shape[0])[labels], labels, rows)


def trained(
    pair: Pair, data: Examples, steps: int, side: Side, session: Session, start: Arrays | None = None
) -> Arrays:
    """Return parameters, buffers and slots after ``steps`` of the side's own training settings."""
    training = side.spec.training
    session.load(pair.weights if start is None else start)
    session.hold("random", data.inputs, data.targets, data.labels)
    session.prepare(training.loss, training.optimizer, training.clip)
    session.steps("random", data.rows[:steps], learning_rates(training.optimizer, training.schedule, 0, steps))
    found = session.weights() | {name: array for name, array in session.slots().items() if "/" in name}
    session.load(pair.weights)
    return found


def standing(pair: Pair, data: Examples, steps: int, side: Side, session: Session) -> Arrays:
    """Return parameters and buffers after ``steps`` at learning rate 0: nothing but the buffers moves."""
    session.load(pair.weights)
    session.hold("random", data.inputs, data.targets, data.labels)
    session.prepare(side.spec.training.loss, SGD(0.0))
    session.steps("random", data.rows[:steps], np.zeros(steps))
    found = session.weights()
    session.load(pair.weights)
    return found
