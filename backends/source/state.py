"""State: what one writing of a program remembers, and what a framework must say for it."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from dualnet.backends.source.form import Axes, Storage, axes_of
from dualnet.backends.source.written import Home, Written
from dualnet.specs.program import Program


class Target(Protocol):
    """What a framework says about source: its words for moving axes, making weights, and every op."""

    name: str
    rules: Any
    reserved: frozenset[str]
    flattened: Any
    containers: frozenset[str]

    def images(self, rank: int) -> tuple[int, ...]:
        """Return the order in which an image of the program lies in this framework."""

    def reshape(self, frame: Any, storage: Storage, axes: Axes) -> Any:
        """Return the code that gives a storage another shape, atoms in the same order."""

    def transpose(self, frame: Any, storage: Storage, order: tuple[int, ...]) -> Any:
        """Return the code that permutes a storage's physical axes."""

    def shuffle(self, frame: Any, storage: Storage, axis: int, places: list[int]) -> Any:
        """Return the code that takes the places of one physical axis in another order."""

    def weight(self, frame: Any, name: str, storage: Storage, axes: Axes) -> Any:
        """Return the code that makes a bare weight, a parameter or a constant."""

    def size(self, storage: Storage, axis: int, frame: Any) -> Any:
        """Return the code for the size of a physical axis at run time."""

    def literal(self, value: Any, dtype: str) -> Any:
        """Return the code of a constant scalar."""


@dataclass
class Move:
    """A permutation that is left in the source: where, between which orders, and why."""

    path: str
    op: str
    order: tuple[int, ...]
    place: str

    def __str__(self) -> str:
        where = f" ({self.place})" if self.place else ""
        return f"{self.path or 'the model'}: {self.op} needs axes {self.order} of what it reads{where}"


@dataclass(frozen=True)
class Gap:
    """An op that cannot be written: its name, its module, the line of the original, why, and what stands for it."""

    op: str
    path: str
    place: str
    help: str = ""
    hole: str = ""

    def __str__(self) -> str:
        where = f" in {self.path!r}" if self.path else ""
        line = f" at {self.place}" if self.place else ""
        return f"{self.op}{where}{line}{': ' + self.help if self.help else ''}"


@dataclass
class Writer:
    """The state of one writing."""

    program: Program
    target: Target
    held: dict[str, Storage] = field(default_factory=dict)
    atoms: dict[str, Axes] = field(default_factory=dict)
    homes: dict[str, Home] = field(default_factory=dict)
    written: dict[str, Written] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    draws: list[tuple[int, ...] | None] = field(default_factory=list)
    parts: set[str] = field(default_factory=set)
    gaps: list[Gap] = field(default_factory=list)
    one_mode: bool = False  # whether some layer with weights is called in training only

    def storage(self, name: str) -> tuple[Storage, Axes]:
        """Return the storage of a weight and its logical axes."""
        if name not in self.held:
            tensor = self.program.weights[name].tensor
            self.held[name] = Storage(None, None, tensor.dtype, held=name)
            self.atoms[name] = axes_of(tensor.shape)
        return self.held[name], self.atoms[name]
