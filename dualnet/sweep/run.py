"""Running: the cells that a record lacks are handed to an executor, and each is written down as it comes."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from dualnet.errors import DataError
from dualnet.run.plan import Progress, silent
from dualnet.sweep.calls import Outcome
from dualnet.sweep.cells import Cell, identity, written
from dualnet.sweep.record import Line, Record, finished, lines


class Executor(Protocol):
    """What works through cells, in whichever order."""

    def results(self, cells: Iterable[str]) -> Iterator[tuple[str, Outcome]]:
        """Yield each cell, given and yielded as it is written, and what it came to, as they come."""

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
    """Do the cells that the folder's record has not, and return the lines of all, by id.

    However it ends, what was finished is in the record, and ``resume`` goes on from there. The executor is only made if
    there is something to do. Raises ``DataError`` for a folder with a record unless ``resume``.
    """
    before = lines(folder) if folder.is_dir() else {}
    if before and not resume:
        msg = f"{folder} holds the record of {len(before):,} cells. Add --resume to go on, or name another folder."
        raise DataError(msg)
    whole = {identity(text): text for text in map(written, cells)}
    found = {name: line for name, line in before.items() if name in whole}
    missing = {name: text for name, text in whole.items() if name not in found or not finished(found[name])}
    with Record(folder, shard) as record:
        if missing:
            _work(missing, len(whole), record, executor(), progress)
    return found | {name: line for name, line in lines(folder).items() if name in missing}


def _work(missing: Mapping[str, str], count: int, record: Record, executor: Executor, progress: Progress) -> None:
    start, before, failed = time.monotonic(), count - len(missing), 0
    progress("sweep", before, count, "starting")
    try:
        for done, (cell, outcome) in enumerate(executor.results(missing.values()), start=1):
            record.add(cell, outcome)
            failed += "error" in outcome
            left = (time.monotonic() - start) / done * (len(missing) - done)
            told = f"{failed} failed, " if failed else ""
            progress("sweep", before + done, count, f"{told}about {clock(left)} left")
    finally:
        executor.close()


def clock(seconds: float) -> str:
    """Return a time as a person says it: 42 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
