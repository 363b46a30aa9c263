"""The page: results as one HTML file that needs no network, and one result as what a notebook shows."""

import base64
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dualnet import __version__
from dualnet.compare.verdict import WORST
from dualnet.report import blocks, charts
from dualnet.report import exhibits as E
from dualnet.report.look import SIGNS, columns, numeric, short
from dualnet.report.pixels import LARGEST, address, rectangle
from dualnet.report.result import Result
from dualnet.report.table import MEANING

SHOWN = 84  # pixels of a screen that a picture takes at least
SMALL = 40  # rows and columns of a matrix that is shown in numbers
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def page(results: Sequence[Result], title: str) -> str:
    """Return the whole page of some results."""
    verdicts = [result.verdict for result in results if result.verdict in WORST]
    verdict = max(verdicts, key=WORST.index, default="not checked")
    shown = [_shown(result) for result in results]
    style, script = _file("page.css"), _file("page.js")
    # The browser is told to load nothing and to run this script alone, whatever a result may hold.
    seal = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    words = {"style": style, "script": script, "seal": seal, "version": __version__}
    return _clean(_template().page(title, verdict, _sentence(verdict, results), shown, **words))


def section(result: Result) -> str:
    """Return one result as a fragment with its own style, which needs no script."""
    return _clean(_template().fragment(_shown(result), _file("page.css")))


def _sentence(verdict: str, results: Sequence[Result]) -> str:
    """Return what the worst verdict means, and which results it is of."""
    means = f"{MEANING[verdict][0].upper()}{MEANING[verdict][1:]}."
    judged = [result for result in results if result.verdict in WORST]
    of = [result.title for result in judged if result.verdict == verdict]
    if len(judged) < 2:
        return means
    if len(of) == len(judged):
        return f"{means} All {len(judged)} comparisons say so."
    more = f" and {len(of) - 2} more" if len(of) > 2 else ""
    return f"{means} This is the worst of {len(judged)} comparisons: {', '.join(of[:2])}{more}."


@cache
def _template() -> Any:
    loader = PackageLoader("dualnet.report", "")
    room = Environment(autoescape=True, trim_blocks=True, loader=loader, undefined=StrictUndefined)
    room.globals["signs"] = SIGNS
    return room.get_template("page.html").module


@cache
def _file(name: str) -> Markup:
    """Return a file of ours, which is markup already."""
    from importlib.resources import files

    return Markup(files("dualnet.report").joinpath(name).read_text(encoding="utf-8"))


def _clean(text: str) -> str:
    """Return text without characters that HTML and UTF-8 cannot hold."""
    return UNPRINTABLE.sub("\ufffd", text)


def _shown(result: Result) -> dict[str, Any]:
    """Return what the template shows of a result."""
    own = {name: getattr(result, name) for name in ("title", "verdict", "source", "says")}
    facts = {name: list(_facts(getattr(result, name))) for name in ("settings", "environment")}
    date = str(result.environment.get("date", "")).replace("T", " ").replace("+00:00", " UTC")
    return own | facts | {"date": date, "exhibits": [_item(each) for each in result.exhibits]}


def _facts(data: Mapping[str, Any], before: str = "") -> Any:
    """Yield nested data as names and values, flat."""
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _facts(value, f"{before}{name} ")
        else:
            told = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            yield f"{before}{name}", told


def _item(shown: E.Exhibit) -> dict[str, Any]:
    """Return what the template shows of an exhibit."""
    own = {"title": shown.title, "note": shown.note}
    if isinstance(shown, E.Table):
        return own | _table(shown)
    if isinstance(shown, E.Pictures):
        return own | _pictures(shown)
    if isinstance(shown, E.Matrix):
        return own | (_matrix(shown) if max(len(shown.rows), len(shown.columns)) <= SMALL else _pictures(_heat(shown)))
    draw: Any = {E.Lines: charts.lines, E.Bars: blocks.bars, E.Histogram: blocks.histogram}[type(shown)]
    made = draw(shown)
    return own | {"kind": "chart", **vars(made)}


def _table(shown: E.Table) -> dict[str, Any]:
    cells = columns(shown.rows, len(shown.heads))
    right = [numeric(column) for column in cells]
    return {"kind": "table", "heads": shown.heads, "rows": list(zip(*cells, strict=True)), "right": right}


def _pictures(shown: E.Pictures) -> dict[str, Any]:
    rows = []
    for index, row in enumerate(shown.cells):
        name = shown.rows[index] if index < len(shown.rows) else ""
        rows.append({"name": name, "cells": [_picture(each, name, at, shown) for at, each in enumerate(row)]})
    return {"kind": "pictures", "columns": shown.columns, "cells": rows}


def _picture(each: E.Picture | None, row: str, at: int, shown: E.Pictures) -> dict[str, Any] | None:
    if each is None:
        return None
    column = shown.columns[at] if at < len(shown.columns) else ""
    alt = ", ".join(word for word in (row, column, each.caption) if word) or shown.title
    width = min(max(SHOWN, 2 * max(map(len, each.pixels), default=0)), 2 * LARGEST)
    return {"address": address(each), "caption": each.caption, "alt": alt, "width": width}


def _matrix(shown: E.Matrix) -> dict[str, Any]:
    values = rectangle(shown.values)
    top = np.abs(values[np.isfinite(values)]).max(initial=0.0) or 1.0
    rows = []
    for name, row in zip(shown.rows, shown.values, strict=False):
        cells = [
            (short(value), min(1.0, abs(value) / top) if math.isfinite(value) else 0.0, value < 0) for value in row
        ]
        rows.append({"name": name, "cells": cells})
    return {"kind": "matrix", "columns": shown.columns, "cells": rows, "x": shown.x, "y": shown.y}


def _heat(shown: E.Matrix) -> E.Pictures:
    """Return a matrix that is too large for numbers as a picture."""
    return E.Pictures(shown.title, (shown.y,), (shown.x,), ((E.Picture(shown.values, "heat"),),), shown.note)
