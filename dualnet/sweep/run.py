"""Running: the cells that a record lacks are handed to an executor, and each is written down as it comes."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from dualnet.errors import DataError
from dualnet.run.plan import Progress, silent
from dualnet.sweep.calls import Outcome
from dualnet.sweep.cells import Cell, identity
from dualnet.sweep.record import Line, Record, finished, lines


class Executor(Protocol):
    """What works through cells, in whichever order."""

    def results(self, cells: Iterable[Cell]) -> Iterator[tuple[Cell, Outcome]]:
        """Yield each cell and what it came to, as they come."""

    def close(self) -> None:
        """End all work at once."""


def sweep(
    cells: Sequence[Cell],
    folder: Path,
    executor: Callable[[], Executor],
    *,
    resume: bool = False,
    shard: str = "",
    progress: Progress = silent,
) -> dict[str, Line]:
    """Do the cells that the folder's record has not, and return the lines of all, by id, in the order of ``cells``.

    However it ends, what was finished is in the record, and ``resume`` goes on from there. The executor is only made if
    there is something to do. Raises ``DataError`` for a folder with a record unless ``resume``.
    """
    before = lines(folder) if folder.is_dir() else {}
    if before and not resume:
        msg = f"{folder} holds the record of {len(before):,} cells. Add --resume to go on, or name another folder."
        raise DataError(msg)
    ids = [identity(cell) for cell in cells]
    have = {name for name, line in before.items() if finished(line)}
    missing = [cell for name, cell in zip(ids, cells, strict=True) if name not in have]
    found = {name: line for name, line in before.items() if name in set(ids)}
    with Record(folder, shard) as record:
        if missing:
            found |= _worked(missing, len(cells), record, executor(), progress)
    return {name: found[name] for name in ids}


def _worked(
    missing: Sequence[Cell], count: int, record: Record, executor: Executor, progress: Progress
) -> dict[str, Line]:
    found: dict[str, Line] = {}
    start, before, failed = time.monotonic(), count - len(missing), 0
    progress("sweep", before, count, "starting")
    try:
        for cell, outcome in executor.results(missing):
            line = record.add(cell, outcome)
            found[line["id"]] = line
            left = (time.monotonic() - start) / len(found) * (len(missing) - len(found))
            failed += not finished(line)
            told = f"{failed} failed, " if failed else ""
            progress("sweep", before + len(found), count, f"{told}about {clock(left)} left")
    finally:
        executor.close()
    return found


def clock(seconds: float) -> str:
    """Return a time as a person says it: 42 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
