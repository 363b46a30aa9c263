"""The record of a run that is not over: its finished cells, taken over by the next run of the same words."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dualnet import store
from dualnet.bench.timing import Timings, timings_of
from dualnet.errors import DataError
from dualnet.report.result import dumps

NAME = "bench.unfinished.json"


class Record:
    """Finished cells in a folder, written whole after each; without a folder it remembers nothing."""

    def __init__(self, folder: Path | None, identity: Mapping[str, Any]) -> None:
        self.path = folder / NAME if folder else None
        self.identity = json.loads(dumps(identity))
        self.cells: dict[str, Any] = {}
        self.notes: dict[str, Any] = {}  # what else the next run need not find out
        if self.path and self.path.exists():
            self.cells = self._read(self.path)

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["identity"] == self.identity:
                cells: dict[str, Any] = found["cells"]
                self.notes = dict(found["notes"])
                return {key: timings_of(cell).to_data() for key, cell in cells.items()}
        except (OSError, ValueError, KeyError, TypeError) as error:
            msg = f"{path}: the record of an unfinished run cannot be read ({error!r}). Delete it to begin anew."
            raise DataError(msg) from None
        msg = f"{path} is the record of an unfinished run of other words or versions. Delete it, or name another --out."
        raise DataError(msg)

    def get(self, key: str) -> Timings | None:
        """Return the timings of a cell that is finished."""
        return timings_of(self.cells[key]) if key in self.cells else None

    def keep(self, timings: Timings) -> None:
        """Note a finished cell."""
        self.cells[timings.cell.key] = timings.to_data()
        self._write()

    def note(self, name: str, what: Any) -> None:
        """Note what else was found out."""
        self.notes[name] = what
        self._write()

    def _write(self) -> None:
        if self.path:
            found = {"identity": self.identity, "cells": self.cells, "notes": self.notes}
            store.write_text(self.path, dumps(found))

    def done(self) -> None:
        """Forget all: the run is over, and its result written."""
        if self.path:
            self.path.unlink(missing_ok=True)
