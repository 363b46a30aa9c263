"""The screen: what a failed check prints, the first divergence first."""

import textwrap
from pathlib import Path

from dualnet.compare.report import Report
from dualnet.report.table import MEANING, located, stage_row

WIDE = 110  # of a line; pytest indents nothing where it prints this
LONGEST = 6  # lines on what was not checked


def first(report: Report) -> str:
    """Return the first divergence in one line, with its cause; else what the verdict means."""
    stage = next((each for each in report.stages if each.where), None)
    return ". ".join(line.strip() for line in located(stage)) if stage else MEANING[report.verdict]


def screen(report: Report, bundle: Path | None = None) -> str:
    """Return the verdict, the first divergence and its cause, a line for each stage, and what was not checked."""
    lines = [f"parity: {report.verdict}: {MEANING[report.verdict]}", f"{report.name}: {' and '.join(report.sides)}", ""]
    stage = next((each for each in report.stages if each.where), None)
    if stage:
        lines += [part for line in located(stage) for part in _wrapped(line)] + [""]
    for each in report.stages:
        name, verdict, count, gap32, gap64, _, note = stage_row(each)
        if verdict != "not checked":
            numbers = f"{count} compared, {report.precision} gap {gap32}, float64 gap {gap64}"
            lines.append(f"  {name:12} {verdict:10} {note if gap64 == '-' else numbers}"[:WIDE])
    left_out = [f"not checked: {', '.join(names)}: {why}" for why, names in report.reasons()]
    lines += [part for line in left_out[:LONGEST] for part in _wrapped(line)]
    lines += [f"not checked: {len(left_out) - LONGEST} more"] if len(left_out) > LONGEST else []
    return "\n".join([*lines, *([f"to run it again: {bundle}"] if bundle else [])])


def _wrapped(line: str) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(line, WIDE, initial_indent="", subsequent_indent=indent + "  ") or [line]
