"""Calls: the layers that a pass called, as a recording holds them: plain data for each, and arrays by name."""

from collections.abc import Mapping, Sequence
from typing import Any

from dualnet.backends.draws import Arrays
from dualnet.backends.watch import Seen

WORDS = ("path", "kind")
KEYS = {"path", "kind", "settings", "weights", "inner", "inputs", "outputs", "slopes"}


def told(calls: Sequence[Seen], place: str) -> tuple[list[dict[str, Any]], Arrays]:
    """Return the calls as rows of plain data, and their arrays by names that begin with ``place``."""
    rows: list[dict[str, Any]] = []
    arrays: Arrays = {}
    for number, seen in enumerate(calls):
        parts: dict[str, list[Any]] = {"inputs": seen.inputs, "outputs": seen.outputs, "slopes": seen.slopes}
        for part, found in parts.items():
            held = {f"{place}/{number}/{part}/{i}": array for i, array in enumerate(found) if array is not None}
            arrays |= held
        settings = {name: _plain(value) for name, value in seen.settings.items()}
        own = {"path": seen.path, "kind": seen.kind, "weights": dict(seen.weights), "inner": seen.inner}
        rows.append(own | {"settings": settings} | {part: len(found) for part, found in parts.items()})
    return rows, arrays


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)


def seen(rows: Sequence[Mapping[str, Any]], arrays: Arrays, place: str) -> list[Seen]:
    """Return the calls of rows and arrays; a gradient that is not there is None."""
    made = []
    for number, row in enumerate(rows):
        parts = {
            part: [arrays.get(f"{place}/{number}/{part}/{i}") for i in range(row[part])]
            for part in ("inputs", "outputs", "slopes")
        }
        settings = {name: _tuples(value) for name, value in row["settings"].items()}
        whole: dict[str, Any] = {"settings": settings, "weights": dict(row["weights"]), "inner": row["inner"], **parts}
        made.append(Seen(row["path"], row["kind"], **whole))
    return made


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def wrong(rows: Any, arrays: Arrays, place: str) -> str:
    """Return what is wrong with rows that were read from a file, or nothing."""
    for number, row in enumerate(rows if isinstance(rows, list) else [None]):
        if not isinstance(row, dict) or row.keys() != KEYS:
            return "a call of a layer is not described as calls are"
        words = [
            *(row[name] for name in WORDS),
            *(row["weights"].values() if isinstance(row["weights"], dict) else [0]),
        ]
        counts = [row[part] for part in ("inputs", "outputs", "slopes")]
        if not all(isinstance(word, str) for word in words) or not isinstance(row["inner"], bool):
            return "a call of a layer is not told in words"
        if not isinstance(row["settings"], dict) or not all(type(n) is int and 0 <= n <= len(arrays) for n in counts):
            return "a call of a layer is not told in numbers"
        named = [f"{place}/{number}/{part}/{i}" for part in ("inputs", "outputs") for i in range(row[part])]
        if not all(name in arrays for name in named):
            return "the arrays of a layer are not there"
    return ""
