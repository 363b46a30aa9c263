"""What a sweep costs beside its cells' own time, by cells of a known busy time.

Run it: python benchmarks/sweeping.py [--cells 1000] [--busy 0.05] [--workers 2] [--executor local]

overhead = wall·workers / Σ cells' own seconds - 1: the time in which a worker had no cell to work on, from the call of
``sweep`` to its return: starting the processes, handing over, writing down. On a machine with other work to do, a
worker waits for its core between two cells as well, and that is in it. Beside it stands what depends less on others:
the CPU seconds that the sweep took and the cells did not, over the cells' busy time.
"""

import argparse
import os
import platform
import tempfile
import time
from functools import partial
from pathlib import Path

from dualnet.run.plan import Progress
from dualnet.specs import zoo
from dualnet.sweep import cells as grid
from dualnet.sweep.local import Local
from dualnet.sweep.record import Line
from dualnet.sweep.run import Executor, sweep


def busy(count: int, seconds: float) -> list[grid.Cell]:
    return grid.cells("busy", [zoo.load("fashion_mlp")], range(count), ["float32"], {"busy": seconds}, {})


def executor_of(name: str, workers: int) -> Executor:
    if name == "ray":
        from dualnet.sweep.on_ray import OnRay

        return OnRay(workers)
    return Local(workers)


def cpu() -> float:
    """The CPU seconds of this process and of those children that have ended."""
    return sum(os.times()[:4])


def timed(cells: list[grid.Cell], workers: int, name: str) -> tuple[float, float, float, float]:
    """Return the overhead, wall seconds, CPU seconds besides the cells', and seconds until the first cell was done."""
    first: list[float] = []

    def seen(side: str, done: int, total: int, what: str) -> None:
        if done == 1:
            first.append(time.perf_counter() - start)

    shown: Progress = seen
    with tempfile.TemporaryDirectory() as folder:
        start, before = time.perf_counter(), cpu()
        lines: dict[str, Line] = sweep(cells, Path(folder), partial(executor_of, name, workers), progress=shown)
        wall, work = time.perf_counter() - start, cpu() - before
    assert len(lines) == len(cells)
    own, theirs = (sum(line["outcome"][what] for line in lines.values()) for what in ("seconds", "cpu"))
    return wall * workers / own - 1.0, wall, work - theirs, first[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--busy", type=float, default=0.05)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--executor", default="local", choices=("local", "ray"))
    given = parser.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}"
    overhead, wall, besides, first = timed(busy(given.cells, given.busy), given.workers, given.executor)
    print(machine)
    print(
        f"{given.cells:,} cells of {1e3 * given.busy:.0f} ms, {given.workers} workers, {given.executor}: {wall:.1f} s"
    )
    print(f"overhead {100 * overhead:.2f} % of the cells' own time; the first cell was done after {first:.2f} s")
    if given.executor == "local":  # Ray's processes are nobody's children
        share = besides / (given.cells * given.busy)
        each = 1e3 * besides / given.cells
        print(f"CPU besides the cells' {each:.2f} ms a cell, {100 * share:.2f} % of their busy time")


if __name__ == "__main__":
    main()
