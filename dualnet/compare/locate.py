"""Locating: which layer is the first that differs, and does the difference begin there or come in with its inputs."""

from collections.abc import Mapping

from dualnet.backends.protocol import Array
from dualnet.compare.pair import Pair
from dualnet.compare.stage import Stage
from dualnet.compare.stages.structure import differences
from dualnet.compare.tolerance import SAME
from dualnet.compare.verdict import relative


def explain(
    stage: Stage, pair: Pair, path: str, layers: Mapping[tuple[str, str], Mapping[str, Array]], training: bool
) -> None:
    """Write into a stage where it first diverges, whether it begins there, and what explains it."""
    stage.where = f"{path} ({'train' if training else 'eval'} mode)"
    gap = forced_gap(pair, path, layers[pair.left.label, "float64"], training)
    begins = gap > SAME
    stage.origin = (
        f"originates here: on the same inputs {pair.right.label}'s layer is off by {gap:.1e}"
        if begins
        else "came in: on the same inputs this layer agrees"
    )
    stage.cause = settings_cause(pair, path) or ("unknown" if begins else "a layer above it, or the wiring")


def forced_gap(pair: Pair, path: str, left: Mapping[str, Array], training: bool) -> float:
    """Return the gap of one layer run on the other side's inputs, float64 (teacher forcing)."""
    inputs = pair.read_by(path, left)
    theirs = pair.session(pair.right, "float64").layer(path, inputs, training=training)
    ours = left[path]
    if ours.shape != theirs.shape:
        return float("inf")
    return relative(ours, theirs, max(abs(ours).max(initial=0.0), abs(theirs).max(initial=0.0)))


def settings_cause(pair: Pair, path: str) -> str:
    """Return in words how the live layers' settings differ, or nothing."""
    facts = [{f["path"]: f for f in pair.session(side, "float64").structure()} for side in pair.sides]
    if path not in facts[0] or path not in facts[1]:
        return ""
    return differences(facts[0][path], facts[1][path])
