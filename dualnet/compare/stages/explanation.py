"""Explanation: the saliency map |∂s/∂x| of the highest score (Simonyan et al. 2014), in evaluation mode."""

from typing import Any

import numpy as np

from dualnet.backends.protocol import Session
from dualnet.compare.pair import Pair, Side
from dualnet.compare.stage import Stage, judged


def explanation(pair: Pair) -> Stage:
    """Compare saliency maps of the first output's highest score."""
    if len(pair.spec.output_shapes[0]) != 1:
        return Stage("explanation", skipped="the first output is no row of scores")

    scores = pair.session(pair.left, "float64").forward(pair.inputs)["outputs"]
    chosen = [np.zeros_like(output) for output in scores]
    chosen[0][np.arange(pair.size), scores[0].argmax(axis=1)] = 1.0

    def run(side: Side, session: Session) -> dict[str, Any]:
        found = session.gradients(pair.inputs, None, chosen)["inputs"]
        return {f"saliency of {name}": np.abs(array) for name, array in found.items()}

    stage = Stage("explanation", judged(pair, pair.each(run)))
    first = stage.first("divergent")
    stage.where = first.name if first else ""
    stage.note = f"saliency maps of {pair.size} examples"
    return stage
