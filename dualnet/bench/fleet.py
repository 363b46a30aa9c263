"""The fleet: worker processes of the bench, several of each side, started, asked and ended together."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from dualnet.bench.job import Job
from dualnet.run.launch import Order, python_of
from dualnet.run.process import Process

Made = TypeVar("Made")


@dataclass
class Member:
    """One worker process of a side, and what it said when it began."""

    side: str
    backend: str
    process: Process
    began: Mapping[str, Any]

    def ask(self, verb: str, *arguments: Any, **keywords: Any) -> Any:
        """Return the worker's answer to a verb of ``dualnet.bench.worker``."""
        return self.process.ask(None, verb, *arguments, **keywords)


class Fleet:
    """Starts workers, and ends all of them on leaving, whatever happens: none outlives the run.

    ``pythons`` names an interpreter by backend, as in ``dualnet.run.hosts.Workers``.
    """

    def __init__(self, pythons: Mapping[str, str] | None = None, threads: int = 1) -> None:
        self.pythons, self.threads = dict(pythons or {}), threads
        self.members: list[Member] = []
        self.facts: dict[str, Any] = {}  # of each framework
        # as many at once as there are cores for them: what starts beside others is not timed
        self.together = max(1, (os.cpu_count() or 1) // threads)

    def start(self, side: str, backend: str, job: Job) -> Member:
        """Start a worker, wait until it has imported its framework, and give it its job."""
        spawned = time.monotonic()  # one clock for all processes of a machine
        words = backend, repr(spawned)
        process = Process(Order(python_of(backend, self.pythons), words, "dualnet.bench.worker", self.threads))
        member = Member(side, backend, process, {})
        self.members.append(member)
        member.began = member.ask("begin", self.threads)
        self.facts[backend] = dict(member.began["facts"])
        member.ask("take", job.to_data())
        return member

    def each(self, call: Callable[[Any], Made], things: Sequence[Any]) -> list[Made]:
        """Return ``call`` of each thing, as many at the same time as the cores allow."""
        with ThreadPoolExecutor(self.together) as pool:
            try:
                return [future.result() for future in [pool.submit(call, thing) for thing in things]]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.kill()  # or leaving the pool would wait until the work is done
                raise

    def end(self, member: Member) -> None:
        """End one worker."""
        member.process.close()
        self.members.remove(member)

    def kill(self) -> None:
        """End all workers at once, whatever they do."""
        for member in self.members:
            member.process.process.kill()

    def close(self) -> None:
        """End all workers."""
        for member in self.members:
            member.process.close()
        self.members.clear()

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        if kind is not None:
            self.kill()
        self.close()
