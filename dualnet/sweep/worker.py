"""A sweep's worker process: a cell a line from standard input, what it came to a line to standard output.

What cells need is loaded by the first of them, and stays: the frameworks too.
"""

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dualnet.run.hosts import Host


# Bytes by which a worker may grow after its first cell. TensorFlow keeps some 30 MB of every model that it has seen.
GROWTH = 2e9


class CellWorker:
    """Does cells, one after the other, with what the first one loaded.

    An outcome that says ``leaves`` is a worker's last: it has grown too large, and another is to take its place.
    """

    def __init__(self) -> None:
        self.host: Host | None = None
        self.size = 0.0

    def line(self, text: str) -> str:
        """Return the outcome of a cell, both as a line of JSON."""
        import json

        from dualnet.sweep.calls import outcome

        found = outcome(json.loads(text), self._host)
        self.size = self.size or memory()
        if memory() - self.size > GROWTH:
            found["leaves"] = True
        return json.dumps(found, separators=(",", ":"), allow_nan=False)

    def _host(self) -> "Host":
        """Return where sessions live: in this process, unless a framework has an interpreter of its own."""
        if self.host is None:
            from dualnet.run.hosts import Here, Workers
            from dualnet.run.layers import registered

            registered()
            apart: Any = [os.environ.get(f"DUALNET_{name}_PYTHON") for name in ("TORCH", "KERAS")]
            threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
            self.host = Workers(threads=threads) if any(apart) else Here()
        return self.host


def memory() -> float:
    """Return the most bytes that this process has held, 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)


def main() -> None:
    """Answer until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to hear: it ends its workers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a framework prints must not get among the answers
    worker = CellWorker()
    for text in sys.stdin:
        print(worker.line(text), file=answers, flush=True)


if __name__ == "__main__":
    main()
