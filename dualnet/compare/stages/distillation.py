"""Distillation: teacher, student alone and student distilled on both sides, role by role."""

from dataclasses import replace

import numpy as np

from dualnet.compare.pair import Pair
from dualnet.compare.stage import Stage
from dualnet.compare.tolerance import ACCURACY_MARGIN
from dualnet.compare.verdict import Finding
from dualnet.run.distil import ROLES, Distilled, distil, summary
from dualnet.run.feed import Feed
from dualnet.run.train import Progress, Settings, silent
from dualnet.specs.losses import Distillation
from dualnet.specs.spec import Spec


def distillation(
    pair: Pair, student: Spec, loss: Distillation, feed: Feed, epochs: int = 2, progress: Progress = silent
) -> Stage:
    """Distil on both sides and compare test accuracies role by role."""
    teacher, student = (replace(spec, training=replace(spec.training, epochs=epochs)) for spec in (pair.spec, student))
    student = replace(student, data=teacher.data)
    names = [side.backend for side in pair.sides]
    results = distil(
        pair.host, names, teacher, student, loss, feed, Settings(pair.seed, pair.dtype, pair.device), progress
    )
    left, right = (results[name] for name in names)
    stage = Stage("distillation", [_finding(role, left, right) for role in ROLES])
    first = stage.first("divergent")
    stage.where = first.name if first else ""
    stage.figures = {
        "result": summary(results, feed),
        "student": student.name,
        "temperature": loss.temperature,
        "alpha": loss.alpha,
    }
    terms = f"T={loss.temperature:g}, alpha={loss.alpha:g}"
    stage.note = f"into {student.name}, {terms}: distilled {_percent(left)} and {_percent(right)}"
    return stage


def _percent(result: Distilled) -> str:
    return f"{100 * result.test_accuracy('student distilled'):.2f} %"


def _finding(role: str, left: Distilled, right: Distilled) -> Finding:
    """Judge one role: accuracies within the margin, one seed."""
    ours, theirs = left.test_accuracy(role), right.test_accuracy(role)
    gap = abs(ours - theirs)
    curves = np.array(left.losses[role]), np.array(right.losses[role])
    off = float(np.abs(curves[0] - curves[1]).max() / np.abs(curves[0]).max())
    note = f"test accuracy {100 * ours:.2f} % and {100 * theirs:.2f} %, largest gap of a step's loss {off:.1e}"
    return Finding(role, "equal" if gap <= ACCURACY_MARGIN else "divergent", gap, 0.0, note=note)
