"""A worker process of the bench: one framework, the recipes that it was asked to make ready, and a clock."""

import gc
import importlib
import os
import resource
import signal
import sys
import time
from typing import Any

import numpy as np

from dualnet.backends import backend
from dualnet.bench import recipes
from dualnet.bench.job import Job, Timed
from dualnet.errors import UnsupportedError
from dualnet.run.layers import registered
from dualnet.run.worker import serve

# Warming up: so many seconds, and so many runs at least; caches, allocators and thread pools are then as they stay.
WARM, RUNS = 0.2, 2
# Single calls timed in a chunk, at most: a median of so many is known well enough, and the list stays small.
CALLS = 2000


def memory() -> int:
    """Return the largest number of bytes that this process has held so far."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else 1024 * size


class Clock:
    """Answers the commands of ``dualnet.bench.fleet``; ``spawned`` is when the parent started this process."""

    def __init__(self, name: str, spawned: float) -> None:
        self.name, self.spawned = name, spawned
        self.job: Job | None = None
        self.ready: dict[str, Timed] = {}
        self.pace: dict[str, float] = {}  # seconds of a call

    def answer(self, command: dict[str, Any]) -> Any:
        """Return the answer to one command, which names a verb below."""
        if command["verb"] not in VERBS:
            msg = f"the bench's workers know {', '.join(VERBS)}. Received: {command['verb']}"
            raise UnsupportedError(msg)
        return getattr(self, command["verb"])(*command["arguments"], **command["keywords"])

    @property
    def base(self) -> Any:
        """Return the page of what this framework's recipes share."""
        return importlib.import_module(f"dualnet.bench.{self.name}.base")

    def begin(self, threads: int) -> dict[str, Any]:
        """Import the framework; return its facts, threads, and the seconds since this process was spawned."""
        facts = backend(self.name).facts() | self.base.start(threads)
        return {"facts": facts, "seconds": time.monotonic() - self.spawned, "memory": memory()}

    def take(self, job: dict[str, Any]) -> None:
        """Take the model and data to time."""
        self.job = Job(**job)
        self.ready.clear()
        self.pace.clear()

    def start(self, what: str, name: str, batch: int, warm: bool) -> dict[str, Any]:
        """Make a recipe ready; return the seconds and bytes after it was made, and after its first run.

        ``warm`` runs it until it is as it stays. A recipe that does not fit gives the reason as "refused".
        """
        assert self.job is not None  # the fleet gives it first
        began = time.perf_counter()
        try:
            made = self._made(what, name)(self.job, batch)
            built, after = time.perf_counter() - began, memory()
            made.run(1)
        except UnsupportedError as error:
            return {"refused": str(error)}
        first = time.perf_counter() - began - built
        found = {"made": built, "first": first, "since": time.monotonic() - self.spawned, "memory made": after}
        if warm:
            self.ready[f"{what}/{name}/{batch}"] = made
            self.pace[f"{what}/{name}/{batch}"] = self._warmed(made)
        more = {"memory": memory(), "device memory": self.base.peak(self.job), "format": made.memory_format}
        return found | more | {"calls": made.least}

    def _made(self, what: str, name: str) -> Any:
        page, _, function = recipes.find(self.name, what, name).make.partition(":")
        return getattr(importlib.import_module(f"dualnet.bench.{self.name}.{page}"), function)

    def _warmed(self, made: Timed) -> float:
        """Run until warm; return the seconds that a call then takes."""
        until, runs, pace = time.perf_counter() + WARM, 0, 0.0
        while runs < RUNS or time.perf_counter() < until:
            began = time.perf_counter()
            own = made.run(made.least)
            pace = (own[0] if own else time.perf_counter() - began) / made.least
            runs += 1
        return pace

    def chunk(self, key: str, seconds: float) -> dict[str, Any]:
        """Run a recipe for about so many seconds; return wall and CPU seconds of a sample, and of single calls."""
        made = self.ready[key]
        calls = max(1, round(seconds / max(self.pace[key], 1e-9) / made.least)) * made.least
        gc.collect()  # what others left is not this one's to clean up
        if made.single:
            return self._singly(made, min(calls, CALLS))
        wall, cpu = time.perf_counter(), time.process_time()
        own = made.run(calls)
        wall, cpu = own or (time.perf_counter() - wall, time.process_time() - cpu)
        done = calls * made.samples
        return {"wall": wall / done, "cpu": cpu / done, "call": wall / calls, "calls": calls}

    def _singly(self, made: Timed, calls: int) -> dict[str, Any]:
        each, cpu = np.empty(calls), time.process_time()
        for i in range(calls):
            began = time.perf_counter()
            made.run(1)
            each[i] = time.perf_counter() - began
        cpu = time.process_time() - cpu
        done = calls * made.samples
        middle, late = (float(value) for value in np.percentile(each, [50, 95]))
        found = {"wall": float(each.sum()) / done, "cpu": cpu / done, "call": middle, "p95": late}
        return found | {"calls": calls}

    def stop(self, key: str) -> None:
        """Let a recipe go."""
        self.ready.pop(key, None)
        gc.collect()


VERBS = ("begin", "take", "start", "chunk", "stop")


def main() -> None:
    """Run a worker for the backend named on the command line, spawned at the moment named behind it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to hear: it ends its workers
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a framework prints must not get among the answers
    registered()
    serve(Clock(sys.argv[1], float(sys.argv[2])), sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
