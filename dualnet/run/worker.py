"""A worker process: one framework, any number of sessions, commands from standard input, answers to standard output."""

import contextlib
import os
import signal
import sys
import traceback
from typing import IO, Any

from dualnet import errors
from dualnet.backends import backend
from dualnet.backends.protocol import Parallel
from dualnet.run import wire
from dualnet.run.layers import registered


class Worker:
    """Answers commands by calling the backend or one of its sessions."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sessions: dict[int, Any] = {}

    def answer(self, command: dict[str, Any]) -> Any:
        """Return the answer to one command."""
        arguments, keywords = command["arguments"], command["keywords"]
        if command["session"] is not None:
            return getattr(self.sessions[command["session"]], command["verb"])(*arguments, **keywords)
        if command["verb"] in ("open", "part"):
            number = len(self.sessions)
            made = backend(self.name).session if command["verb"] == "open" else self._parallel().part
            self.sessions[number] = made(*arguments, **keywords)
            return number
        if command["verb"] == "processes":
            return self._parallel().processes(*arguments)
        if command["verb"] == "close":
            self.sessions[arguments[0]] = None
            return None
        return backend(self.name).facts()

    def _parallel(self) -> Parallel:
        """Return the backend as one that several workers train. Raises ``UnsupportedError`` if it is none."""
        own: Any = backend(self.name)
        if not hasattr(own, "part"):
            msg = f"{self.name}: this backend trains in one process only. Leave out --workers."
            raise errors.UnsupportedError(msg)
        parallel: Parallel = own
        return parallel


def serve(worker: Any, commands: IO[bytes], answers: IO[bytes]) -> None:
    """Answer commands until the parent closes the pipe; ``worker.answer(command)`` is what is sent."""
    while True:
        try:
            command = wire.receive(commands)
        except errors.WorkerError:
            return
        try:
            wire.send(answers, {"value": worker.answer(command)})
        except errors.DualnetError as error:
            wire.send(answers, {"error": type(error).__name__, "message": str(error)})
        except Exception as error:  # whatever it is, the parent must hear of it
            wire.send(answers, {"error": "WorkerError", "message": f"{error!r}\n{traceback.format_exc()}"})


def main() -> None:
    """Run a worker for the backend named on the command line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to hear: it ends its workers
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a framework prints must not get among the answers
    registered()
    with contextlib.suppress(Exception):  # it is told when something is asked
        backend(sys.argv[1])  # while the parent gets its first command ready
    serve(Worker(sys.argv[1]), sys.stdin.buffer, answers)
    answers.close()
    os._exit(0)  # nothing is left to write, and a framework takes a third of a second to tidy what vanishes anyway


if __name__ == "__main__":
    main()
