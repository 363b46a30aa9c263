"""Tables for the terminal."""

import math
import shutil
import textwrap

from tabulate import tabulate

from dualnet.compare.report import Report
from dualnet.compare.stage import Stage
from dualnet.report.exhibits import Table
from dualnet.report.look import columns, numeric

STYLE = "simple"
WIDE = 60  # characters of a cell before it is wrapped


def percent(fraction: float | None) -> str:
    """Return a fraction as a percentage with two decimals, a dash for None."""
    return "-" if fraction is None else f"{100 * fraction:.2f}"


def exhibit(table: Table) -> str:
    """Return a table under its title, numbers to the right, long cells wrapped, and its note below."""
    cells = columns(table.rows, len(table.heads))
    align = ["right" if numeric(column) else "left" for column in cells]
    rows = [[textwrap.fill(cell, WIDE) for cell in row] for row in zip(*cells, strict=True)]
    made = tabulate(rows, table.heads, tablefmt=STYLE, disable_numparse=True, colalign=align if rows else None)
    return "\n".join([table.title, "", made, *(["", textwrap.fill(table.note, 2 * WIDE)] if table.note else [])])


def parity(report: Report) -> str:
    """Return the ladder: a line for each stage, then the first divergence, and what was not checked."""
    width = max(shutil.get_terminal_size((150, 24)).columns - 78, 40)
    rows = [
        (*cells[:-1], textwrap.fill(cells[-1], width))
        for cells in map(stage_row, report.stages)
        if cells[1] != "not checked"
    ]
    lines = [f"{report.name}: {' and '.join(report.sides)}"]
    lines += [report.source] if report.source else []
    lines += [
        "",
        tabulate(rows, heads(report), tablefmt=STYLE, disable_numparse=True, colalign=ALIGNED),
        "",
    ]
    lines += [line for stage in report.stages for line in located(stage)]
    lines += [f"not checked: {', '.join(names)}: {why}" for why, names in report.reasons()]
    return "\n".join([*lines, f"verdict: {report.verdict} ({MEANING[report.verdict]})"])


def heads(report: Report) -> tuple[str, ...]:
    """Return the heads of the ladder's columns."""
    return ("stage", "verdict", "compared", f"{report.precision} gap", "float64 gap", "seconds", "what")


MEANING = {
    "equal": "both sides agree within their own rounding noise",
    "rounding": "one function: what differs is rounding, in float64 it is gone",
    "unstable": "no verdict is possible: a side does not agree with itself, or amplifies a one-ulp change to the gap",
    "divergent": "two functions: what differs is no rounding",
    "not checked": "nothing was compared",
}


ALIGNED = ("left", "left", "right", "right", "right", "right", "left")


def stage_row(stage: Stage) -> tuple[str, ...]:
    """Return a stage's cells: name, verdict, how many findings, the gaps, seconds, and what was compared."""
    return (
        stage.name,
        stage.verdict,
        str(len(stage.findings)),
        _gap(stage.gap32),
        _gap(stage.gap64),
        f"{stage.seconds:.1f}",
        stage.note,
    )


def _gap(value: float) -> str:
    """Return a gap as text, a dash where none was taken."""
    return "-" if math.isnan(value) else "0" if value == 0 else f"{value:.1e}"


def located(stage: Stage) -> list[str]:
    """Return where a stage first diverges, whether it begins there, and what explains it; nothing if it does not."""
    if not stage.where:
        return []
    found = stage.first("divergent", "unstable")
    size = f", gap {found.gap64:.1e} in float64" if found and found.gap64 > 0 else ""
    parts = [f"{stage.name}: first at {stage.where}{size}"]
    parts += [f"  {stage.origin}"] if stage.origin else []
    parts += [f"  {found.note}"] if found and found.note and found.note != stage.cause else []
    return [*parts, f"  likely cause: {stage.cause}"] if stage.cause else parts
