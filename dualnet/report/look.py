"""How things look wherever they are drawn: colours, colour scales, signs of verdicts, numbers as people read them."""

import math
import re
from collections.abc import Sequence

# Okabe & Ito's colours, which colour-blind readers tell apart; a grey in place of their yellow, too faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
# Colour scales of pictures, from 0 to the largest; "signed" from minus the largest to the largest.
SCALES = {
    "grey": ("#000000", "#ffffff"),
    "heat": ("#000004", "#3b0f70", "#8c2981", "#de4968", "#fe9f6d", "#fcfdbf"),
    "signed": ("#2166ac", "#92c5de", "#f7f7f7", "#f4a582", "#b2182b"),
}
# A sign beside each verdict's name, so that none is told by its colour alone.
SIGNS = {"equal": "✓", "rounding": "≈", "unstable": "?", "divergent": "≠", "not checked": "–"}
NUMBER = r"[-+−±<>≤≥~≈×]*\s?(\d[\d,]*\.?\d*|\.\d+)(e[-+]?\d+)?"
NUMERIC = re.compile(rf"{NUMBER}(\s?±\s?{NUMBER})?\s?(%|[a-zA-Zµ/×°]{{1,8}}|points|seconds)?|[-+−]?inf|nan", re.ASCII)
MISSING = ("", "-", "–", "—")


def numeric(cells: Sequence[str]) -> bool:
    """Return whether a column of text holds numbers, perhaps with a unit, and dashes where one is missing."""
    told = [cell.strip() for cell in cells if cell.strip() not in MISSING]
    return bool(told) and all(NUMERIC.fullmatch(cell) for cell in told)


def short(value: float) -> str:
    """Return a number in four digits, as a person reads it."""
    if not math.isfinite(value):
        return str(value)
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return f"{value:.2e}"


def columns(rows: Sequence[Sequence[str]], count: int) -> list[tuple[str, ...]]:
    """Return a table's cells by column; a row that is too short has empty cells at its end."""
    return [tuple(row[at] if at < len(row) else "" for row in rows) for at in range(count)]
