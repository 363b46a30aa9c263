"""Live: a live model in one precision; weights, inputs, outputs and random draws cross as NumPy in the source's order.

The source is the model whose names and axes the others are told in. A ``Carry`` says where a weight of the source went,
an order of axes how an input or output lies: axis i of the model holds axis ``order[i]`` of the source.
"""

import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypedDict

import numpy as np

from dualnet.backends import backend
from dualnet.backends.draws import Array, Arrays, Draw
from dualnet.backends.fact import Piece, whole
from dualnet.backends.recipe import Learned, Recipe
from dualnet.backends.watch import Seen
from dualnet.errors import UnsupportedError, WeightsError
from dualnet.specs.carry import Carry
from dualnet.specs.draw import normal

# Where each framework holds channels.
CHANNELS = {"torch": "first", "keras": "last"}

# By place (0, 1, …) or by keyword.
Inputs = Mapping[int | str, Any]


class Run(TypedDict):
    """One pass: outputs in order, gradients of Σ output·``cotangent``, and the draws; ``lost`` were not shared."""

    outputs: list[Array]
    inputs: Arrays
    parameters: Arrays
    draws: list[Draw]
    lost: list[str]


class Live(Protocol):
    """A live model of its own: what is done to it never reaches the user's."""

    dtype: str

    def weights(self) -> Arrays:
        """Return parameters and buffers by the source's names."""

    def load(self, weights: Mapping[str, Array]) -> None:
        """Put arrays in, and forget velocities. Raises ``WeightsError`` for a name that is not there."""

    def restore(self) -> None:
        """Put what has no name of the source back to what it was."""

    def trainable(self) -> list[str]:
        """Return the names of the weights that train."""

    def rest(self) -> list[str]:
        """Return what trains and has no name of the source."""

    def other(self, name: str) -> Array:
        """Return a weight by the model's own name: one of ``rest``, say."""

    def run(
        self,
        inputs: Inputs,
        *,
        training: bool,
        gradients: bool = True,
        tell: bool = True,
        step: int = 0,
        like: Sequence[Draw] = (),
    ) -> Run:
        """Make one pass; in training mode buffers move. ``like`` are the source's draws, by which axes are told.

        ``tell`` False keeps the weights' gradients for ``descend`` and gives none back.
        """

    def descend(self, rate: float, momentum: float) -> None:
        """Update what trains by the gradients of the last pass: v ← momentum·v + g, w ← w - rate·v."""

    def forget(self) -> None:
        """Let go of the gradients of the last pass, and of velocities: each is as large as the model."""

    def watch(self, inputs: Inputs, *, training: bool, like: Sequence[Draw] = ()) -> list[Seen]:
        """Make one pass; return every call of a layer in it, in the order in which they end."""

    def begin(self, recipe: Recipe) -> None:
        """Make the recipe's optimizer, its slots empty."""

    def learn(self, inputs: Inputs, targets: Any, *, step: int, like: Sequence[Draw] = ()) -> Learned:
        """Make one step of the recipe on targets as the user gave them, in training mode."""

    def replay(self, path: str, inputs: list[Array], *, training: bool) -> list[Array]:
        """Return what the layer at a path gives by itself for arrays as it holds them."""


def cotangent(index: int, shape: tuple[int, ...]) -> Array:
    """Return the weights by which output ``index`` enters the objective, float32 numbers."""
    return normal(math.prod(shape), "projection", index).reshape(shape).astype(np.float32)


def flattened(value: Any) -> Iterator[Any]:
    """Yield what a model gives, nested as it may be; dictionaries by key."""
    if isinstance(value, Mapping):
        value = [value[name] for name in sorted(value)]
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from flattened(item)
    elif value is not None:
        yield value


def listed(outputs: Any) -> list[Any]:
    """Return what a model gives back as a list: a dictionary's values, a sequence, or the one thing."""
    if isinstance(outputs, Mapping):
        return list(outputs.values())
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


