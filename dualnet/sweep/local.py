"""The local executor: worker processes on this machine, kept warm, each with a cell at a time."""

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from threading import Lock, Thread

from dualnet.errors import WorkerError
from dualnet.run.hosts import Process
from dualnet.sweep.calls import Outcome
from dualnet.sweep.cells import Cell

# How often a cell is given to a worker before it is held to be the cell that kills them.
TRIES = 2


class Local:
    """So many worker processes, each started when it has a cell to do, and again if it dies."""

    def __init__(self, workers: int, threads: int = 1) -> None:
        self.workers, self.threads = workers, threads
        self.processes: dict[int, Process] = {}
        self.lock = Lock()
        self.closed = False

    def results(self, cells: Iterable[Cell]) -> Iterator[tuple[Cell, Outcome]]:
        """Yield each cell and what it came to, as they come; a cell whose worker dies is done once more."""
        waiting = deque(cells)
        done: SimpleQueue[tuple[Cell, Outcome]] = SimpleQueue()
        count = len(waiting)
        for number in range(min(self.workers, count)):
            Thread(target=self._work, args=(number, waiting, done), daemon=True).start()
        for _ in range(count):
            yield done.get()

    def _work(self, number: int, waiting: deque[Cell], done: SimpleQueue[tuple[Cell, Outcome]]) -> None:
        while not self.closed:
            try:
                cell = waiting.popleft()
            except IndexError:
                return
            done.put((cell, self._done(number, cell)))

    def _done(self, number: int, cell: Cell) -> Outcome:
        problem = ""
        for tries in range(1, TRIES + 1):
            try:
                found: Outcome = self._process(number).ask(None, "cell", cell)
            except WorkerError as error:
                problem = str(error)
                self._forget(number)
                if self.closed:
                    break
            else:
                return found | ({"tries": tries} if tries > 1 else {})
        return {"error": f"{problem} It was tried {TRIES} times.", "seconds": 0.0, "tries": TRIES}

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

    def _forget(self, number: int) -> None:
        with self.lock:
            process = self.processes.pop(number, None)
        if process:
            process.close()

    def close(self) -> None:
        """End the workers at once, whatever they do: what is finished has been yielded."""
        with self.lock:
            self.closed = True
            running = list(self.processes.values())
        for process in running:
            process.process.kill()
        for process in running:
            process.close()
