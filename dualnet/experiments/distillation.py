"""Distillation: a student alone against a student taught, over a grid of temperatures and shares, and over seeds.

"response" teaches by the teacher's softened logits (Hinton et al. 2015). "hints" first lets the student's lower half
foretell a hidden layer of the teacher's (Romero et al. 2014), and then teaches by the logits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dualnet.errors import SpecError
from dualnet.experiments import forecast
from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.distilled import ALONE, Grid, Side, shown
from dualnet.experiments.given import some, spec_of
from dualnet.report.result import Result
from dualnet.run import hints
from dualnet.run.distil import learn, match
from dualnet.run.feed import Feed, feed
from dualnet.run.plan import Settings
from dualnet.specs.losses import Distillation
from dualnet.specs.spec import Spec


def distill(
    teacher: Spec | str | Path,
    student: Spec | str | Path,
    *,
    method: str = "response",
    temperatures: str | Sequence[float] = (10.0,),
    alphas: str | Sequence[float] = (0.1,),
    seeds: int = 1,
    sample: int = 0,
    limit: int | None = None,
    out: Path | None = None,
    resume: bool = False,
    bench: Bench = HERE,
    **more: Any,
) -> Result:
    """Distil a teacher into a student on every backend, for each temperature and alpha, from ``seeds`` starts.

    The teacher is trained once, from the bench's seed; students start from the seeds that follow from it, alone and
    taught from the same weights. ``more`` are the other fields of ``Grid``. ``sample`` is the test example whose soft
    targets are shown; ``out`` keeps checkpoints. Raises ``SpecError``.
    """
    master, pupil = spec_of(teacher), spec_of(student)
    temperatures, alphas = some(temperatures, float, "temperatures"), some(alphas, float, "alphas")
    grid = Grid(tuple(temperatures), tuple(alphas), method, seeds=seeds, **more)
    cells = grid.cells()
    match(master, pupil)
    _known(grid, bench)
    guide, hinted = _hinted(master, pupil, grid) if method == "hints" else ("", pupil)
    bench.say(_announced(master, pupil, grid, len(cells), limit))
    fed = feed(master, dtype=bench.dtype, seed=bench.seed, limit=limit)
    if not 0 <= sample < len(fed.test.labels):
        msg = f"The sample must be from 0 to {len(fed.test.labels) - 1}. Received: {sample}"
        raise SpecError(msg)
    settings = bench.settings(out=out, resume=resume)
    sides = _teachers(master, fed, settings, grid, bench)
    guides = _guided(master, guide, hinted, sides, fed, settings, grid, bench) if guide else {}
    bench.each(lambda name: _students(name, pupil, cells, sides[name], guides.get(name), fed, settings, grid, bench))
    return shown(master, pupil, grid, cells, sides, fed, sample, bench)


def _known(grid: Grid, bench: Bench) -> None:
    if grid.taught_by and grid.taught_by not in bench.backends:
        msg = f"The teacher's backend must be one of {', '.join(bench.backends)}. Received: {grid.taught_by!r}"
        raise SpecError(msg)
    if grid.seeds < 1:
        msg = f"seeds must be at least 1. Received: {grid.seeds}"
        raise SpecError(msg)


def _announced(teacher: Spec, student: Spec, grid: Grid, cells: int, limit: int | None) -> str:
    runs = grid.seeds * (1 + cells)
    seconds = forecast.training(teacher, limit) + runs * forecast.training(student, limit)
    what = f"{teacher.name} into {student.name} by {grid.method}: 1 teacher and {runs} students on each backend"
    return forecast.announcement(what, seconds)


def _teachers(teacher: Spec, fed: Feed, settings: Settings, grid: Grid, bench: Bench) -> dict[str, Side]:
    """Return every backend's side with the teacher that it has, trained or borrowed."""
    names = (grid.taught_by,) if grid.taught_by else bench.backends

    def train(name: str) -> Side:
        learned = learn(bench.host, name, "teacher", teacher, fed, settings, bench.progress)
        return Side(learned, learned.everything(fed))

    trained = bench.host.each(names, train)
    sides = {name: trained[grid.taught_by or name] for name in bench.backends}
    return {name: Side(side.teacher, side.taught) for name, side in sides.items()}


def _hinted(teacher: Spec, student: Spec, grid: Grid) -> tuple[str, Spec]:
    """Return the teacher's guide layer, and the student that is to foretell it. Raises ``SpecError``."""
    guide, hint = grid.guide or hints.middle(teacher), grid.hint or hints.middle(student)
    return guide, hints.regressing(teacher, guide, student, hint, grid.hint_epochs)


def _guided(
    teacher: Spec,
    guide: str,
    hinted: Spec,
    sides: Mapping[str, Side],
    fed: Feed,
    settings: Settings,
    grid: Grid,
    bench: Bench,
) -> dict[str, tuple[Spec, Feed]]:
    """Return the regressing student and the teacher's features that it learns, by backend."""

    def features(name: str) -> tuple[Spec, Feed]:
        weights = sides[name].teacher.trained.session.weights()
        return hinted, hints.features(bench.host, grid.taught_by or name, teacher, guide, weights, fed, settings)

    return bench.each(features)


def _students(
    name: str,
    student: Spec,
    cells: Mapping[str, Distillation],
    side: Side,
    guided: tuple[Spec, Feed] | None,
    fed: Feed,
    settings: Settings,
    grid: Grid,
    bench: Bench,
) -> None:
    """Train one backend's students: alone and in every cell, from the same weights of each seed."""
    for seed in range(bench.seed, bench.seed + grid.seeds):
        own, start = replace(settings, seed=seed), None
        if guided:
            start = hints.learn_hint(bench.host, name, *guided, own, bench.progress)[1]
        for role, loss in {ALONE: None, **cells}.items():
            training = replace(student.training, loss=loss or student.training.loss)
            spec, weights = replace(student, training=training), start if loss else None
            label = f"{role}, seed {seed}" if grid.seeds > 1 else role
            learned = learn(bench.host, name, label, spec, fed, own, bench.progress, side.taught, weights)
            side.add(role, learned, fed)
