"""Program: a model written out op by op, as it is read from live code, with the nesting of the original.

Where a ``Spec`` says what a network is made of, a program says what happens: every tensor op between the layers, whole
shapes (the batch axis included, wherever it stands), data types, several inputs and outputs. Ops and their arguments
bear ATen's names; weights keep their owner's path and PyTorch's layout. It is data: reading one never runs code.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

Size = "int | Sym"


@dataclass(frozen=True)
class Sym:
    """A size known only at run time: ``factor`` times the product of ``symbols``, such as 4·N."""

    symbols: tuple[str, ...]
    factor: int = 1

    def __str__(self) -> str:
        return "*".join([*([str(self.factor)] if self.factor != 1 else []), *self.symbols])


def product(sizes: "tuple[int | Sym, ...] | list[int | Sym]") -> "int | Sym":
    """Return the product of sizes, symbolic ones among them."""
    symbols = sorted(name for size in sizes if isinstance(size, Sym) for name in size.symbols)
    factor = math.prod(size.factor if isinstance(size, Sym) else size for size in sizes)
    return Sym(tuple(symbols), factor) if symbols else factor


def quotient(size: "int | Sym", by: "int | Sym") -> "int | Sym | None":
    """Return ``size / by`` where that is a size, else None."""
    left, right = (s if isinstance(s, Sym) else Sym((), s) for s in (size, by))
    rest = list(left.symbols)
    for name in right.symbols:
        if name not in rest:
            return None
        rest.remove(name)
    if right.factor == 0 or left.factor % right.factor:
        return None
    factor = left.factor // right.factor
    return Sym(tuple(rest), factor) if rest else factor


@dataclass(frozen=True)
class Tensor:
    """What a wire carries: a shape, the batch axis included, and NumPy's name of a data type."""

    shape: "tuple[int | Sym, ...]"
    dtype: str = "float32"


@dataclass(frozen=True)
class Ref:
    """An argument that is another op's result, or an input."""

    name: str


@dataclass(frozen=True)
class Held:
    """An argument that is a weight, by its name."""

    name: str


@dataclass(frozen=True)
class ByMode:
    """An argument that is one value in training and another in evaluation."""

    training: Any
    inference: Any


@dataclass(frozen=True)
class Weight:
    """A parameter, buffer or captured constant; ``also`` are the other names that are tied to it."""

    name: str
    tensor: Tensor
    kind: str = "parameter"  # or "buffer", "constant"
    trainable: bool = True
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Op:
    """One op: ATen's name, its arguments by ATen's names (``self`` is called ``input``), the wires it makes.

    ``place`` is the line of the source that it was read from. ``mode`` is "training" or "inference" for what happens
    in one mode only. Four ops are not ATen's: ``by_mode(training, inference)`` is one wire or another; ``copy(input,
    src)`` is a source in the shape of an input; ``assign(input, src)`` writes to a buffer; ``batch_norm`` may have
    ``running_variance="biased"`` (Keras's rule).
    """

    op: str
    arguments: dict[str, Any]
    results: tuple[str, ...]
    place: str = ""
    mode: str = ""

    def refs(self) -> Iterator[str]:
        """Yield the wires that it reads."""
        return (value.name for value in leaves(self.arguments) if isinstance(value, Ref))

    def held(self) -> Iterator[str]:
        """Yield the weights that it reads."""
        return (value.name for value in leaves(self.arguments) if isinstance(value, Held))


@dataclass
class Scope:
    """One call of a module: its path, class, and what happens in it. ``call`` counts calls of one module.

    ``ports`` are wires made outside and read inside; ``outputs`` wires made inside and read outside.
    ``training`` is the body in training mode, where that is not the same ops with other arguments.
    """

    path: str
    kind: str
    body: "list[Op | Scope]" = field(default_factory=list)
    ports: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    call: int = 0
    training: "Scope | None" = None

    def ops(self) -> Iterator[Op]:
        """Yield every op, in order, through all nesting."""
        for item in self.body:
            if isinstance(item, Op):
                yield item
            else:
                yield from item.ops()

    def scopes(self) -> "Iterator[Scope]":
        """Yield this scope and every one in it."""
        yield self
        for item in self.body:
            if isinstance(item, Scope):
                yield from item.scopes()


