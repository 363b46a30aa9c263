"""Models: the two backends' models of a spec's layer: outputs, gradients and one step, in float64."""

from functools import cache

import tests.sequence_cases
import tests.spatial
import tests.transform_cases
import tests.wirings  # noqa: F401 - each enters its rows
from dualnet import specs as S
from dualnet.backends import backend
from tests.cases import CASES
from tests.coverage.found import Found, gap
from tests.live import Live

# What is made of other layers stands in no case by its own name.
MADE = {
    "Sequential": CASES["linear_fixed"],
    "Block": CASES["flatten_after_block"],
    "Shared": CASES["flatten_shared_linear"],
    "TransformerEncoderLayer": S.Spec("encoder", S.TransformerEncoderLayer(8, 2, 12), (6, 8)),
    "TransformerDecoderLayer": S.Spec(
        "decoder", S.TransformerDecoderLayer(8, 2, 12), {"target": (6, 8), "memory": (5, 8)}
    ),
}


def case_of(layer: str) -> S.Spec:
    """Return the first case that has a layer, by the name that the specs give it."""
    has = (spec for spec in CASES.values() if any(type(s.layer).__name__ == layer for s in spec.graph.leaves()))
    return MADE[layer] if layer in MADE else next(has)


@cache
def modelled(layer: str) -> Found:
    """Return how far apart both backends' models of a layer are, on its first case."""
    spec = case_of(layer)
    live = Live((backend("torch"), backend("keras")), spec)
    outputs, slopes = [], []
    for training in (False, True):
        made = ({str(at): y for at, y in enumerate(run["outputs"])} for run in live.forward(training))
        outputs.append(gap(*made))
        found = ({**each["inputs"], **each["parameters"]} for each in live.gradients(training))
        slopes.append(gap(*found, together=True))
    trains = any(parameter.trainable for parameter in spec.parameters.values())
    return Found("yes", "", max(outputs), max(slopes), _step(live) if trains else None)


def _step(live: Live) -> float:
    """Return the gap of all weights after one step."""
    for session in live.sessions:
        live.learn(session, 0.1)
    return gap(*(session.weights() for session in live.sessions))
