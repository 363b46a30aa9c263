"""Exhibits: what an experiment has to show, as plain data. Terminal, picture and page each draw them in their own way.

Colours and dashes carry meaning in every chart: a ``colour`` (0, 1, 2 …) is a setting, and ``dashed`` is the second
framework, so that two equal curves are both seen.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any, get_args, get_origin

import numpy as np
from numpy.typing import NDArray

from dualnet.errors import DataError

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Table:
    """Rows of cells, all text as it is to be read. ``note`` stands below."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Series:
    """One curve: y over x, and a band from ``low`` to ``high`` where given. NaN leaves a gap."""

    name: str
    x: Numbers
    y: Numbers
    low: Numbers = ()
    high: Numbers = ()
    colour: int = 0
    dashed: bool = False


@dataclass(frozen=True)
class Lines:
    """Curves over one pair of axes. ``log`` names the logarithmic ones: "", "x", "y" or "xy".

    ``names``, where given, are what stands at x = 0, 1, 2 …, such as the layers of a net.
    """

    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    log: str = ""
    note: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """One bar of each category; an error bar from ``low`` to ``high`` where given."""

    name: str
    values: Numbers
    low: Numbers = ()
    high: Numbers = ()
    colour: int = 0
    dashed: bool = False


@dataclass(frozen=True)
class Bars:
    """Groups of bars side by side, from zero. ``marked`` is the index of a category to point out, such as the label."""

    title: str
    categories: tuple[str, ...]
    y: str
    groups: tuple[Group, ...]
    marked: int = -1
    note: str = ""


@dataclass(frozen=True)
class Histogram:
    """Densities over shared bins: ``edges`` (k + 1), each group's ``values`` (k), and theory's ``curve`` at centres."""

    title: str
    x: str
    edges: Numbers
    groups: tuple[Group, ...]
    curve: Numbers = ()
    note: str = ""


@dataclass(frozen=True)
class Matrix:
    """Counts by row and column, such as a confusion matrix: rows are the truth."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[Numbers, ...]
    x: str = ""
    y: str = ""
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """One image (H, W). ``scale``: "grey" from 0 to its largest, "heat" the same in colour, "signed" about zero."""

    pixels: tuple[Numbers, ...]
    scale: str = "grey"
    caption: str = ""


@dataclass(frozen=True)
class Pictures:
    """A grid of images, a row for each thing shown; None leaves a place empty."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Picture | None, ...], ...]
    note: str = ""


Exhibit = Table | Lines | Bars | Histogram | Matrix | Pictures
KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (Table, Lines, Bars, Histogram, Matrix, Pictures)}
WORDS = ("nan", "inf", "-inf")  # for which JSON has no numbers


def numbers(values: Any) -> Numbers:
    """Return an array of one axis as plain numbers of nine digits, which is what float32 holds."""
    return tuple(float(f"{value:.9g}") for value in np.asarray(values, dtype=np.float64))


def picture(image: NDArray[Any], scale: str = "grey", caption: str = "") -> Picture:
    """Return an image (H, W) as a picture; four digits are more than an eye can tell."""
    rows = tuple(tuple(float(f"{value:.4g}") for value in row) for row in np.asarray(image, dtype=np.float64))
    return Picture(rows, scale, caption)


def to_data(exhibit: Exhibit) -> dict[str, Any]:
    """Return an exhibit as plain data, its kind first."""
    return {"kind": type(exhibit).__name__} | asdict(exhibit)


def from_data(data: Any, where: str) -> Exhibit:
    """Return the exhibit that plain data describes. Raises ``DataError``, opened by ``where``."""
    kind = KINDS.get(str(data.get("kind"))) if isinstance(data, Mapping) else None
    if kind is None:
        found = data.get("kind") if isinstance(data, Mapping) else type(data).__name__
        msg = f"{where}: expected an exhibit, one of {', '.join(KINDS)}. Received: {found!r}"
        raise DataError(msg)
    made: Exhibit = _made(kind, {name: value for name, value in data.items() if name != "kind"}, where)
    return made


def _made(kind: type[Any], data: Any, where: str) -> Any:
    known = {field.name: field.type for field in fields(kind)}
    if not isinstance(data, Mapping) or not set(data) <= set(known):
        msg = f"{where}: a {kind.__name__} has {', '.join(sorted(known))}. Received: {str(data)[:80]}"
        raise DataError(msg)
    try:
        return kind(**{name: _read(value, known[name], f"{where}: {name}") for name, value in data.items()})
    except TypeError as error:
        msg = f"{where}: {error}."
        raise DataError(msg) from None


def _read(value: Any, kind: Any, where: str) -> Any:
    """Return what JSON holds as a field's type: lists as tuples, the words for NaN and infinity as numbers."""
    inner = get_args(kind)
    if get_origin(kind) is tuple and isinstance(value, (list, tuple)):
        return tuple(_read(item, inner[0], where) for item in value)
    if type(None) in inner:
        return None if value is None else _read(value, inner[0], where)
    if is_dataclass(kind):
        return _made(kind, value, where)  # type: ignore[arg-type]  # a class, not one of its instances
    if kind is float and (value in WORDS or type(value) in (int, float)):
        return float(value)
    if get_origin(kind) is None and type(value) is kind:
        return value
    msg = f"{where}: expected {getattr(kind, '__name__', kind)}. Received: {str(value)[:80]!r}"
    raise DataError(msg)
