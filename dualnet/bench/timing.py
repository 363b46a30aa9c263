"""Timing: a cell's recipes in turn, a chunk each, in another order every round, until enough is known."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dualnet.bench import statistics
from dualnet.bench.fleet import Fleet, Member
from dualnet.bench.plan import Cell, Settings, Side

# Rounds before anything is judged, and those that are taken even if the time is up.
JUDGED, LEAST = 5, 3
Told = Callable[[float], None]


@dataclass
class Row:
    """One recipe of one side in a cell: rounds of each process, as seconds of a sample, or bytes where that is asked.

    ``cpu`` are CPU seconds of a sample, ``call`` seconds of a call, ``p95`` that of the slowest twentieth of single
    calls. ``made`` and ``first`` are what each process took to set up and for the first call. ``refused`` says why
    there are no times.
    """

    side: str
    backend: str
    recipe: str
    times: list[list[float]] = field(default_factory=list)
    cpu: list[list[float]] = field(default_factory=list)
    call: list[list[float]] = field(default_factory=list)
    p95: list[list[float]] = field(default_factory=list)
    made: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    memory_format: str = ""
    refused: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return side and recipe."""
        return f"{self.side}: {self.recipe}"


@dataclass
class Timings:
    """What came of a cell: its rows, why it ended, and the seconds that it took."""

    cell: Cell
    rows: list[Row]
    ended: str = ""
    seconds: float = 0.0

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        own = {"pair": self.cell.pair, "what": self.cell.what, "batch": self.cell.batch}
        return own | {"rows": [dict(vars(row)) for row in self.rows], "ended": self.ended, "seconds": self.seconds}


def timings_of(data: Mapping[str, Any]) -> Timings:
    """Return the timings that plain data describes."""
    rows = [Row(**each) for each in data["rows"]]
    cell = Cell(data["pair"], data["what"], data["batch"], tuple((r.side, r.backend, r.recipe) for r in rows))
    return Timings(cell, rows, data["ended"], data["seconds"])


def timed(fleet: Fleet, cell: Cell, settings: Settings, tell: Told) -> Timings:
    """Time a cell in the workers of a fleet; ``tell`` is told which share of its time is over."""
    began = time.monotonic()
    rows = [Row(*row) for row in cell.rows]
    by_side = {side: [m for m in fleet.members if m.side == side] for side in {row.side for row in rows}}
    _made_ready(fleet, cell, rows, by_side, settings)
    live = [row for row in rows if not row.refused]
    turns = [(row, at, member) for row in live for at, member in enumerate(by_side[row.side])]
    shuffle = random.Random(settings.seed)
    start, rounds, ended = time.monotonic(), 0, "nothing to time"
    while turns:
        shuffle.shuffle(turns)
        for row, at, member in turns:
            _noted(row, at, member.ask("chunk", _key(cell, row), settings.chunk))
            tell(min(1.0, (time.monotonic() - start) / settings.seconds))
        rounds += 1
        ended = _over(live, rounds, time.monotonic() - start, settings)
        if ended:
            break
    for row, _, member in turns:
        member.ask("stop", _key(cell, row))
    return Timings(cell, rows, ended, time.monotonic() - began)


def _key(cell: Cell, row: Row) -> str:
    return f"{cell.what}/{row.recipe}/{cell.batch}"


def _made_ready(
    fleet: Fleet, cell: Cell, rows: list[Row], by_side: Mapping[str, list[Member]], settings: Settings
) -> None:
    """Make every recipe ready in every worker of its side, each worker in an order of its own."""

    def ready(turn: tuple[int, Member]) -> list[tuple[Row, dict[str, Any]]]:
        number, member = turn
        own = [row for row in rows if row.side == member.side]
        random.Random(f"{settings.seed} {number}").shuffle(own)
        return [(row, member.ask("start", cell.what, row.recipe, cell.batch, True)) for row in own]

    members = [member for side in by_side.values() for member in side]
    for found in fleet.each(ready, list(enumerate(members))):
        for row, answer in found:
            row.refused = answer.get("refused", row.refused)
            if not row.refused:
                row.made.append(answer["made"])
                row.first.append(answer["first"])
                row.memory_format = answer["format"]
    for row in rows:
        for each in (row.times, row.cpu, row.call, row.p95):
            each.extend([] for _ in row.made)


def _noted(row: Row, at: int, chunk: Mapping[str, float]) -> None:
    row.times[at].append(chunk["wall"])
    row.cpu[at].append(chunk["cpu"])
    row.call[at].append(chunk["call"])
    if "p95" in chunk:
        row.p95[at].append(chunk["p95"])


def _over(rows: list[Row], rounds: int, seconds: float, settings: Settings) -> str:
    """Return why a cell has ended; nothing while it goes on."""
    if rounds >= JUDGED:
        if all(statistics.own(row.times).width <= settings.tight for row in rows):
            return "tight"
        if all(statistics.settled(row.times) for row in rows):
            return "settled"
    return "time" if seconds >= settings.seconds and rounds >= LEAST else ""


def started(fleet: Fleet, sides: list[Side], cells: list[Cell], settings: Settings, tell: Told) -> list[Timings]:
    """Start every recipe in fresh processes, one at a time; return the seconds to a first step, and the bytes.

    ``cells`` are those of "first-step" and "memory" of one pair, which the same starts answer.
    """
    began, found = time.monotonic(), [Timings(cell, [Row(*row) for row in cell.rows]) for cell in cells]
    jobs = {side.label: side for side in sides}
    warm = any(cell.what == "memory" for cell in cells)
    turns = [row for row in cells[0].rows for _ in range(settings.processes)]
    random.Random(settings.seed).shuffle(turns)
    for number, (label, backend, recipe) in enumerate(turns):
        job = first(jobs[label].job, cells[0].batch)
        member = fleet.start(label, backend, job)
        answer = member.ask("start", "train", recipe, cells[0].batch, warm)
        for timings in found:
            row = next(row for row in timings.rows if (row.side, row.recipe) == (label, recipe))
            _started(row, timings.cell.what, answer, member.began)
        fleet.end(member)
        tell((number + 1) / len(turns))
    for timings in found:
        timings.ended, timings.seconds = "processes", time.monotonic() - began
    return found


def _started(row: Row, what: str, answer: Mapping[str, Any], began: Mapping[str, Any]) -> None:
    row.refused = answer.get("refused", "")
    if row.refused:
        return
    row.memory_format = answer["format"]
    row.made.append(answer["made"])
    row.first.append(answer["first"])
    if what == "first-step":
        row.times.append([answer["since"]])
        row.more.setdefault("import", []).append(began["seconds"])
        return
    on_device = answer["device memory"]
    row.times.append([answer["memory"]])
    row.more.setdefault("import", []).append(began["memory"])
    row.more.setdefault("made", []).append(answer["memory made"])
    row.more.setdefault("device", []).append(on_device)


def first(job: Any, batch: int) -> Any:
    """Return a job with one batch of its data: what a start needs."""
    from dataclasses import replace

    cut = {name: array[:batch] for name, array in job.inputs.items()}
    more = {n: None if getattr(job, n) is None else getattr(job, n)[:batch] for n in ("targets", "labels", "images")}
    return replace(job, inputs=cut, **more)
