"""Progress of long work: bars with the time left on a terminal, plain lines in a log. All on standard error."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dualnet.run.plan import Progress, silent

# Seconds between the plain lines of one side: enough to see that it moves, few enough to read the log.
PAUSE = 20.0


@contextmanager
def progress(quiet: bool = False, unit: str = "steps") -> Iterator[Progress]:
    """Yield a function to call with (side, steps done, steps in all, what is going on)."""
    if quiet:
        yield silent
    elif sys.stderr.isatty():
        with _bars() as show:
            yield show
    else:
        yield _Lines(unit)


class _Lines:
    """One line a side and pause, and one when a piece of work is done."""

    def __init__(self, unit: str = "steps") -> None:
        self.last: dict[str, float] = {}
        self.unit = unit

    def __call__(self, side: str, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        if done < total and now - self.last.setdefault(side, now) < PAUSE:
            return
        self.last[side] = now
        print(f"  {side:6} {what:40} {done:6,} of {total:,} {self.unit}", file=sys.stderr, flush=True)


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.fields[side]:6} {task.description:32}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(side: str, done: int, total: int, what: str) -> None:
            if side not in tasks:
                tasks[side] = bars.add_task(what, total=total, side=side)
            if bars.tasks[tasks[side]].completed > done:
                bars.reset(tasks[side])
            bars.update(tasks[side], completed=done, total=total, description=what)

        yield show
