"""Distillation: a student alone against a student taught, over a grid of temperatures and shares, and over seeds.

"response" teaches by the teacher's softened logits (Hinton et al. 2015). "hints" first lets the student's lower half
foretell a hidden layer of the teacher's (Romero et al. 2014), and then teaches by the logits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dualnet.backends.protocol import Array
from dualnet.compare.stages.accuracy import Equivalence, equivalence
from dualnet.compare.tolerance import ACCURACY_MARGIN
from dualnet.errors import SpecError
from dualnet.experiments import forecast
from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.given import some, spec_of
from dualnet.experiments.statistics import Mean, difference, mean
from dualnet.report.exhibits import Bars, Group, Table, numbers
from dualnet.report.result import Result
from dualnet.report.table import percent
from dualnet.run import hints
from dualnet.run.distil import Learned, learn, match, soft_decisions
from dualnet.run.feed import Feed, feed
from dualnet.run.plan import Settings
from dualnet.run.train import accuracy
from dualnet.specs.losses import Distillation
from dualnet.specs.spec import Spec

METHODS = ("response", "hints")
ALONE = "student alone"


@dataclass(frozen=True)
class Grid:
    """What is tried: temperatures and shares of the labels' loss, by which method, over how many seeds.

    ``taught_by`` names the backend whose teacher teaches both sides; empty, each side has its own. ``hint`` and
    ``guide`` are layers of student and teacher (their middle activations if empty), taught for ``hint_epochs``.
    """

    temperatures: tuple[float, ...] = (10.0,)
    alphas: tuple[float, ...] = (0.1,)
    method: str = "response"
    reduction: str = "batchmean"
    seeds: int = 1
    taught_by: str = ""
    hint: str = ""
    guide: str = ""
    hint_epochs: int = 1

    def cells(self) -> dict[str, Distillation]:
        """Return the loss of each cell of the grid by its name. Raises ``SpecError`` for values that cannot be."""
        if self.method not in METHODS:
            msg = f"The method must be one of {', '.join(METHODS)}. Received: {self.method!r}"
            raise SpecError(msg)
        reduction: Any = self.reduction
        losses = [Distillation(t, a, reduction) for t in self.temperatures for a in self.alphas]
        return {f"{self.method}, T={loss.temperature:g}, alpha={loss.alpha:g}": loss for loss in losses}


@dataclass
class Side:
    """One backend's result: the teacher, and the test accuracies of each role, a value for each seed."""

    teacher: Learned
    taught: dict[str, Array]
    scores: dict[str, list[float]] = field(default_factory=dict)
    histories: dict[str, list[list[Any]]] = field(default_factory=dict)

    def add(self, role: str, learned: Learned, feed: Feed) -> None:
        """Keep what one seed of a role came to."""
        self.scores.setdefault(role, []).append(accuracy(learned.logits, feed.test.labels))
        self.histories.setdefault(role, []).append([vars(epoch) for epoch in learned.trained.history])


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
    return _result(master, pupil, grid, cells, sides, fed, sample, bench)


def _known(grid: Grid, bench: Bench) -> None:
    if grid.taught_by and grid.taught_by not in bench.backends:
        msg = f"The teacher's backend must be one of {', '.join(bench.backends)}. Received: {grid.taught_by!r}"
        raise SpecError(msg)
    if grid.seeds < 1:
        msg = f"seeds must be at least 1. Received: {grid.seeds}"
        raise SpecError(msg)


