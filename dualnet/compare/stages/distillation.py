"""Distillation: teacher, student alone and student distilled on both sides, role by role."""

from collections.abc import Iterator
from dataclasses import replace

from dualnet.compare import curves
from dualnet.compare.pair import Pair, Side
from dualnet.compare.stage import Stage
from dualnet.compare.verdict import Finding
from dualnet.run.distil import ROLES, Distilled, distil, summary
from dualnet.run.feed import Feed
from dualnet.run.plan import Progress, Settings, silent
from dualnet.specs.losses import Distillation
from dualnet.specs.spec import Spec


def distillation(
    pair: Pair, student: Spec, loss: Distillation, feed: Feed, epochs: int = 2, progress: Progress = silent
) -> Stage:
    """Distil on both sides, and on the left one once more from weights that are a few ulps off."""
    student = replace(student, data=pair.spec.data, training=replace(student.training, epochs=epochs))

    def runs(side: Side) -> list[Distilled]:
        teacher = replace(side.spec, training=replace(side.spec.training, epochs=epochs))
        turns = (0, curves.ulps(feed.steps(teacher.training))) if side is pair.left else (0,)
        all_settings = [Settings(pair.seed, pair.dtype, pair.device, ulps=ulps) for ulps in turns]
        names = [side.backend]
        return [distil(pair.host, names, teacher, student, loss, feed, s, progress)[names[0]] for s in all_settings]

    made = pair.both(runs)
    (left, shifted), (right,) = made[pair.left.label], made[pair.right.label]
    stage = Stage(
        "distillation", [finding for role in ROLES for finding in _findings(role, left, right, shifted, pair.dtype)]
    )
    first = stage.first("divergent")
    stage.where = first.name if first else ""
    result = summary({pair.left.label: left, pair.right.label: right}, feed)
    stage.figures = {"result": result, "student": student.name, "temperature": loss.temperature, "alpha": loss.alpha}
    terms = f"T={loss.temperature:g}, alpha={loss.alpha:g}"
    stage.note = f"into {student.name}, {terms}: distilled {_percent(left)} and {_percent(right)}"
    return stage


def _percent(result: Distilled) -> str:
    return f"{100 * result.test_accuracy('student distilled'):.2f} %"


def _findings(role: str, left: Distilled, right: Distilled, shifted: Distilled, dtype: str) -> Iterator[Finding]:
    """Yield what one role's losses and test accuracy say."""
    loss = curves.losses(
        f"{role}: loss of every step", left.losses[role], right.losses[role], shifted.losses[role], dtype
    )
    yield loss
    ours, theirs, nudged = (result.test_accuracy(role) for result in (left, right, shifted))
    yield curves.accuracies(f"{role}: test accuracy", ours, theirs, nudged, loss.noise)
