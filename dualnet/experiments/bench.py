"""Bench: what every experiment runs on: a host, the two backends, a seed, a precision, and someone to tell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from dualnet.backends.protocol import Session
from dualnet.run.hosts import Here, Host
from dualnet.run.plan import Progress, Settings, silent
from dualnet.specs.spec import Spec

Made = TypeVar("Made")


def quiet(text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Bench:
    """Where and how an experiment runs. By default in this process, on both backends, without a word."""

    backends: tuple[str, ...] = ("torch", "keras")
    host: Host = field(default_factory=Here)
    seed: int = 0
    dtype: str = "float32"
    device: str = "cpu"
    progress: Progress = silent
    say: Callable[[str], None] = quiet

    def open(self, name: str, spec: Spec, **options: Any) -> Session:
        """Return a session of a backend in this bench's precision, device and seed, unless told otherwise."""
        usual: dict[str, Any] = {"dtype": self.dtype, "device": self.device, "seed": self.seed}
        return self.host.open(name, spec, **(usual | options))

    def each(self, call: Callable[[str], Made]) -> dict[str, Made]:
        """Return ``call(name)`` of each backend; all at the same time where the work is in other processes."""
        return self.host.each(self.backends, call)

    def settings(self, **changes: Any) -> Settings:
        """Return the settings of a training on this bench."""
        return replace(Settings(self.seed, self.dtype, self.device), **changes)

    def dashed(self, name: str) -> bool:
        """Return whether a backend is drawn dashed: every one but the first."""
        return name != self.backends[0]

    def facts(self) -> Mapping[str, Any]:
        """Return versions, devices and threads of each backend."""
        return {name: self.host.facts(name) for name in self.backends}


HERE = Bench()
