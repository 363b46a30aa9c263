"""A sweep's worker process: cells from standard input, what they came to to standard output. Frameworks load once."""

import os
import signal
import sys
from typing import Any

from dualnet.run.hosts import Here, Host, Workers
from dualnet.run.worker import serve
from dualnet.sweep.calls import outcome


class CellWorker:
    """Answers a cell by what it came to."""

    def __init__(self) -> None:
        self.host = host()

    def answer(self, command: dict[str, Any]) -> Any:
        """Return the outcome of the one argument, a cell."""
        return outcome(command["arguments"][0], self.host)


def host() -> Host:
    """Return where sessions live: in this process, unless a framework has an interpreter of its own."""
    apart = any(os.environ.get(f"DUALNET_{name}_PYTHON") for name in ("TORCH", "KERAS"))
    return Workers(threads=int(os.environ.get("OMP_NUM_THREADS", "1"))) if apart else Here()


def main() -> None:
    """Answer until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to hear: it ends its workers
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a framework prints must not get among the answers
    if os.environ.get("DUALNET_LAYERS"):  # reading files of the user's takes pages that nothing else here needs
        from dualnet.run.layers import registered

        registered()
    serve(CellWorker(), sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
