"""Hosts: where sessions live. Here, in this process, or in a worker process for each framework."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import IO, Any, Protocol, TypeVar

from dualnet import errors
from dualnet.backends import backend
from dualnet.backends.protocol import Session
from dualnet.run import wire
from dualnet.specs.spec import Spec

Made = TypeVar("Made")


class Host(Protocol):
    """Opens sessions, and runs a call on each side."""

    def open(self, name: str, spec: Spec, **options: Any) -> Session:
        """Return a session of a backend; options are those of ``Backend.session``."""

    def facts(self, name: str) -> dict[str, Any]:
        """Return a backend's versions, devices and threads."""

    def each(self, names: Iterable[str], call: Callable[[str], Made]) -> dict[str, Made]:
        """Return ``call(name)`` of each name; all at the same time where the work is in other processes."""

    def close(self) -> None:
        """Give back what the host holds."""


class Here:
    """Sessions in this process, one after the other."""

    def open(self, name: str, spec: Spec, **options: Any) -> Session:
        """Return a session of a backend."""
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

    def process(self, name: str) -> "Process":
        """Return the worker of a backend."""
        with self.lock:
            if name not in self.processes:
                python = self.pythons.get(name) or os.environ.get(f"DUALNET_{name.upper()}_PYTHON") or sys.executable
                self.processes[name] = Process(name, python, self.threads)
            return self.processes[name]

    def open(self, name: str, spec: Spec, **options: Any) -> Session:
        """Return a session of a backend, living in its worker."""
        process = self.process(name)
        remote: Any = RemoteSession(process, process.ask(None, "open", spec, **options))
        found: Session = remote
        return found

    def facts(self, name: str) -> dict[str, Any]:
        """Return a backend's versions, devices and threads."""
        found: dict[str, Any] = self.process(name).ask(None, "facts")
        return found

    def each(self, names: Iterable[str], call: Callable[[str], Made]) -> dict[str, Made]:
        """Return ``call(name)`` of each name, all at the same time: the work is in the workers."""
        with ThreadPoolExecutor() as pool:
            try:
                running = {name: pool.submit(call, name) for name in names}
                return {name: future.result() for name, future in running.items()}
            except KeyboardInterrupt:
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
            process.close()
        self.processes.clear()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Process:
    """One worker process and the pipe to it. ``module`` is what it runs, with the backend's name and ``more`` words."""

    def __init__(
        self, name: str, python: str, threads: int, module: str = "dualnet.run.worker", more: Iterable[str] = ()
    ) -> None:
        self.name, self.lock = name, Lock()
        self.dropped: deque[int] = deque()
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - what it prints, until close()
        settings = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [python, "-m", module, name, *more]
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr(), env=os.environ | settings
            )
        except OSError as error:
            self.log.close()
            msg = f"{name}: its Python {python!r} cannot be started: {error.strerror}."
            raise errors.WorkerError(msg) from None
        assert self.process.stdin and self.process.stdout  # both are pipes
        self.commands, self.answers = self.process.stdin, self.process.stdout

    def ask(self, session: int | None, verb: str, *arguments: Any, **keywords: Any) -> Any:
        """Return the worker's answer. Raises the error that the worker raised, or ``WorkerError`` if it went away."""
        with self.lock:
            while self.dropped:
                self._answer({"session": None, "verb": "close", "arguments": [self.dropped.popleft()], "keywords": {}})
            answer = self._answer({"session": session, "verb": verb, "arguments": arguments, "keywords": keywords})
        if "error" in answer:
            raise getattr(errors, answer["error"])(answer["message"])
        return answer["value"]

    def _answer(self, command: dict[str, Any]) -> Any:
        try:
            wire.send(self.commands, command)
            return wire.receive(self.answers)
        except (OSError, errors.WorkerError):
            code = self._end(timeout=2)
            said = f" Its last words: {self._last_words()}" if code > 0 else ""
            msg = f"{self.name}: its worker went away (exit code {code}) while asked to {command['verb']}.{said}"
            raise errors.WorkerError(msg) from None

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):  # it has gone already
            self.commands.close()
        self._end(timeout=10)
        self.answers.close()
        self.log.close()

    def _end(self, timeout: float) -> int:
        """Return the exit code, after a kill if it does not come in time."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def _stderr(self) -> IO[bytes] | None:
        """Return where standard error goes: to the log, or where this process's goes if ``DUALNET_VERBOSE`` is set."""
        return None if os.environ.get("DUALNET_VERBOSE") else self.log

    def _last_words(self) -> str:
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "none"


class RemoteSession:
    """A session in a worker: each verb of the protocol is asked over the pipe."""

    def __init__(self, process: Process, number: int) -> None:
        self._process, self._number = process, number

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        return lambda *arguments, **keywords: self._process.ask(self._number, verb, *arguments, **keywords)

    def __del__(self) -> None:
        # Only noted: the worker frees the session before its next command, whoever's thread this runs in.
        self._process.dropped.append(self._number)
