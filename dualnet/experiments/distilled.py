"""Distilled: what a distillation tries, what its sides come to, and how that is told and drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dualnet.backends.protocol import Array
from dualnet.compare.stages.accuracy import Equivalence, equivalence
from dualnet.compare.tolerance import ACCURACY_MARGIN
from dualnet.errors import SpecError
from dualnet.experiments.bench import Bench
from dualnet.experiments.statistics import Mean, difference, mean
from dualnet.report.exhibits import Bars, Group, Table, numbers
from dualnet.report.result import Result
from dualnet.report.table import percent
from dualnet.run.distil import Learned, soft_decisions
from dualnet.run.feed import Feed
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


def shown(
    teacher: Spec,
    student: Spec,
    grid: Grid,
    cells: Mapping[str, Distillation],
    sides: Mapping[str, Side],
    fed: Feed,
    sample: int,
    bench: Bench,
) -> Result:
    """Return what every side's students came to: lines, table, bars, and the teacher's soft targets of a sample."""
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
        words = {f" on {name}": _told(gain) for name, gain in gains.items() if gain.count > 1}
        if len(set(words.values())) == 1:
            words = {"": next(iter(words.values()))}
        shown = "".join(f"; {word}{where}" for where, word in words.items())
        said.append(f"{role}: {told} points against the student alone{shown}")
    return said


def _told(gain: Mean) -> str:
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
