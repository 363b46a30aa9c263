"""The local executor: worker processes on this machine, kept warm, each with a cell at a time."""

import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from threading import Lock, Thread

from dualnet.errors import WorkerError
from dualnet.run.launch import Order
from dualnet.run.process import Process
from dualnet.sweep.calls import Outcome

MODULE = "dualnet.sweep.worker"

# How often a cell is given to a worker before it is held to be the cell that kills them.
TRIES = 2

# Cells shorter than so many seconds are handed out one ahead, so that no worker waits for the next one to reach it.
SHORT = 1.0

Given = tuple[str, int]  # a cell as it is written, and the how manieth try it is
Done = SimpleQueue[tuple[str, Outcome] | BaseException]


class Local:
    """So many worker processes, each started when it has a cell to do, and again if it dies."""

    def __init__(self, workers: int, threads: int = 1) -> None:
        self.workers, self.threads = workers, threads
        self.processes: dict[int, Process] = {}
        self.sent: dict[int, int] = {}  # how many cells each worker has that it has not answered
        self.lock = Lock()
        self.closed = False

    def results(self, cells: Iterable[str]) -> Iterator[tuple[str, Outcome]]:
        """Yield each cell, as it is written, and what it came to, as they come.

        A cell whose worker dies is done once more.
        """
        waiting: deque[Given] = deque((cell, 1) for cell in cells)
        done: Done = SimpleQueue()
        count = len(waiting)
        for number in range(min(self.workers, count)):
            Thread(target=self._kept, args=(number, waiting, done), daemon=True).start()
        for _ in range(count):
            made = done.get()
            if isinstance(made, BaseException):
                raise made
            yield made

    def _kept(self, number: int, waiting: deque[Given], done: Done) -> None:
        """Keep one worker busy; whatever goes wrong in this thread is raised where the results are waited for."""
        try:
            self._work(number, waiting, done)
        except BaseException as error:
            done.put(error)

    def _work(self, number: int, waiting: deque[Given], done: Done) -> None:
        """Keep one worker busy until nothing waits."""
        given: deque[Given] = deque()
        ahead = 1
        while not self.closed:
            while len(given) < ahead and (cell := _next(waiting)):
                given.append(cell)
            if not given:
                return
            try:
                found = self._asked(number, given)
            except (OSError, ValueError, WorkerError) as error:  # no line, or half of one: it went away
                self._lost(number, given, waiting, done, str(error))
                continue
            text, tries = given.popleft()
            if found.pop("leaves", False):
                self._part(number, at_once=True)
                waiting.extendleft(reversed(given))
                given.clear()
            done.put((text, found | ({"tries": tries} if tries > 1 else {})))
            ahead = 2 if found["seconds"] < SHORT and len(waiting) > self.workers else 1

    def _asked(self, number: int, given: deque[Given]) -> Outcome:
        """Return what the first of the given cells came to; those that the worker has not yet are sent to it before."""
        process = self._process(number)
        for text, _ in list(given)[self.sent[number] :]:
            process.commands.write(text.encode() + b"\n")
            process.commands.flush()
            self.sent[number] += 1
        found: Outcome = json.loads(process.answers.readline())
        self.sent[number] -= 1
        return found

    def _lost(self, number: int, given: deque[Given], waiting: deque[Given], done: Done, why: str) -> None:
        """Bury a worker that went away. The cell that it had begun counts as tried, the one behind does not."""
        told = self._part(number) or why
        text, tries = given.popleft()
        waiting.extendleft(reversed(given))
        given.clear()
        if tries < TRIES:
            waiting.appendleft((text, tries + 1))
        else:
            done.put((text, {"error": f"{told} It was tried {TRIES} times.", "seconds": 0.0, "tries": tries}))

    def _part(self, number: int, at_once: bool = False) -> str:
        """End a worker, if it has not ended; return in words how it went, nothing if there is none."""
        with self.lock:
            process = self.processes.pop(number, None)
        if process is None:
            return ""
        if at_once:
            process.process.kill()
        told = process.gone("do a cell")
        process.close()
        return told

    def _process(self, number: int) -> Process:
        with self.lock:
            if self.closed:
                msg = "the sweep has ended"
                raise WorkerError(msg)
            if number not in self.processes:
                label = f"sweep worker {number + 1}"
                self.sent[number] = 0
                self.processes[number] = Process(Order(sys.executable, ("cells",), MODULE, self.threads), label)
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
