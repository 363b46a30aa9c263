"""Ratios: which rows of a cell are held to which others, and what is concluded."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dualnet.bench import recipes, statistics
from dualnet.bench.timing import Row, Timings

# Verdicts where less is meant, not faster.
BYTES = {"faster": "less", "slower": "more"}


@dataclass(frozen=True)
class Held:
    """One row held to another: the ratio of their speeds (of bytes, inverted), and that of their CPU time."""

    pair: str
    what: str
    batch: int
    left: str
    right: str
    ratio: statistics.Ratio
    cpu: float | None

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        own = {name: getattr(self, name) for name in ("pair", "what", "batch", "left", "right", "cpu")}
        return own | self.ratio.to_data() | {"verdict": self.verdict}

    @property
    def verdict(self) -> str:
        """Return the verdict in the words of what was measured."""
        return BYTES.get(self.ratio.verdict, self.ratio.verdict) if self.what == "memory" else self.ratio.verdict


def held(timings: Timings, seed: int = 0) -> list[Held]:
    """Return every comparison of a cell that has an answer."""
    found = []
    for left, right in _couples(timings):
        cpu = statistics.middle(right.cpu) / max(statistics.middle(left.cpu), 1e-12) if left.cpu and right.cpu else None
        cell = timings.cell
        made = statistics.ratio(left.times, right.times, seed=seed)
        found.append(Held(cell.pair, cell.what, cell.batch, left.name, right.name, made, cpu))
    return found


def role(row: Row, what: str) -> str:
    """Return what part a recipe plays: "idiom", "best", "dualnet", or none."""
    recipe = recipes.find(row.backend, recipes.source_of(what), row.recipe)
    return "best" if recipe.best and not recipe.role else {"live": "idiom"}.get(recipe.role, recipe.role)


def _couples(timings: Timings) -> Iterator[tuple[Row, Row]]:
    """Yield each recipe beside its framework's idiom, dualnet beside every other, and like beside like across sides."""
    what, rows = timings.cell.what, [row for row in timings.rows if not row.refused]
    sides = list(dict.fromkeys(row.side for row in rows))
    for side in sides:
        own = [row for row in rows if row.side == side]
        ours = next((row for row in own if role(row, what) == "dualnet"), None)
        yield from ((row, own[0]) for row in own[1:])
        yield from ((ours, row) for row in own[1:] if ours is not None and row is not ours)
    if len(sides) == 2 and len({row.backend for row in rows}) == 1:  # two models of one framework
        both = [[row for row in rows if row.side == side] for side in sides]
        yield from ((left, right) for left in both[0] for right in both[1] if left.recipe == right.recipe)
    elif len(sides) == 2:
        for part in ("idiom", "best", "dualnet"):
            found = [next((r for r in rows if r.side == s and role(r, what) == part), None) for s in sides]
            if found[0] is not None and found[1] is not None:
                yield found[0], found[1]
