"""Ranks: a session that lives in several worker processes, each training one model on its slice of every batch."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

from dualnet.backends.protocol import Session
from dualnet.run.hosts import Workers
from dualnet.run.process import Process, RemoteSession
from dualnet.specs.spec import Spec

# What changes a session's state is asked of all its processes, the rest of the first: they hold the same.
ALL = ("load", "draw", "hold", "prepare", "steps", "load_slots")

# Seconds in which the other ranks may say what ails them too, once one has failed; then they are ended.
GRACE = 1.0


def opened(host: Workers, name: str, spec: Spec, workers: int, options: Mapping[str, Any]) -> Session:
    """Return a session that several workers train. Raises ``UnsupportedError`` for a backend that knows no such thing.

    Its processes are the host's: closing or killing the host ends them.
    """
    count = host.process(name, 0, workers).ask(None, "processes", workers)
    processes = [host.process(name, number, workers) for number in range(count)]
    meet = (host.folder() / f"{name} {workers}").as_uri()

    def part(number: int) -> int:
        given = {**options, "number": number, "workers": workers, "meet": meet}
        opened: int = processes[number].ask(None, "part", spec, **given)
        return opened

    numbers = together(processes, part)
    made: Any = Ranked([RemoteSession(*each) for each in zip(processes, numbers, strict=True)], processes)
    found: Session = made
    return found


class Ranked:
    """The sessions of all ranks, asked as one."""

    def __init__(self, sessions: Sequence[RemoteSession], processes: Sequence[Process]) -> None:
        self._sessions, self._processes = sessions, processes

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        if verb not in ALL:
            alone: Callable[..., Any] = getattr(self._sessions[0], verb)
            return alone

        def ask(*arguments: Any, **keywords: Any) -> Any:
            def one(number: int) -> Any:
                return getattr(self._sessions[number], verb)(*arguments, **keywords)

            return together(self._processes, one)[0]

        return ask


def together(processes: Sequence[Process], call: Callable[[int], Any]) -> list[Any]:
    """Return ``call(number)`` of each process, all at the same time.

    If one fails, the others may wait for it for ever: they are ended, and the error is that of the one that failed.
    """
    with ThreadPoolExecutor(len(processes)) as pool:
        running = [pool.submit(call, number) for number in range(len(processes))]
        try:
            if any(each.exception() for each in wait(running, return_when=FIRST_EXCEPTION).done):
                wait(running, timeout=GRACE)
        except BaseException:
            _kill(processes)  # or leaving the pool would wait until the work is done
            raise
        failed = [number for number, each in enumerate(running) if each.done() and each.exception()]
        first = min(failed, key=lambda number: processes[number].process.poll() is None, default=0)  # the dead go first
        if 0 < len(failed) < len(running):
            _kill(processes)
    running[first].result()
    return [each.result() for each in running]


def _kill(processes: Sequence[Process]) -> None:
    for process in processes:
        process.process.kill()
