"""Launch: worker processes are started, some ahead of being asked for. A command begins with it: it loads nothing."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO

WORKER = "dualnet.run.worker"

# glibc gives what large tensors held back to the system when they are freed, and every step asks for it anew, page by
# page. Kept, a step of a small CNN in torch takes 41 ms for 63 on one core; TensorFlow, which keeps its own, 40 for 35.
KEPT = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
KEEPS = {"torch": KEPT}


@dataclass(frozen=True)
class Order:
    """What to start: an interpreter, a module and its words, the threads it may use, and how many workers there are."""

    python: str
    words: tuple[str, ...]
    module: str = WORKER
    threads: int = 1
    workers: int = 1

    def start(self) -> "Started":
        """Start it. Raises ``OSError`` if the interpreter cannot be started."""
        settings = {"OMP_NUM_THREADS": str(self.threads), "OMP_WAIT_POLICY": "PASSIVE", "TF_CPP_MIN_LOG_LEVEL": "3"}
        settings |= {"DUALNET_WORKERS": str(self.workers)}
        log = tempfile.TemporaryFile()  # noqa: SIM115 - what it prints, until the process is closed
        try:
            process = subprocess.Popen(
                [self.python, "-m", self.module, *self.words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=None if os.environ.get("DUALNET_VERBOSE") else log,
                env=KEEPS.get(self.words[0], {}) | os.environ | settings,
            )
        except OSError:
            log.close()
            raise
        return Started(process, log)


@dataclass(frozen=True)
class Started:
    """A process, and what it prints: a log, or nothing where ``DUALNET_VERBOSE`` lets it through to the terminal."""

    process: "subprocess.Popen[bytes]"
    log: IO[bytes]

    def end(self) -> None:
        """End a process that nobody asked for anything."""
        self.process.kill()
        self.process.communicate()
        self.log.close()


_AHEAD: dict[Order, Started] = {}


def python_of(name: str, given: Mapping[str, str]) -> str:
    """Return a backend's interpreter: the one given, else ``DUALNET_TORCH_PYTHON`` and the like, else this one."""
    return given.get(name) or os.environ.get(f"DUALNET_{name.upper()}_PYTHON") or sys.executable


@contextlib.contextmanager
def ahead(orders: Iterable[Order]) -> Iterator[None]:
    """Start what will be asked for: its framework loads while this process loads its own pages.

    What nobody has asked for on leaving is ended. An interpreter that cannot be started is told when it is asked for.
    """
    for order in orders:
        with contextlib.suppress(OSError):
            _AHEAD[order] = order.start()
    try:
        yield
    finally:
        while _AHEAD:
            _, started = _AHEAD.popitem()
            started.end()


def launch(order: Order) -> Started:
    """Return the process that was started ahead by the same order, or a new one. Raises ``OSError``."""
    return _AHEAD.pop(order, None) or order.start()
