"""A sweep's worker process: a cell a line from standard input, what it came to a line to standard output.

What cells need is loaded by the first of them, and stays: the frameworks too.
"""

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dualnet.run.hosts import Host


class CellWorker:
    """Does cells, one after the other, with what the first one loaded."""

    def __init__(self) -> None:
        self.host: Host | None = None

    def line(self, text: str) -> str:
        """Return the outcome of a cell, both as a line of JSON."""
        import json

        from dualnet.sweep.calls import outcome

        return json.dumps(outcome(json.loads(text), self._host), separators=(",", ":"), allow_nan=False)

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
