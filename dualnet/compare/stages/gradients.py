"""Gradients: of the loss with respect to every parameter, every input, and every layer's output, backwards."""

from functools import partial

from dualnet.backends.protocol import Array, Gradients, Session
from dualnet.compare.locate import settings_cause
from dualnet.compare.pair import Pair, Side
from dualnet.compare.stage import Stage, judged
from dualnet.run.feed import first_output
from dualnet.specs.draw import normal
from dualnet.specs.losses import dense


def gradients(pair: Pair) -> Stage:
    """Compare gradients in training mode. Those that are zero in theory are judged by the noise floor, and listed."""
    made = pair.each(partial(run, pair))
    stage = Stage("gradients")
    for part in ("layers", "inputs", "parameters"):
        found = {key: each[part] for key, each in made.items()}
        # Backwards through the graph: the last layer's output comes first.
        order = {key: dict(reversed(each.items())) for key, each in found.items()} if part == "layers" else found
        stage.findings += judged(pair, order, f"{part.rstrip('s')} ")
    first = stage.first("divergent")
    if first:
        path = first.name.split(" ", 1)[1]
        stage.where = first.name
        stage.cause = settings_cause(pair, path.rpartition(".")[0] if first.name.startswith("parameter") else path)
        stage.cause = stage.cause or "unknown"
    zeros = [finding.name.split(" ", 1)[1] for finding in stage.floors() if finding.name.startswith("parameter")]
    stage.note = f"zero in theory: {', '.join(zeros)}" if zeros else "no gradient is zero in theory"
    return stage


def run(pair: Pair, side: Side, session: Session) -> Gradients:
    """Return a session's gradients of the spec's loss, or of random projections of outputs that it cannot take."""
    loss, shape = side.spec.training.loss, first_output(pair.spec)
    if dense(loss):
        targets = normal(pair.size * _count(shape), "targets").reshape(pair.size, *shape) > 0
        return session.gradients(pair.inputs, loss, targets.astype(float), training=True)
    if len(shape) == 1 and len(pair.spec.graph.outputs) == 1:
        return session.gradients(pair.inputs, loss, pair.labels(pair.size, shape[0]), training=True)
    return session.gradients(pair.inputs, None, projections(pair, session), training=True)


def projections(pair: Pair, session: Session) -> list[Array]:
    """Return random weights of the shape of each output."""
    outputs = session.forward(pair.inputs)["outputs"]
    return [normal(o.size, "projection", index).reshape(o.shape) for index, o in enumerate(outputs)]


def _count(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
