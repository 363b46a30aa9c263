"""Noise: a side that is loud in float32 alone keeps the blame only if it is so whatever way an ulp moves it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dualnet.compare.noise import hush
from dualnet.compare.report import Report
from dualnet.compare.stage import Stage
from dualnet.compare.verdict import Four, judge

EXACT = np.linspace(1.0, 2.0, 8)
QUIET, LOUD = EXACT * (1 + 1e-7), EXACT * (1 + 1e-2)


def _run(array: Any) -> Any:
    return {"outputs": [array], "inputs": {}, "parameters": {"weight": array}}


def _hushed(stage: str, strayed: dict[str, list[Any]]) -> Stage:
    """Return the stage of a couple whose right side was loud in float32, and what their nudged runs gave."""
    usual = {("left", "float32"): QUIET, ("right", "float32"): LOUD}
    made = {key: _run(array) for key, array in usual.items()}
    made |= {(side, "float64"): _run(EXACT) for side in ("left", "right")}
    couple: Any = SimpleNamespace(
        sides=("left", "right"),
        evaluated=made,
        trained={key: SimpleNamespace(first=run) for key, run in made.items()},
        strayed=lambda side, training, number: _run(strayed[side][number]),
    )
    name = "eval: parameter weight" if stage == "gradients" else "output 0"
    found = judge(name, Four(QUIET, LOUD, EXACT, EXACT))
    assert found.verdict == "divergent"
    report = Report("model", ["left", "right"], [Stage(stage, [found], where=name)])
    hush(report, couple)
    return report.stages[0]


@pytest.mark.parametrize("stage", ["forward", "train mode", "gradients"])
def test_a_side_that_is_loud_each_time_keeps_the_blame(stage: str) -> None:
    found = _hushed(stage, {"left": [QUIET] * 3, "right": [LOUD] * 3})
    assert found.verdict == "divergent"
    assert found.where


@pytest.mark.parametrize("stage", ["forward", "train mode", "gradients"])
@pytest.mark.parametrize(
    "strayed",
    [
        pytest.param({"left": [QUIET] * 3, "right": [LOUD, QUIET, LOUD]}, id="an ulp silences it"),
        pytest.param({"left": [QUIET, QUIET, LOUD], "right": [LOUD] * 3}, id="an ulp makes the other as loud"),
    ],
)
def test_a_switch_that_an_ulp_makes_is_rounding(stage: str, strayed: dict[str, list[Any]]) -> None:
    found = _hushed(stage, strayed)
    assert found.verdict == "rounding"
    assert found.where == ""
    assert "as an ulp makes it or not" in found.findings[0].note
