"""Hosts: where sessions live. Here, in this process, or in a worker process for each framework."""

import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, TypeVar

from dualnet import errors
from dualnet.backends import backend
from dualnet.backends.protocol import Session
from dualnet.run.launch import Order, python_of
from dualnet.run.process import Process, RemoteSession
from dualnet.specs.spec import Spec

Made = TypeVar("Made")


class Host(Protocol):
    """Opens sessions, and runs a call on each side."""

    def open(self, name: str, spec: Spec, *, workers: int = 1, **options: Any) -> Session:
        """Return a session of a backend; options are those of ``Backend.session``, ``workers`` train one model."""

    def facts(self, name: str) -> dict[str, Any]:
        """Return a backend's versions, devices and threads."""

    def each(self, names: Iterable[str], call: Callable[[str], Made]) -> dict[str, Made]:
        """Return ``call(name)`` of each name; all at the same time where the work is in other processes."""

    def close(self) -> None:
        """Give back what the host holds."""


class Here:
    """Sessions in this process, one after the other."""

    def open(self, name: str, spec: Spec, *, workers: int = 1, **options: Any) -> Session:
        """Return a session of a backend. Raises ``SpecError`` for several workers, which are other processes."""
        if workers > 1:
            msg = f"{workers} workers are processes of their own, and this host is one. Give host=Workers()."
            raise errors.SpecError(msg)
        return backend(name).session(spec, **options)

    def facts(self, name: str) -> dict[str, Any]:
        """Return a backend's versions, devices and threads."""
        return backend(name).facts()

    def each(self, names: Iterable[str], call: Callable[[str], Made]) -> dict[str, Made]:
        """Return ``call(name)`` of each name, one after the other."""
        return {name: call(name) for name in names}

    def close(self) -> None:
        """Hold nothing."""


class Workers:
    """A process for each backend, started on first use.

    ``pythons`` names an interpreter by backend (or ``DUALNET_TORCH_PYTHON`` and the like), for environments that
    cannot hold both frameworks. ``threads`` is the number of threads that each may use.
    """

    def __init__(self, pythons: Mapping[str, str] | None = None, threads: int = 1) -> None:
        self.pythons, self.threads = dict(pythons or {}), threads
        self.processes: dict[str, Process] = {}
        self.lock = Lock()
        self.kept: tempfile.TemporaryDirectory[str] | None = None

    def folder(self) -> Path:
        """Return a folder of the host's own, in which workers meet; it is gone when the host is closed."""
        self.kept = self.kept or tempfile.TemporaryDirectory(prefix="dualnet-")
        return Path(self.kept.name)

    def process(self, name: str, number: int = 0, workers: int = 1) -> Process:
        """Return the worker of a backend; of several that train one model, the one of a number."""
        label = name if workers == 1 else f"{name}, worker {number + 1} of {workers}"
        with self.lock:
            if label not in self.processes:
                python = python_of(name, self.pythons)
                self.processes[label] = Process(Order(python, (name,), threads=self.threads, workers=workers), label)
            return self.processes[label]

    def open(self, name: str, spec: Spec, *, workers: int = 1, **options: Any) -> Session:
        """Return a session of a backend, living in its worker, or in several that train one model."""
        if workers > 1:
            from dualnet.run.ranks import opened

            return opened(self, name, spec, workers, options)
        process = self.process(name)
        remote: Any = RemoteSession(process, process.ask(None, "open", spec, **options))
        found: Session = remote
        return found

    def facts(self, name: str) -> dict[str, Any]:
        """Return a backend's versions, devices and threads."""
        running = next((each for each in list(self.processes.values()) if each.backend == name), None)
        found: dict[str, Any] = (running or self.process(name)).ask(None, "facts")
        return found

    def each(self, names: Iterable[str], call: Callable[[str], Made]) -> dict[str, Made]:
        """Return ``call(name)`` of each name, all at the same time: the work is in the workers.

        If a worker fails, the others are ended too.
        """
        with ThreadPoolExecutor() as pool:
            try:
                running = {name: pool.submit(call, name) for name in names}
                for future in wait(running.values(), return_when=FIRST_EXCEPTION).done:
                    future.result()
                return {name: future.result() for name, future in running.items()}
            except (KeyboardInterrupt, errors.WorkerError):
                self.kill()  # or leaving the pool would wait until the work is done
                raise

    def kill(self) -> None:
        """End the workers at once, whatever they do."""
        with self.lock:
            for process in self.processes.values():
                process.process.kill()

    def close(self) -> None:
        """End the workers."""
        for process in self.processes.values():
            process.release()  # all of them before the first is waited for: ranks leave together
        for process in self.processes.values():
            process.close()
        self.processes.clear()
        if self.kept:
            self.kept.cleanup()
            self.kept = None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
