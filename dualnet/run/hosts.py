"""Hosts: where sessions live. Here, in this process, or in a worker process for each framework."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
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

    def process(self, name: str, number: int = 0, workers: int = 1) -> "Process":
        """Return the worker of a backend; of several that train one model, the one of a number."""
        label = name if workers == 1 else f"{name}, worker {number + 1} of {workers}"
        with self.lock:
            if label not in self.processes:
                python = self.pythons.get(name) or os.environ.get(f"DUALNET_{name.upper()}_PYTHON") or sys.executable
                self.processes[label] = Process(name, python, self.threads, label, workers)
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


class Process:
    """One worker process and the pipe to it. ``workers`` is how many train one model; ``label`` tells them apart.

    ``module`` is what it runs, with the backend's name and ``more`` words.
    """

    def __init__(
        self,
        name: str,
        python: str,
        threads: int,
        label: str = "",
        workers: int = 1,
        module: str = "dualnet.run.worker",
        more: Iterable[str] = (),
    ) -> None:
        self.backend, self.name, self.lock = name, label or name, Lock()
        self.dropped: deque[int] = deque()
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - what it prints, until close()
        settings = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "TF_CPP_MIN_LOG_LEVEL": "3"}
        settings |= {"DUALNET_WORKERS": str(workers)}
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
            raise errors.WorkerError(self.gone(command["verb"])) from None

    def gone(self, verb: str) -> str:
        """Return in words that the worker went away when it was asked something; it is ended if it has not quite."""
        code = self._end(timeout=2)
        said = f" Its last words: {self._last_words()}" if code > 0 else ""
        return f"{self.name}: its worker went away (exit code {code}) while asked to {verb}.{said}"

    def release(self) -> None:
        """Let the process end by itself."""
        with contextlib.suppress(BrokenPipeError):  # it has gone already
            self.commands.close()

    def close(self) -> None:
        """End the process."""
        self.release()
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
