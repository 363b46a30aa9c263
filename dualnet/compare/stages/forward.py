"""Forward: every layer's output, in evaluation mode and then in training mode with shared dropout masks."""

from functools import partial
from typing import Any

import numpy as np

from dualnet.backends.protocol import Session
from dualnet.compare.locate import explain
from dualnet.compare.pair import Pair, Side
from dualnet.compare.stage import Stage, judged
from dualnet.compare.verdict import Finding


def forward(pair: Pair) -> Stage:
    """Compare outputs layer by layer, each side also with itself: twice the same, and model against layers."""
    stage = Stage("forward")
    for training in (False, True):
        mode = "train" if training else "eval"
        made = pair.each(partial(_run, pair, training))
        layers = {key: found["layers"] for key, found in made.items()}
        findings = judged(pair, layers, f"{mode}: ")
        outputs = {key: {f"output {i}": o for i, o in enumerate(found["outputs"])} for key, found in made.items()}
        stage.findings += [*findings, *judged(pair, outputs, f"{mode}: ")]
        stage.findings += [_unsteady(mode, key[0]) for key, found in made.items() if not found["steady"]]
        first = next((finding for finding in findings if finding.verdict == "divergent"), None)
        if first and not stage.where:
            explain(stage, pair, first.name.removeprefix(f"{mode}: "), layers, training)
    stage.note = f"{len(pair.sources)} layers, eval and train mode"
    return stage


def _run(pair: Pair, training: bool, side: Side, session: Session) -> dict[str, Any]:
    once, again = (session.forward(pair.inputs, training=training) for _ in range(2))
    steady = all(np.array_equal(a, b, equal_nan=True) for a, b in zip(once["outputs"], again["outputs"], strict=True))
    session.hold("forward", pair.inputs)
    outputs = once["outputs"] if training else [*once["outputs"], session.predict("forward", batch_size=pair.size - 2)]
    return {"outputs": outputs, "layers": once["layers"], "steady": steady}


def _unsteady(mode: str, label: str) -> Finding:
    return Finding(f"{mode}: outputs", "unstable", note=f"{label} gives other numbers when run twice")
