"""Page: ``docs/coverage.md``, written from what was measured, and read again."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.coverage.found import Found
from tests.coverage.measure import Measured
from tests.coverage.rows import Row, rows

PATH = Path(__file__).parents[2] / "docs" / "coverage.md"
NONE = "–"
OFF = re.compile(r"off by \S+")

ABOUT = """# Coverage

What of PyTorch and Keras is in dualnet, as what, and how exactly the two sides agree. This page is measured and
written by `python -m tests.coverage`, and `tests/test_coverage.py` measures it anew: what it says is so.

- **spec** is the name in `dualnet.specs`, of which both frameworks' models are built; "–" where there is none.
- **torch → Keras** and **Keras → torch**: whether a live stock object ports (`dualnet.port`), or why it does not.
- **as torch's** and **as Keras's**: whether the spec on both backends gives what the stock class gives.
- **forward**, **gradient**, **step**: the largest gap in float64 of outputs in both modes, of all gradients, and of
  all weights after one update (of schedules: the rates): between a stock object and its port, each backend and the
  stock class, and the two backends' models of the spec; relative to the largest entry. More than 1e-10 is off.

"refused" is what dualnet says when it is asked; "no" is what was not asked, and why.
"""
HEADS = {
    "Layers and containers": ("torch", "Keras", "spec", "torch → Keras", "Keras → torch"),
    "Losses": ("torch", "Keras", "spec", "torch → Keras", "as Keras's"),
}
OTHER = ("torch", "Keras", "spec", "as torch's", "as Keras's")
GAPS = ("forward", "gradient", "step")


def cell(found: Found) -> str:
    """Return a status in words; what is more than rounding is told with its figure."""
    if found.status == "-":
        return NONE
    known = [each for each in found.gaps if each is not None]
    status = found.status if found.exact else f"off by {max(known):.0e}"
    said = ": ".join(filter(None, (status, found.note)))
    return said.replace("|", "/")


def cells(row: Row, found: Measured) -> list[str]:
    """Return a line of the page without its figures: three names, and two statuses."""
    names = [NONE if each == "-" else f"`{each}`" for each in row.names]
    names[2] += f": {row.lacks}" if row.lacks else "" if found.spec.exact else f": {cell(found.spec)}"
    return [*names, cell(found.torch), cell(found.keras)]


def written(made: Mapping[Row, Measured]) -> str:
    """Return the page."""
    parts, sections = [ABOUT, summary(made)], dict.fromkeys((row.kind, row.section) for row in made)
    for kind, section in sections:
        lines = [
            [*cells(row, found), *map(figure, found.gaps)] for row, found in made.items() if row.section == section
        ]
        parts.append(f"## {section}\n\n{table([*HEADS.get(kind, OTHER), *GAPS], lines)}")
    return "\n".join(parts)


def figure(gap: float | None) -> str:
    """Return a gap to its first digit."""
    return "" if gap is None else "0" if gap == 0 else f"{gap:.0e}"


def table(head: list[str], lines: list[list[str]]) -> str:
    """Return a table in Markdown."""
    rule = ["---"] * len(head)
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, rule, *lines])


def summary(made: Mapping[Row, Measured]) -> str:
    """Return how many classes of each side there are, and how many of them come across."""
    counts: Counter[tuple[str, str, bool]] = Counter()
    for row, found in made.items():
        for side, each in (("torch", found.torch), ("Keras", found.keras)):
            counts[row.kind, side, each.status == "yes"] += each.status != "-"
    lines = [
        [
            kind,
            *(
                f"{counts[kind, s, True]} of {counts[kind, s, True] + counts[kind, s, False]}"
                for s in ("torch", "Keras")
            ),
        ]
        for kind in dict.fromkeys(row.kind for row in made)
    ]
    return table(["rows that come across", "from torch", "from Keras"], lines)


def read(text: str) -> dict[tuple[str, ...], list[str]]:
    """Return the page's lines by their names, without figures."""
    found = {}
    for line in text.splitlines():
        parts = [part.strip() for part in line.strip("|").split(" | ")]
        if len(parts) == 8 and parts[0] != "torch" and parts[0] != "---":
            found[_names(parts)] = [OFF.sub("off", part) for part in parts[:5]]
    return found


def _names(parts: list[str]) -> tuple[str, ...]:
    return tuple("-" if part.startswith(NONE) else part.strip("`") for part in parts[:3])


def unread() -> Iterator[str]:
    """Yield in words where the page on disk and the table of rows differ, but for what must be measured."""
    here = read(PATH.read_text(encoding="utf-8"))
    for row in rows():
        line = here.pop(row.names, None)
        if line is None:
            yield f"{row.names} is not on the page"
            continue
        wanted = cells(row, Measured(*(Found("no", row.why) if n != "-" else Found("-") for n in row.names[:2])))
        told = range(5) if row.why else range(3)
        yield from (f"{row.names}: {line[at]!r} is {wanted[at]!r} now" for at in told if line[at] != wanted[at])
    yield from (f"{names} is on the page alone" for names in here)
