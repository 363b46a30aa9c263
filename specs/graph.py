"""The graph of a spec: every layer with its path, its wires and its shapes, checked and in order.

``resolve`` turns the short form that people write (wires left out, sizes inferred, names chosen) into the explicit one
that everything else reads.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from dualnet.errors import SpecError, did_you_mean
from dualnet.specs.layers import Block, Layer, Shared
from dualnet.specs.node import shown
from dualnet.specs.shapes import Shape, output_shape


@dataclass(frozen=True)
class Step:
    """One use of a layer: where it stands, what it reads, and the shapes (without N) that pass."""

    path: str
    name: str
    layer: Layer
    inputs: tuple[str, ...]
    in_shapes: tuple[Shape, ...]
    out_shapes: tuple[Shape, ...]
    owner: str
    body: "Scope | None" = None

    @property
    def made(self) -> tuple[str, ...]:
        """The wires that it gives, as its block calls them."""
        if self.body is None or len(self.body.outputs) == 1:
            return (self.name,)
        return tuple(f"{self.name}.{name}" for name in self.body.outputs)

    @property
    def shared(self) -> bool:
        """Whether the parameters belong to a layer elsewhere."""
        return self.owner != self.path


@dataclass(frozen=True)
class Scope:
    """The steps of one block, in order; ``inputs`` and ``outputs`` are wires of this block."""

    path: str
    ports: tuple[str, ...]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]

    def leaves(self) -> Iterator[Step]:
        """Yield the steps that are no blocks, in order, through all nesting."""
        for step in self.steps:
            if step.body is None:
                yield step
            else:
                yield from step.body.leaves()


DEEPEST, MOST = 32, 10_000  # blocks in blocks, and layers in all: a small file of shared blocks can mean billions


def resolve(model: Block, inputs: dict[str, Shape]) -> Scope:
    """Return the explicit graph of a model. Raises ``SpecError`` naming the layer for whatever cannot be."""
    root = replace(model, ports=tuple(inputs))
    return _Resolver().scope(root, "", "", tuple(inputs.values()))


def join(path: str, name: str) -> str:
    """Return the path of ``name`` inside ``path``."""
    return f"{path}.{name}" if path else name


class _Resolver:
    """Walks blocks; remembers every step by path, so that shared layers find their owner."""

    def __init__(self) -> None:
        self.steps: dict[str, Step] = {}

    def scope(self, block: Block, path: str, owner: str, in_shapes: tuple[Shape, ...]) -> Scope:
        if path.count(".") >= DEEPEST or len(self.steps) + len(block.layers) > MOST:
            msg = f"{_where(path)}: a model has at most {MOST} layers, and blocks at most {DEEPEST} deep. Use fewer."
            raise SpecError(msg)
        layers = named(block, path)
        if len(block.ports) != len(in_shapes):
            ports = f"{len(block.ports)} {'port' if len(block.ports) == 1 else 'ports'} ({', '.join(block.ports)})"
            msg = f"{_where(path)}: it has {ports} and reads {len(in_shapes)}. Give it a wire for each port."
            raise SpecError(msg)
        wires: dict[str, Shape] = dict(zip(block.ports, in_shapes, strict=True))
        last, steps = block.ports, []
        for index, layer in enumerate(layers):
            read = layer.inputs or last
            self._check_wires(layer, read, wires, layers[index:], path)
            step = self._step(layer, path, owner, read, tuple(wires[name] for name in read))
            steps.append(step)
            wires.update(zip(step.made, step.out_shapes, strict=True))
            last = step.made
        outputs = block.outputs or last
        for name in outputs:
            if name not in wires:
                msg = f"{_where(path)}: the output {shown(name)} is no layer in it.{_hint(name, wires)}"
                raise SpecError(msg)
            if outputs.count(name) > 1:
                msg = f"{_where(path)}: the output {shown(name)} is given twice. Give each output once."
                raise SpecError(msg)
        return Scope(path, block.ports, tuple(steps), outputs)

    def _step(self, layer: Layer, path: str, owner: str, read: tuple[str, ...], shapes: tuple[Shape, ...]) -> Step:
        here, owned = join(path, layer.name), join(owner, layer.name)
        target = layer
        if isinstance(layer, Shared):
            # in a second use of a block, what the same line meant in the first: its parameters are tied
            original = self.steps.get(owned) or self._original(layer, path)
            target, owned = original.layer, original.owner
        if isinstance(target, Block):
            body = self.scope(target, here, owned, shapes)
            made = {name: shape for step in body.steps for name, shape in zip(step.made, step.out_shapes, strict=True)}
            made.update(zip(body.ports, shapes, strict=True))
            out = tuple(made[name] for name in body.outputs)
            step = Step(here, layer.name, target, read, shapes, out, owned, body)
        else:
            out = (output_shape(target, shapes, f"{type(target).__name__} {here!r}"),)
            step = Step(here, layer.name, target, read, shapes, out, owned)
        self._check_shared(step)
        self.steps[here] = step
        return step

    def _original(self, layer: Shared, path: str) -> Step:
        around = path
        while True:
            found = self.steps.get(join(around, layer.of))
            if found is not None:
                return found
            if not around:
                break
            around = around.rpartition(".")[0]
        hint = _hint(layer.of, self.steps)
        msg = f"Shared {join(path, layer.name)!r}: there is no layer {shown(layer.of)} above it.{hint}"
        raise SpecError(msg)

    def _check_shared(self, step: Step) -> None:
        original = self.steps.get(step.owner)
        if original is not None and step.shared and step.body is None and step.in_shapes != original.in_shapes:
            from dualnet.specs.weights import parameters_of

            # a norm without weights has shapes all the same: those that it would have
            plain: Any = step.layer
            layer = plain if getattr(plain, "affine", True) else replace(plain, affine=True)
            theirs, ours = ([p.shape for p in parameters_of(layer, s.in_shapes)] for s in (original, step))
            if theirs != ours:
                msg = (
                    f"Shared {step.path!r}: it reads {_text(step.in_shapes)} and {step.owner!r} reads "
                    f"{_text(original.in_shapes)}, so they cannot have the same parameters."
                )
                raise SpecError(msg)

    def _check_wires(
        self, layer: Layer, read: tuple[str, ...], wires: dict[str, Shape], below: tuple[Layer, ...], path: str
    ) -> None:
        for name in read:
            if name in wires:
                continue
            place = f"{type(layer).__name__} {join(path, layer.name)!r}"
            cycle, first = _cycle(layer, name, below), name.partition(".")[0]
            if cycle:
                msg = f"{place}: the wires form a cycle: {' → '.join(cycle)}. A layer can only read layers above it."
            elif first in {other.name for other in below}:
                msg = f"{place}: it reads {name!r}, which stands below it. Move {first!r} above it."
            else:
                msg = f"{place}: it reads {shown(name)}, and there is no such layer or input.{_hint(name, wires)}"
            raise SpecError(msg)


def named(block: Block, path: str = "") -> tuple[Layer, ...]:
    """Return the layers with names chosen where none was given, and refuse doubled or unusable ones."""
    given = Counter([*block.ports, *(layer.name for layer in block.layers if layer.name)])
    for name, times in given.items():
        if times > 1:
            msg = f"{_where(path)}: the name {shown(name)} is given {times} times. Names are unique in a block."
            raise SpecError(msg)
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
            rule = "Use letters, digits and '_', not starting with a digit."
            msg = f"{_where(path)}: the name {shown(name)} cannot be used. {rule}"
            raise SpecError(msg)
    taken, found = set(given), []
    for layer in block.layers:
        name = layer.name or _free(type(layer).__name__.lower(), taken)
        taken.add(name)
        found.append(replace(layer, name=name))
    return tuple(found)


def _free(stem: str, taken: set[str]) -> str:
    number = 1
    while (name := stem if number == 1 else f"{stem}_{number}") in taken:
        number += 1
    return name


def _cycle(layer: Layer, name: str, below: tuple[Layer, ...]) -> list[str]:
    """Return the names along the wires from ``layer`` back to itself, or an empty list."""
    above = (other.name for other in below)
    reads = {below[0].name: below[0].inputs}
    reads |= {other.name: other.inputs or (name,) for other, name in zip(below[1:], above, strict=False)}
    trail, seen = [(name, [layer.name, name])], set()
    while trail:
        here, route = trail.pop()
        if here == layer.name:
            return route
        if here not in seen:
            seen.add(here)
            trail.extend((wire, [*route, wire]) for wire in reads.get(here, ()))
    return []


def _hint(name: str, known: dict[str, object] | dict[str, Shape] | dict[str, Step]) -> str:
    return did_you_mean(name, known) or f" There are: {', '.join(known) or 'none'}."


def _where(path: str) -> str:
    return f"Block {path!r}" if path else "The model"


def _text(shapes: tuple[Shape, ...]) -> str:
    return " and ".join(str(list(shape)) for shape in shapes)
