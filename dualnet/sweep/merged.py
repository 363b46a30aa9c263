"""Merging: a sweep's lines as one result, a row for each cell, and how the cells of each spec fared."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from dualnet.report.exhibits import Table
from dualnet.report.result import Result
from dualnet.sweep.record import Line, finished

FAILED = "failed"
EVERY = "Every cell"


def merged(verb: str, lines: Mapping[str, Line], missing: int = 0) -> Result:
    """Return the result of a sweep: what fared how, every cell, what failed; ``missing`` are other shards'."""
    rows = list(lines.values())
    failed = [line for line in rows if not finished(line)]
    verdicts = Counter(verdict(line) for line in rows)
    seconds = sum(float(line["outcome"]["seconds"]) for line in rows)
    told = ", ".join(f"{count:,} {name or 'done'}" for name, count in verdicts.most_common())
    says = [f"{len(rows):,} cells, {seconds:,.0f} s of work: {told or 'none'}"]
    says += [f"{missing:,} cells of other shards are not here yet"] if missing else []
    tables = [_fared(rows), _cells(rows), *([_failures(failed)] if failed else [])]
    return Result(
        "sweep",
        f"sweep of {verb}: {len(rows):,} cells",
        says,
        [*tables],
        {"cells": [{"id": line["id"], **_told(line)} for line in rows]},
        verdict=overall(verdicts),
        settings={"verb": verb},
    )


def overall(verdicts: Mapping[str, int]) -> str:
    """Return the worst of the verdicts, a failed cell the worst of all; nothing where cells have none."""
    order = (FAILED, "divergent", "unstable", "not checked", "rounding", "equal")
    worst = next((name for name in order if verdicts.get(name)), "")
    return "not checked" if worst == FAILED else worst


def verdict(line: Line) -> str:
    """Return the verdict of a cell, or that it failed."""
    return str(line["outcome"]["verdict"]) if finished(line) else FAILED


def _told(line: Line) -> dict[str, Any]:
    cell = line["cell"]
    own = {"spec": cell["spec"]["name"], "seed": cell["seed"], "dtype": cell["dtype"], "settings": cell["settings"]}
    return {**own, **line["outcome"]}


def _settings(line: Line) -> str:
    return ", ".join(f"{name}={value}" for name, value in line["cell"]["settings"].items())


def _fared(rows: Iterable[Line]) -> Table:
    """Return how many cells of each spec and precision came to which verdict."""
    groups: dict[tuple[str, ...], Counter[str]] = {}
    for line in rows:
        key = (line["cell"]["spec"]["name"], line["cell"]["dtype"], _settings(line))
        groups.setdefault(key, Counter())[verdict(line) or "done"] += 1
    kinds = sorted({kind for counts in groups.values() for kind in counts})
    body = tuple(
        (*key, *(f"{counts[kind]:,}" if counts[kind] else "" for kind in kinds)) for key, counts in groups.items()
    )
    return Table("How the cells fared", ("spec", "dtype", "settings", *kinds), body)


def _cells(rows: Iterable[Line]) -> Table:
    done = [line for line in rows if finished(line)]
    names = list(dict.fromkeys(name for line in done for name in line["outcome"]["numbers"]))
    heads = ("spec", "seed", "dtype", "settings", "verdict", *names, "seconds", "says", "id")
    return Table(EVERY, heads, tuple(_row(line, names) for line in done))


def _row(line: Line, names: Iterable[str]) -> tuple[str, ...]:
    cell, found = line["cell"], line["outcome"]
    numbers = (found["numbers"].get(name) for name in names)
    shown = ("" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value) for value in numbers)
    own = (cell["spec"]["name"], str(cell["seed"]), cell["dtype"], _settings(line), found["verdict"])
    return (*own, *shown, f"{found['seconds']:.2f}", "; ".join(found["says"]), line["id"])


def _failures(failed: Iterable[Line]) -> Table:
    rows = ((c["spec"]["name"], str(c["seed"]), c["dtype"], line["outcome"]["error"], line["id"])
            for line in failed for c in [line["cell"]])  # fmt: skip
    return Table("What failed", ("spec", "seed", "dtype", "why", "id"), tuple(rows), "done again by --resume")