class Held:
    """A model's variables by the source's names: the half of ``Live`` that is the same in every framework."""

    dtype: str
    variables: Mapping[str, Any]
    held: dict[str, tuple[Any, Carry | None]]
    watched: list[Seen] | None = None
    others: dict[str, tuple[Any, Array]]
    slopes: dict[str, Any]
    velocities: dict[str, Any]

    def hold(self, variables: Mapping[str, Any], carries: Sequence[Carry] | None, find: Any) -> None:
        """Name the variables: by their carries, or by their own names where there are none."""
        self.variables, self.slopes, self.velocities = variables, {}, {}
        if carries is None:
            self.held = {name: (variable, None) for name, variable in variables.items()}
        else:
            self.held = {carry.source: (find(whole(carry.target)), carry) for carry in carries}
        known = {id(variable) for variable, _ in self.held.values()}
        self.others = {n: (v, np.array(self.read(v))) for n, v in variables.items() if id(v) not in known}

    def names(self) -> dict[int, str]:
        """Return each variable's name, by id: the source's where it has one, else its own."""
        own = {id(variable): name for name, variable in self.variables.items()}
        parts = {name for name, (_, carry) in self.held.items() if isinstance(carry, Piece) and carry.at}
        return own | {id(variable): name for name, (variable, _) in self.held.items() if name not in parts}

    def other(self, name: str) -> Array:
        """Return a weight by the model's own name: one of ``rest``, say."""
        return np.array(self.read(self.variables[name]))

    def run(self, inputs: Inputs, *, training: bool, like: Sequence[Draw] = ()) -> Run:
        """Make one pass."""
        raise NotImplementedError

    def watch(self, inputs: Inputs, *, training: bool, like: Sequence[Draw] = ()) -> list[Seen]:
        """Make one pass; return every call of a layer in it, in the order in which they end."""
        self.watched = []
        try:
            self.run(inputs, training=training, like=like)
            return self.watched
        finally:
            self.watched = None

    def restore(self) -> None:
        """Put what has no name of the source back to what it was."""
        for variable, array in self.others.values():
            self.write(variable, array)

    def array(self, tensor: Any) -> Array:
        """Return a tensor as an array, which may share its memory."""
        raise NotImplementedError

    def read(self, variable: Any) -> Array:
        """Return a variable as an array, which may share its memory."""
        raise NotImplementedError

    def write(self, variable: Any, array: Array) -> None:
        """Set a variable."""
        raise NotImplementedError

    def weights(self) -> Arrays:
        """Return parameters and buffers by the source's names."""
        found = {name: self._back(name, self.read(variable)) for name, (variable, _) in self.held.items()}
        return {name: np.array(array) if self.held[name][1] is None else array for name, array in found.items()}

    def told(self, inputs: Arrays, tell: bool) -> tuple[Arrays, Arrays]:
        """Return the gradients of inputs and weights by the source's names."""
        return inputs, {name: self._back(name, self.array(g)) for name, g in self.slopes.items()} if tell else {}

    def _back(self, name: str, array: Array) -> Array:
        carry = self.held[name][1]
        return array if carry is None else np.asarray(carry.back(array))

    def load(self, weights: Mapping[str, Array]) -> None:
        """Put arrays in, and forget velocities. Raises ``WeightsError`` for a name that is not there."""
        self.velocities = {}
        for name, array in weights.items():
            if name not in self.held:
                msg = f"There is no weight {name!r}. Present: {', '.join(self.held) or 'none'}."
                raise WeightsError(msg)
            variable, carry = self.held[name]
            if isinstance(carry, Piece):
                self.write(variable, carry.put(array, self.read(variable)))
            else:
                self.write(variable, array if carry is None else carry.forth(array))

    def descend(self, rate: float, momentum: float) -> None:
        """Update what trains by the gradients of the last pass: v ← momentum·v + g, w ← w - rate·v."""
        one = {id(self.held[name][0]): (name, slope) for name, slope in self.slopes.items()}  # of several parts
        for name, slope in one.values():
            before = self.velocities.get(name)
            self.velocities[name] = slope if before is None else momentum * before + slope
            self.lower(self.held[name][0], rate * self.velocities[name])

    def forget(self) -> None:
        """Let go of the gradients of the last pass, and of velocities: each is as large as the model."""
        self.slopes, self.velocities = {}, {}

    def lower(self, variable: Any, by: Any) -> None:
        """Subtract from a variable."""
        raise NotImplementedError


def framework(model: Any) -> str:
    """Return the framework that a live model belongs to. Raises ``UnsupportedError`` if it is none that is known."""
    homes = {base.__module__.partition(".")[0] for base in type(model).__mro__}
    for name in ("torch", "keras"):
        if name in homes:
            return name
    msg = f"Expected a torch.nn.Module or a keras.Model. Received: {type(model).__name__}. Build one of these first."
    raise UnsupportedError(msg)


def adapter(name: str) -> Any:
    """Return a framework's page of this name: ``live(model, dtype, …)``, ``facts``, ``expects``, ``CHANNELS``."""
    backend(name)  # says what to install where the framework is not there
    return importlib.import_module(f"dualnet.backends.{name}.facts")