@dataclass(repr=False)
class Program:
    """A model: inputs by name, the outermost scope, the type of every wire, and its weights with their arrays.

    ``keys`` are the names of the outputs where the model returns a dictionary. ``notes`` say what was left out.
    ``sizes`` are those of the example by symbol. ``training_outputs`` are what it gives in training, where that is
    something else; ``clash`` says why this is evaluation mode alone, if it is.
    ``origin`` is the framework that it was read from: "torch" or "keras".
    """

    name: str
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    root: Scope
    wires: dict[str, Tensor]
    weights: dict[str, Weight]
    arrays: dict[str, NDArray[Any]]
    keys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    origin: str = "torch"
    sizes: dict[str, int] = field(default_factory=dict)
    training_outputs: tuple[str, ...] = ()
    about: str = ""
    clash: str = ""

    def __repr__(self) -> str:
        count = sum(1 for _ in self.root.ops())
        return f"<Program {self.name}: {count} ops, {len(self.weights)} weights, {self.parameters():,} trained numbers>"

    @cached_property
    def readers(self) -> dict[str, list[Op]]:
        """The ops that read each wire."""
        found: dict[str, list[Op]] = {}
        for op in self.root.ops():
            for name in dict.fromkeys(op.refs()):
                found.setdefault(name, []).append(op)
        return found

    @cached_property
    def makers(self) -> dict[str, Op]:
        """The op that makes each wire."""
        return {name: op for op in self.root.ops() for name in op.results}

    @property
    def dtype(self) -> str:
        """The precision of its weights, else of its inputs."""
        found = [weight.tensor.dtype for weight in self.weights.values()] + [t.dtype for t in self.inputs.values()]
        return next((name for name in found if name.startswith("float")), "float32")

    def parameters(self) -> int:
        """Return the number of trainable values."""
        return sum(math.prod(map(int, self.arrays[n].shape)) for n, w in self.weights.items() if w.trainable)


def leaves(value: Any) -> Iterator[Any]:
    """Yield the values in nested arguments."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, ByMode):
        yield from leaves((value.training, value.inference))
    else:
        yield value


def replaced(value: Any, change: Any) -> Any:
    """Return nested arguments with every leaf passed through ``change``."""
    if isinstance(value, dict):
        return {name: replaced(item, change) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return tuple(replaced(item, change) for item in value)
    if isinstance(value, ByMode):
        return ByMode(replaced(value.training, change), replaced(value.inference, change))
    return change(value)


def renamed(program: Program, names: dict[str, str]) -> None:
    """Give inputs other names, wherever they are read."""

    def name(value: Any) -> Any:
        return Ref(names.get(value.name, value.name)) if isinstance(value, Ref) else value

    for scope in program.root.scopes():
        scope.ports = tuple(names.get(port, port) for port in scope.ports)
        scope.body = [
            replace(item, arguments=replaced(item.arguments, name)) if isinstance(item, Op) else item
            for item in scope.body
        ]
    program.inputs = {names.get(key, key): tensor for key, tensor in program.inputs.items()}
    program.wires = {names.get(key, key): tensor for key, tensor in program.wires.items()}
    program.outputs = tuple(names.get(key, key) for key in program.outputs)


def usual(program: Program) -> Program:
    """Return a float64 program with its floats called float32: what a writer calls the model's own precision."""
    if program.dtype != "float64":
        return program

    def named(tensor: Tensor) -> Tensor:
        return replace(tensor, dtype="float32") if tensor.dtype == "float64" else tensor

    def scope(old: Scope) -> Scope:
        return replace(old, body=[scope(each) if isinstance(each, Scope) else op(each) for each in old.body])

    def op(old: Op) -> Op:
        plain = old.arguments.get("dtype") == "float64"
        return replace(old, arguments={**old.arguments, "dtype": "float32"}) if plain else old

    return replace(
        program,
        inputs={name: named(tensor) for name, tensor in program.inputs.items()},
        wires={name: named(tensor) for name, tensor in program.wires.items()},
        weights={name: replace(weight, tensor=named(weight.tensor)) for name, weight in program.weights.items()},
        root=scope(program.root),
    )


def wire(scope: Scope, wanted: tuple[str, ...]) -> None:
    """Fill in the ports and outputs of every scope inside; ``wanted`` are the wires read after the outermost."""
    made: dict[int, dict[str, None]] = {}

    def makes(inner: Scope) -> dict[str, None]:
        found: dict[str, None] = {}
        for item in inner.body:
            found |= dict.fromkeys(item.results) if isinstance(item, Op) else makes(item)
        made[id(inner)] = found
        return found

    def reads(item: "Op | Scope") -> list[str]:
        names = item.refs() if isinstance(item, Op) else (n for inner in item.body for n in reads_of[id(inner)])
        return list(dict.fromkeys(names))

    reads_of: dict[int, list[str]] = {}

    def collect(inner: Scope) -> None:
        for item in inner.body:
            if isinstance(item, Scope):
                collect(item)
                reads_of[id(item)] = [n for n in reads(item) if n not in made[id(item)]]
            else:
                reads_of[id(item)] = reads(item)

    def settle(inner: Scope, after: set[str]) -> None:
        inner.ports = tuple(dict.fromkeys(n for i in inner.body for n in reads_of[id(i)] if n not in made[id(inner)]))
        order = [n for i in inner.body for n in (i.results if isinstance(i, Op) else made[id(i)])]
        inner.outputs = tuple(n for n in dict.fromkeys(order) if n in after)
        needed = set(after)
        for item in reversed(inner.body):
            if isinstance(item, Scope):
                settle(item, needed & made[id(item)].keys())
            needed |= set(reads_of[id(item)])

    makes(scope)
    collect(scope)
    reads_of[id(scope)] = []
    settle(scope, set(wanted))
    scope.outputs = tuple(dict.fromkeys(wanted))
