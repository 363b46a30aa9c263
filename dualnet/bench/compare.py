"""Compare: what changed between two results, beyond the noise of both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dualnet.bench import statistics
from dualnet.bench.ratios import BYTES
from dualnet.bench.tables import ratio_cells
from dualnet.bench.timing import Row, timings_of
from dualnet.errors import DataError
from dualnet.report.environment import environment
from dualnet.report.exhibits import Table
from dualnet.report.result import Result

Key = tuple[str, str, int, str, str]
# Settings that change what a number means; the others only how sure it is.
SAME = ("threads", "dtype", "device", "samples")
NOTE = (
    "Speed of new over old: above 1 it got faster (of memory: less). In brackets the 95 % interval from both results' "
    "processes. The control is the larger of both: a ratio within it is no difference."
)


@dataclass(frozen=True)
class Changes:
    """What changed: the result to show, and the rows that got slower, or larger."""

    result: Result
    slower: tuple[str, ...]


def changes(old: Result, new: Result, places: tuple[str, ...], *, anyway: bool = False) -> Changes:
    """Return what changed from an old result to a new one. Raises ``DataError`` where they cannot be compared.

    Other machines and settings are refused unless ``anyway``; rows that only one of them has are named.
    """
    before, after = (_rows(result, place) for result, place in zip((old, new), places, strict=True))
    told = [] if (why := _apart(old, new)) == "" else [f"compared anyway: {why}"]
    if why and not anyway:
        msg = f"{places[0]} and {places[1]} cannot be compared: {why}. --anyway compares them all the same."
        raise DataError(msg)
    both = [key for key in after if key in before]
    if not both:
        msg = f"{places[0]} and {places[1]} have no row in common."
        raise DataError(msg)
    ratios = {key: statistics.ratio(after[key].times, before[key].times) for key in both}
    slower = tuple(_name(key) for key, ratio in ratios.items() if ratio.verdict == "slower")
    faster = sum(ratio.verdict == "faster" for ratio in ratios.values())
    says = [*told, f"{len(slower)} slower, {faster} faster, {len(both) - len(slower) - faster} no difference"]
    says += [f"slower: {name}" for name in slower]
    says += [f"only in {place}: {_name(key)}" for place, one, other in
             ((places[0], before, after), (places[1], after, before)) for key in one if key not in other]  # fmt: skip
    data = {"changes": [_data(key, ratio) for key, ratio in ratios.items()], "slower": list(slower)}
    title = f"bench: from {places[0]} to {places[1]}"
    made = Result("bench_changes", title, says, [_table(ratios)], data, environment=environment())
    return Changes(made, slower)


def _rows(result: Result, place: str) -> dict[Key, Row]:
    if result.name != "bench":
        msg = f"{place}: this is a result of {result.name!r}, not of `dualnet bench`."
        raise DataError(msg)
    try:
        cells = [timings_of(each) for each in result.data["timings"]]
        found = {
            (each.cell.pair, each.cell.what, each.cell.batch, row.side, row.recipe): row
            for each in cells
            for row in each.rows
            if not row.refused
        }
        for row in found.values():
            statistics.ratio(row.times, row.times)  # numbers, several, above 0
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"{place}: its timings cannot be read: {error!r}."
        raise DataError(msg) from None
    return found


def _apart(old: Result, new: Result) -> str:
    """Return in words why two results are not of one kind; nothing if they are."""
    found = []
    for what, names in (("machine", None), ("settings", SAME)):
        left, right = (_part(result, what) for result in (old, new))
        for name in names or sorted({*left, *right}):
            if left.get(name) != right.get(name):
                found.append(f"{name} {left.get(name)} and {right.get(name)}")
    return ", ".join(found)


def _part(result: Result, what: str) -> Mapping[str, Any]:
    found = result.data.get(what)
    return found if isinstance(found, dict) else {}


def _name(key: Key) -> str:
    pair, what, batch, side, recipe = key
    return f"{pair}, {what}{f', batch {batch}' if batch else ''}, {side}: {recipe}"


def _verdict(key: Key, ratio: statistics.Ratio) -> str:
    return BYTES.get(ratio.verdict, ratio.verdict) if key[1] == "memory" else ratio.verdict


def _data(key: Key, ratio: statistics.Ratio) -> dict[str, Any]:
    names = ("pair", "what", "batch", "side", "recipe")
    return dict(zip(names, key, strict=True)) | ratio.to_data() | {"verdict": _verdict(key, ratio)}


def _table(ratios: Mapping[Key, statistics.Ratio]) -> Table:
    heads = ("pair", "work", "batch", "side", "recipe", "new / old", "95 % interval", "control", "verdict")
    rows = tuple(
        (key[0], key[1], str(key[2] or "-"), *key[3:], *ratio_cells(ratio), _verdict(key, ratio))
        for key, ratio in ratios.items()
    )
    return Table("What changed", heads, rows, NOTE)