def _announced(teacher: Spec, student: Spec, grid: Grid, cells: int, limit: int | None) -> str:
    count = limit or 60_000
    steps = [spec.training.epochs * -(-count // spec.training.batch_size) for spec in (teacher, student)]
    runs = grid.seeds * (1 + cells)
    seconds = forecast.training(teacher, steps[0]) + runs * forecast.training(student, steps[1])
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


def _result(
    teacher: Spec,
    student: Spec,
    grid: Grid,
    cells: Mapping[str, Distillation],
    sides: Mapping[str, Side],
    fed: Feed,
    sample: int,
    bench: Bench,
) -> Result:
    same = _equivalent(sides)
    verdicts = {found.verdict for found in same.values()} - {"not checked"}
    return Result(
        "distill",
        f"{teacher.name} into {student.name}: {grid.method}, {grid.seeds} seeds",
        [*_gains(cells, sides), *_agreement(same)],
        [_scores(sides, same), _bars(sides, bench), *_softened(sides, fed, sample, grid, bench)],
        {
            name: {
                "teacher": accuracy(side.teacher.logits, fed.test.labels),
                "test_accuracy": side.scores,
                "history": side.histories,
            }
            for name, side in sides.items()
        },
        verdict="" if not verdicts else "divergent" if "divergent" in verdicts else "equal",
        source=fed.source,
        settings={"teacher": teacher.name, "student": student.name, "seed": bench.seed} | vars(grid),
    )


def _equivalent(sides: Mapping[str, Side]) -> dict[str, Equivalence]:
    """Return by role whether the two sides' accuracies are equivalent over seeds; nothing for one seed or side."""
    if len(sides) != 2:
        return {}
    left, right = (side.scores for side in sides.values())
    return {role: equivalence(left[role], right[role]) for role in left if len(left[role]) > 1}


def _gains(cells: Mapping[str, Distillation], sides: Mapping[str, Side]) -> list[str]:
    """Return one line for each cell: the gain over the student alone on every side, and what the seeds show of it."""
    said = []
    for role in cells:
        gains = {name: difference(side.scores[role], side.scores[ALONE]) for name, side in sides.items()}
        told = ", ".join(f"{name} {gain.points()}" for name, gain in gains.items())
        words = {f" on {name}": _shown(gain) for name, gain in gains.items() if gain.count > 1}
        if len(set(words.values())) == 1:
            words = {"": next(iter(words.values()))}
        shown = "".join(f"; {word}{where}" for where, word in words.items())
        said.append(f"{role}: {told} points against the student alone{shown}")
    return said


def _shown(gain: Mean) -> str:
    if gain.low <= 0 <= gain.high:
        return "no difference that these seeds show"
    return "teaching helps" if gain.low > 0 else "teaching harms"


def _agreement(same: Mapping[str, Equivalence]) -> list[str]:
    margin = f"{100 * ACCURACY_MARGIN:g} points"
    words = {"equal": f"equivalent within {margin}", "divergent": f"further apart than {margin}"}
    said = []
    for role, found in same.items():
        told = words.get(found.verdict, f"not shown to be equivalent within {margin} by so few seeds")
        span = f"90 % interval [{100 * found.low:+.2f}, {100 * found.high:+.2f}]"
        said.append(f"{role}, both sides: {told} ({100 * found.difference:+.2f} points, {span}, two one-sided tests)")
    return said


def _scores(sides: Mapping[str, Side], same: Mapping[str, Equivalence]) -> Table:
    teacher = [percent(side.teacher.trained.history[-1].test_accuracy) for side in sides.values()]
    rows = [("teacher", *teacher, *("" for _ in sides), "")]
    for role in next(iter(sides.values())).scores:
        means = [mean(side.scores[role]) for side in sides.values()]
        gains = [difference(side.scores[role], side.scores[ALONE]) for side in sides.values()]
        told = ["" if role == ALONE else gain.points() for gain in gains]
        verdict = same[role].verdict if role in same else "-"
        rows.append((role, *(each.percent() for each in means), *told, verdict))
    heads = ("test accuracy, %", *sides, *(f"{name} gain" for name in sides), "sides")
    seeds = len(next(iter(next(iter(sides.values())).scores.values())))
    note = f"mean over {seeds} seeds ± half of the 95 % interval; gain: against the student alone, in points"
    return Table("Student alone and student taught", heads, tuple(rows), note if seeds > 1 else "one seed: no interval")


def _bars(sides: Mapping[str, Side], bench: Bench) -> Bars:
    """Return each cell's gain over the student alone, from zero: accuracies themselves all look alike."""
    roles = tuple(role for role in next(iter(sides.values())).scores if role != ALONE)
    groups = []
    for name, side in sides.items():
        gains = [difference(side.scores[role], side.scores[ALONE]) for role in roles]
        values, lows, highs = ([100 * getattr(gain, part) for gain in gains] for part in ("value", "low", "high"))
        spans = (numbers(lows), numbers(highs)) if gains[0].count > 1 else ((), ())
        groups.append(Group(name, numbers(values), *spans, dashed=bench.dashed(name)))
    names = tuple(role.partition(", ")[2] for role in roles)
    return Bars("Gain over the student alone", names, "test accuracy, points", tuple(groups))


def _softened(sides: Mapping[str, Side], fed: Feed, sample: int, grid: Grid, bench: Bench) -> list[Any]:
    """Return the teacher's soft targets of one test example at each temperature, as a table and as bars."""
    temperatures = tuple(dict.fromkeys((1.0, *grid.temperatures)))
    soft = {name: soft_decisions(side.teacher.logits[sample], temperatures) for name, side in sides.items()}
    label = int(fed.test.labels[sample])
    heads = ("class", *(f"{name} T={t:g}" for name in sides for t in temperatures))
    rows = [
        (
            f"{word} <- label" if index == label else word,
            *(f"{soft[name][t][index]:.4f}" for name in sides for t in temperatures),
        )
        for index, word in enumerate(fed.classes)
    ]
    groups = tuple(
        Group(f"T={t:g}, {name}", numbers(soft[name][t]), colour=colour, dashed=bench.dashed(name))
        for colour, t in enumerate(temperatures)
        for name in sides
    )
    title = f"What the teacher says of test example {sample}"
    return [Table(title, heads, tuple(rows)), Bars(title, fed.classes, "probability", groups, label)]
