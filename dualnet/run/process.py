"""Processes: one worker each, and the sessions that live in it, asked over a pipe."""

import contextlib
import subprocess
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any

from dualnet import errors
from dualnet.run import wire
from dualnet.run.launch import Order, launch


class Process:
    """One worker and the pipe to it. The first word of its order is its backend; ``label`` tells several apart."""

    def __init__(self, order: Order, label: str = "") -> None:
        self.backend, self.lock = order.words[0], Lock()
        self.name = label or self.backend
        self.dropped: deque[int] = deque()
        try:
            started = launch(order)
        except OSError as error:
            msg = f"{self.name}: its Python {order.python!r} cannot be started: {error.strerror}."
            raise errors.WorkerError(msg) from None
        self.process, self.log = started.process, started.log
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
