"""The Ray executor: long-lived actors, on this machine or a cluster, so that frameworks load once for each.

Cells and outcomes cross as JSON text; what Ray itself does to bring them over is Ray's.
"""

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from dualnet.errors import UnsupportedError
from dualnet.sweep.calls import Outcome
from dualnet.sweep.local import TRIES
from dualnet.sweep.worker import CellWorker


class OnRay:
    """So many actors, each of one CPU and a cell at a time. ``RAY_ADDRESS`` names a cluster, else Ray starts here."""

    def __init__(self, workers: int, threads: int = 1) -> None:
        try:
            import ray
        except ImportError:
            msg = "--executor ray needs the package 'ray'. Install it: pip install 'dualnet[ray]'"
            raise UnsupportedError(msg) from None
        self.ray: Any = ray
        self.workers, self.threads, self.own = workers, threads, not ray.is_initialized()
        self.actors: list[Any] = []
        if self.own:
            here = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers, "include_dashboard": False}
            ray.init(logging_level="ERROR", log_to_driver=False, **here)
        variables = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "TF_CPP_MIN_LOG_LEVEL": "3"}
        named = {name: value for name, value in os.environ.items() if name.startswith("DUALNET_")}
        self.actor = ray.remote(num_cpus=1, runtime_env={"env_vars": variables | named})(CellWorker)

    def results(self, cells: Iterable[str]) -> Iterator[tuple[str, Outcome]]:
        """Yield each cell, as it is written, and what it came to, as they come.

        A cell whose actor dies is done once more, by another.
        """
        waiting = deque((cell, 1) for cell in cells)
        running: dict[Any, tuple[Any, str, int]] = {}

        def give(actor: Any) -> None:
            if waiting:
                cell, tries = waiting.popleft()
                running[actor.line.remote(cell)] = (actor, cell, tries)

        for _ in range(min(self.workers, len(waiting))):
            give(self._fresh())
        while running:
            (ready, *_), _ = self.ray.wait(list(running))
            actor, cell, tries = running.pop(ready)
            try:
                found = json.loads(self.ray.get(ready))
            except self.ray.exceptions.RayError as error:
                actor = self._fresh()
                if tries < TRIES:
                    waiting.appendleft((cell, tries + 1))
                    give(actor)
                    continue
                found = {"error": f"{type(error).__name__}. It was tried {TRIES} times.", "seconds": 0.0}
            if found.pop("leaves", False):
                self.ray.kill(actor)
                actor = self._fresh()
            give(actor)
            yield cell, found | ({"tries": tries} if tries > 1 else {})

    def _fresh(self) -> Any:
        self.actors.append(self.actor.remote())
        return self.actors[-1]

    def close(self) -> None:
        """End the actors at once, and Ray if it was started here."""
        for actor in self.actors:
            self.ray.kill(actor)
        if self.own:
            self.ray.shutdown()
