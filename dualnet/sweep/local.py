"""The local executor: worker processes on this machine, kept warm, each with a cell at a time."""

import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from threading import Lock, Thread

from dualnet.errors import WorkerError
from dualnet.run.hosts import Process
from dualnet.sweep.calls import Outcome

# How often a cell is given to a worker before it is held to be the cell that kills them.
TRIES = 2

# Cells shorter than so many seconds are handed out one ahead, so that no worker waits for the next one to reach it.
SHORT = 1.0

Given = tuple[str, int]  # a cell as it is written, and the how manieth try it is
Done = SimpleQueue[tuple[str, Outcome]]


class Local:
    """So many worker processes, each started when it has a cell to do, and again if it dies."""

    def __init__(self, workers: int, threads: int = 1) -> None:
        self.workers, self.threads = workers, threads
        self.processes: dict[int, Process] = {}
        self.lock = Lock()
        self.closed = False

    def results(self, cells: Iterable[str]) -> Iterator[tuple[str, Outcome]]:
        """Yield each cell, as it is written, and what it came to, as they come; a cell whose worker dies is done once more."""
        waiting: deque[Given] = deque((cell, 1) for cell in cells)
        done: Done = SimpleQueue()
        count = len(waiting)
        for number in range(min(self.workers, count)):
            Thread(target=self._work, args=(number, waiting, done), daemon=True).start()
        for _ in range(count):
            yield done.get()

    def _work(self, number: int, waiting: deque[Given], done: Done) -> None:
        """Keep one worker busy until nothing waits."""
        given: deque[Given] = deque()
        ahead = 1
        while not self.closed:
            try:
                process = self._process(number)
                while len(given) < ahead and (cell := _next(waiting)):
                    given.append(cell)
                    process.commands.write(cell[0].encode() + b"\n")
                    process.commands.flush()
                if not given:
                    return
                found: Outcome = json.loads(process.answers.readline())
            except (OSError, ValueError, WorkerError):  # no line, or half of one: it went away
                self._lost(number, given, waiting, done)
                continue
            cell, tries = given.popleft()
            done.put((cell, found | ({"tries": tries} if tries > 1 else {})))
            ahead = 2 if found["seconds"] < SHORT and len(waiting) > self.workers else 1

    def _lost(self, number: int, given: deque[Given], waiting: deque[Given], done: Done) -> None:
        """Bury a worker that went away. The cell that it had begun counts as tried, the one behind does not."""
        with self.lock:
            process = self.processes.pop(number, None)
        told = process.gone("do a cell") if process else "its worker could not be started"
        if process:
            process.close()
        for behind in reversed(list(given)[1:]):
            waiting.appendleft(behind)
        cell, tries = given[0]
        given.clear()
        if tries < TRIES:
            waiting.appendleft((cell, tries + 1))
        else:
            done.put((cell, {"error": f"{told} It was tried {TRIES} times.", "seconds": 0.0, "tries": tries}))

    def _process(self, number: int) -> Process:
        with self.lock:
            if self.closed:
                msg = "the sweep has ended"
                raise WorkerError(msg)
            if number not in self.processes:
                label = f"sweep worker {number + 1}"
                module = "dualnet.sweep.worker"
                self.processes[number] = Process("cells", sys.executable, self.threads, label, module=module)
            return self.processes[number]

    def close(self) -> None:
        """End the workers at once, whatever they do: what is finished has been yielded."""
        with self.lock:
            self.closed = True
            running = list(self.processes.values())
        for process in running:
            process.process.kill()
        for process in running:
            process.close()


def _next(waiting: deque[Given]) -> Given | None:
    """Return the next cell that waits, if one does: other threads take from the same."""
    try:
        return waiting.popleft()
    except IndexError:
        return None
