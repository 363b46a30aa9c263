"""Gradients: of the loss with respect to every parameter, every input, and every layer's output, backwards."""

from functools import partial

import numpy as np

from dualnet.backends.protocol import Array, Gradients, Session
from dualnet.compare.locate import settings_cause
from dualnet.compare.pair import Pair, Side
from dualnet.compare.stage import Stage, judged, largest
from dualnet.compare.trial import refusal, targets, teacher
from dualnet.compare.verdict import Finding
from dualnet.specs.draw import normal


def gradients(pair: Pair) -> Stage:
    """Compare gradients in training mode. Those that are zero in theory are judged by the noise floor, and listed."""
    made = pair.each(partial(run, pair))
    stage = Stage("gradients", judged(pair, {key: {"loss": np.float64(each["loss"])} for key, each in made.items()}))
    one = made[pair.left.label, "float64"]
    parts = {part: one[part] for part in ("layers", "inputs", "parameters")}
    reference = max(largest(array) for arrays in parts.values() for array in arrays.values())
    for part in parts:
        found = {key: each[part] for key, each in made.items()}  # type: ignore[literal-required]
        # Backwards through the graph: the last layer's output comes first.
        order = {key: dict(reversed(each.items())) for key, each in found.items()} if part == "layers" else found
        stage.findings += judged(pair, order, f"{part.rstrip('s')} ", reference=reference)
    stage.findings += [_missing(name) for name in _owed(pair) if name not in parts["parameters"]]
    first = stage.first("divergent")
    if first:
        path = first.name.partition(" ")[2]
        stage.where = first.name
        stage.cause = settings_cause(pair, path.rpartition(".")[0] if first.name.startswith("parameter") else path)
        stage.cause = stage.cause or "unknown"
    zeros = [finding.name.partition(" ")[2] for finding in stage.floors() if finding.name.startswith("parameter")]
    stage.note = f"zero in theory: {', '.join(zeros)}" if zeros else "no parameter's gradient is zero in theory"
    return stage


def _owed(pair: Pair) -> list[str]:
    return [name for name, parameter in pair.spec.parameters.items() if parameter.trainable]


def _missing(name: str) -> Finding:
    return Finding(f"parameter {name}", "divergent", note="no side gives a gradient of it")


def run(pair: Pair, side: Side, session: Session) -> Gradients:
    """Return a session's gradients of its spec's loss, or of random projections of outputs that it cannot take."""
    shape = pair.spec.output_shapes[0]
    if len(pair.spec.output_shapes) > 1 or any(refusal(each.spec) for each in pair.sides):
        return session.gradients(pair.inputs, None, projections(pair, session), training=True)
    given = targets(side.spec, pair.inputs, pair.labels(pair.size, shape[-1]))
    soft = teacher(side.spec, pair.size)
    return session.gradients(pair.inputs, side.spec.training.loss, given, soft, training=True)


def projections(pair: Pair, session: Session) -> list[Array]:
    """Return random weights of the shape of each output."""
    outputs = session.forward(pair.inputs)["outputs"]
    return [normal(o.size, "projection", index).reshape(o.shape) for index, o in enumerate(outputs)]
