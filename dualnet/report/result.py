"""Result: what an experiment gives back. Data first, pictures second; it shows itself in a terminal and a notebook."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dualnet import store
from dualnet.errors import DataError
from dualnet.report import exhibits as E

FORMAT = 1
TEXTS, TABLES = ("name", "title", "verdict", "source"), ("data", "settings", "environment")
KINDS: dict[str, type[Any]] = dict.fromkeys(TEXTS, str) | dict.fromkeys(TABLES, dict) | {"says": list}


@dataclass(repr=False)
class Result:
    """What an experiment found: ``says`` in words, ``data`` in numbers, ``exhibits`` to look at.

    ``verdict`` is that of the two sides' agreement, as the ladder's; empty where nothing was compared.
    """

    name: str
    title: str
    says: list[str] = field(default_factory=list)
    exhibits: list[E.Exhibit] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    verdict: str = ""
    source: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)

    def table(self) -> str:
        """Return the tables as text, each under its title, and below them what was found."""
        from dualnet.report.table import exhibit

        tables = [exhibit(each) for each in self.exhibits if isinstance(each, E.Table)]
        return "\n\n".join([*tables, *(["\n".join(self.says)] if self.says else [])])

    def plot(self, path: str | Path | None = None) -> Any:
        """Return a ``matplotlib.figure.Figure`` of everything but the tables; written as a PNG if a path is given."""
        from dualnet.report.plots import figure_of, write

        figure = figure_of(self.title, [each for each in self.exhibits if not isinstance(each, E.Table)])
        if path is not None:
            write(figure, Path(path))
        return figure

    def to_data(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        own = {name: value for name, value in vars(self).items() if name != "exhibits"}
        return {"dualnet_result": FORMAT} | own | {"exhibits": [E.to_data(each) for each in self.exhibits]}

    def to_json(self) -> str:
        """Return all of it as JSON. NaN and the infinities, for which JSON has no numbers, become words."""
        return dumps(self.to_data())

    def save(self, path: str | Path) -> None:
        """Write it as JSON, whole or not at all. Raises ``DataError`` if the place cannot be written."""
        try:
            store.write_text(Path(path), self.to_json())
        except OSError as error:
            msg = f"{path}: the result cannot be written: {error.strerror}."
            raise DataError(msg) from None

    def __str__(self) -> str:
        head = [self.title, *([self.source] if self.source else [])]
        tail = [f"verdict: {self.verdict}"] if self.verdict else []
        return "\n\n".join(["\n".join(head), self.table(), *tail])

    def __repr__(self) -> str:
        shown = ", ".join(type(each).__name__ for each in self.exhibits)
        return f"<Result of {self.name}: {self.title}; {shown}>"

    def _repr_html_(self) -> str:
        from dualnet.report.page import section

        return section(self)


def load(path: Path) -> Result:
    """Return the result in a file. Raises ``DataError`` naming what is wrong with it."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{path}: the result cannot be read: {error.strerror}."
        raise DataError(msg) from None
    except (ValueError, RecursionError) as error:
        msg = f"{path}: this is no JSON: {error}."
        raise DataError(msg) from None
    if not isinstance(data, dict) or data.get("dualnet_result") != FORMAT:
        msg = f'{path}: this is no result of dualnet: it does not say "dualnet_result": {FORMAT}.'
        raise DataError(msg)
    return from_data(data, str(path))


def from_data(data: Mapping[str, Any], where: str = "result") -> Result:
    """Return the result that plain data describes. Raises ``DataError``, opened by ``where``."""
    own = {name: value for name, value in data.items() if name not in ("dualnet_result", "exhibits")}
    shown = data.get("exhibits", [])
    for name, kind in KINDS.items():
        if not isinstance(own.get(name, kind()), kind):
            msg = f"{where}: {name} must be {kind.__name__}. Received: {own[name]!r}"
            raise DataError(msg)
    try:
        made = Result(**own)
    except TypeError as error:
        msg = f"{where}: {str(error).partition(') ')[2]}."
        raise DataError(msg) from None
    if not isinstance(shown, list) or not all(isinstance(line, str) for line in made.says):
        msg = f"{where}: says must be a list of text, and exhibits a list. Received: {str(made.says or shown)[:80]}"
        raise DataError(msg)
    made.exhibits = [E.from_data(each, f"{where}: exhibit {index}") for index, each in enumerate(shown)]
    return made


def dumps(data: Mapping[str, Any]) -> str:
    """Return plain data as JSON text, NaN and the infinities as words."""
    return json.dumps(strict(data), allow_nan=False, default=float) + "\n"


def strict(value: Any) -> Any:
    """Return plain data with NaN and infinity as words: JSON has no such numbers."""
    if isinstance(value, Mapping):
        return {str(name): strict(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
