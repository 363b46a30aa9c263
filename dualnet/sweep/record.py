"""The record of a sweep: one line of JSON for each finished cell, in files that only ever grow."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from dualnet.errors import DataError
from dualnet.sweep.calls import Outcome
from dualnet.sweep.cells import identity

Line = dict[str, Any]


class Record:
    """One file of a folder's record, to which lines are added. Each shard of a sweep has a file of its own."""

    def __init__(self, folder: Path, shard: str = "") -> None:
        self.path = folder / (f"cells-{shard.replace('/', '-of-')}.jsonl" if shard else "cells.jsonl")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            self._only_writer()
            self._mend()
        except OSError as error:
            msg = f"{self.path}: the record cannot be written: {error.strerror}."
            raise DataError(msg) from None

    def add(self, cell: str, outcome: Outcome) -> None:
        """Write down what a cell, given as it is written, came to: whole, before anything else happens."""
        told = json.dumps(outcome, separators=(",", ":"), allow_nan=False)
        line = f'{{"id":"{identity(cell)}","cell":{cell},"outcome":{told}}}\n'
        try:
            os.write(self.file, line.encode())
        except OSError as error:
            msg = f"{self.path}: the record cannot be written: {error.strerror}."
            raise DataError(msg) from None

    def _only_writer(self) -> None:
        """Raise ``DataError`` if another process is writing this file."""
        try:
            import fcntl
        except ImportError:  # no such locks on this system
            return
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"{self.path}: another sweep is writing it. Wait for that one, or name another folder."
            raise DataError(msg) from None

    def _mend(self) -> None:
        """Cut off a line that was not written to its end: the machine went down, or the disk was full."""
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self.file, whole)

    def __enter__(self) -> "Record":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        os.close(self.file)


def lines(folder: Path) -> dict[str, Line]:
    """Return the record of a folder, all shards together, by cell; of a cell done twice the last line that is no error.

    Raises ``DataError`` naming a line that is no finished cell.
    """
    found: dict[str, Line] = {}
    for path in sorted(folder.glob("cells*.jsonl")):
        content = path.read_bytes()
        for number, text in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), start=1):
            line = _line(text, f"{path}, line {number}")
            if finished(line) or not finished(found.get(line["id"], line)):
                found[line["id"]] = line
    return found


def _line(text: bytes, where: str) -> Line:
    try:
        line = json.loads(text)
        good = identity(line["cell"]) == line["id"] and isinstance(line["outcome"], dict)
    except (ValueError, KeyError, TypeError):
        good = False
    if not good:
        msg = f"{where}: this is no finished cell of a sweep. Delete the line, and the cell will be done again."
        raise DataError(msg)
    found: Line = line
    return found


def finished(line: Mapping[str, Any]) -> bool:
    """Return whether a cell came to something; one that failed is done again when the sweep goes on."""
    return "error" not in line["outcome"]
