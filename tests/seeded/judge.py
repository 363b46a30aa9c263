"""Judge: what ``check`` said of a planted fault, held to what it should have said; and of a sound pair."""

import re
from dataclasses import asdict
from typing import Any

from dualnet.compare.report import Report
from tests.seeded.drawn import DrawnPair
from tests.seeded.pair import DRAWN, Pair, sound
from tests.seeded.trap import Fault, planted, where
from tests.seeded.traps import BY_NAME

Seen = set[tuple[str, str]]
_base: dict[str, tuple[Pair, Seen]] = {}


def blamed(report: Report) -> Seen:
    """Return the divergent findings of a report, as (stage, name)."""
    return {
        (stage.name, each.name) for stage in report.stages for each in stage.findings if each.verdict == "divergent"
    }


def baseline(name: str) -> tuple[Pair, Seen]:
    """Return a pair without fault and what is blamed there all the same: nothing, once there are no false alarms."""
    if name not in _base:
        made = sound(name)
        _base[name] = made, blamed(made.check())
    return _base[name]


def tried(fault: Fault) -> dict[str, Any]:
    """Plant a fault, and return what was seen of it.

    ``outcome`` is "detected", "missed", or "refused" where the models could not be compared at all, with an error:
    most of these are shapes that do not fit, which no one overlooks.
    """
    trap, (pair, always) = BY_NAME[fault.trap], baseline(fault.pair)
    row = {**asdict(fault), "expected": list(trap.stages), "where": sorted(where(fault, pair))}
    try:
        report = planted(trap, fault).check()
    except Exception as error:  # a framework's own, of which there is no list
        return {**row, "outcome": "refused", "said": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    new = blamed(report) - always
    first = next((stage for stage in report.stages if any(name == stage.name for name, _ in new)), None)
    if first is None:
        said = "; ".join(f"{s.name}: {s.verdict}" for s in report.stages)
        return {**row, "outcome": "missed", "said": said[:300]}
    found = {"stage": first.name, "in": first.where, "cause": first.cause}
    named = [stage for stage in report.stages if stage.verdict == "divergent"]
    return {
        **row,
        "outcome": "detected",
        **found,
        "in stage": first.name in trap.stages,
        "located": not row["where"] or any(located(stage.where, set(row["where"])) for stage in named[:1]),
        "named": any(stage.cause.startswith(trap.cause or trap.name) for stage in named),
    }


def located(said: str, names: set[str]) -> bool:
    """Return whether what a stage says of a place is one of these names, or a weight of it, or begins so."""
    words = [said, *re.split(r"[\s,:;]+", said)]
    return any(word == name or word.startswith((f"{name}.", f"{name}/")) for word in words for name in names if name)


def alarm(name: str, seed: int, batch: int | None) -> dict[str, Any]:
    """Return what is blamed in a pair without fault."""
    row: dict[str, Any] = {"pair": name, "seed": seed, "batch": batch}
    try:
        report = (DrawnPair(seed, batch) if name == DRAWN else sound(name, seed, batch)).check()
    except Exception as error:
        return {
            **row,
            "verdict": "refused",
            "blamed": [f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"],
        }
    found = sorted(f"{stage}: {name}" for stage, name in blamed(report))
    if report.stage("forward").verdict == "not checked":
        found.append(f"forward not checked: {report.stage('forward').skipped}")
    return {**row, "verdict": report.verdict, "blamed": found}
