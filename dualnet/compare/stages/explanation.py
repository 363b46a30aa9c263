"""Explanation: the saliency map |∂s/∂x| of the highest score (Simonyan et al. 2014), in evaluation mode."""

import numpy as np

from dualnet.compare.pair import Pair
from dualnet.compare.stage import Stage, judged, largest


def explanation(pair: Pair) -> Stage:
    """Compare saliency maps of the first output's highest score."""
    if len(pair.spec.output_shapes[0]) != 1:
        return Stage("explanation", skipped="the first output is no row of scores")
    if len(pair.spec.integers) == len(pair.spec.inputs):
        return Stage("explanation", skipped="the inputs hold integers, which have no gradient")

    scores = pair.session(pair.left, "float64").forward(pair.inputs)["outputs"]
    chosen = [np.zeros_like(output) for output in scores]
    chosen[0][np.arange(pair.size), scores[0].argmax(axis=1)] = 1.0

    made = pair.each(lambda side, session: session.gradients(pair.inputs, None, chosen))
    maps = {key: {f"saliency of {n}": np.abs(a) for n, a in found["inputs"].items()} for key, found in made.items()}
    layers = made[pair.left.label, "float64"]["layers"].values()
    stage = Stage("explanation", judged(pair, maps, reference=max(largest(array) for array in layers)))
    first = stage.first("divergent")
    stage.where = first.name if first else ""
    stage.note = f"saliency maps of {pair.size} examples"
    return stage
