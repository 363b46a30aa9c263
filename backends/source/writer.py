"""Writer: walks a program's scopes and writes each as a module, deciding every tensor's order of memory on the way."""

import keyword
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from dualnet.backends.source.code import Lit, Made, Many, Var, code, invoke
from dualnet.backends.source.form import (
    Atom,
    Axes,
    Storage,
    Value,
    appearing,
    axes_of,
    distinct,
    fine,
    flat,
    key,
    regroup,
    shape_of,
)
from dualnet.backends.source.written import Home, Line, Member, Reach, Written, steps
from dualnet.errors import UnsupportedError
from dualnet.specs.program import ByMode, Held, Op, Program, Ref, Scope, Sym


class Target(Protocol):
    """What a framework says about source: its words for moving axes, making weights, and every op."""

    name: str
    rules: dict[str, Callable[["Frame", Op], Any]]
    reserved: frozenset[str]
    containers: frozenset[str]

    def images(self, rank: int) -> tuple[int, ...]:
        """Return the order in which an image of the program lies in this framework."""

    def reshape(self, frame: "Frame", storage: Storage, axes: Axes) -> Any:
        """Return the code that gives a storage another shape, atoms in the same order."""

    def transpose(self, frame: "Frame", storage: Storage, order: tuple[int, ...]) -> Any:
        """Return the code that permutes a storage's physical axes."""

    def shuffle(self, frame: "Frame", storage: Storage, axis: int, places: list[int]) -> Any:
        """Return the code that takes the places of one physical axis in another order."""

    def weight(self, frame: "Frame", name: str, storage: Storage, axes: Axes) -> Any:
        """Return the code that makes a bare weight, a parameter or a constant."""

    def size(self, storage: Storage, axis: int, frame: "Frame") -> Any:
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

    def write(self, inputs: Sequence[tuple[int, ...]]) -> tuple[Written, list[Value]]:
        """Return the root module and the outputs' values; ``inputs`` are the orders in which inputs lie."""
        root = Written("", self.program.name)
        frame = Frame(self, root)
        for (name, tensor), order in zip(self.program.inputs.items(), inputs, strict=True):
            axes = axes_of(tensor.shape)
            var = Var(name if len(self.program.inputs) > 1 else "x")
            root.ports.append(var)
            frame.values[name] = Value(axes, Storage(var, tuple(axes[axis] for axis in order), tensor.dtype))
        frame.body(self.program.root)
        outputs = [frame.values[name] for name in self.program.outputs]
        outputs = [frame.settled(value) for value in outputs]
        root.returns = [frame.code(value.storage) for value in outputs]
        return root, outputs

    def storage(self, name: str) -> tuple[Storage, Axes]:
        """Return the storage of a weight and its logical axes."""
        if name not in self.held:
            tensor = self.program.weights[name].tensor
            self.held[name] = Storage(None, None, tensor.dtype, held=name)
            self.atoms[name] = axes_of(tensor.shape)
        return self.held[name], self.atoms[name]


@dataclass
class Frame:
    """One module being written, and what its wires mean."""

    writer: Writer
    module: Written
    values: dict[str, Value] = field(default_factory=dict)
    forms: dict[Any, Storage] = field(default_factory=dict)
    mode: str = ""  # of the lines being written
    within: str = ""  # the mode in which this whole module runs
    hint: str = ""  # the path of the leaf module whose ops are being written in line
    op: Op | None = None

    @property
    def program(self) -> Program:
        """The program that is written."""
        return self.writer.program

    @property
    def target(self) -> Target:
        """The framework that is written for."""
        return self.writer.target

    # ---- walking

    def body(self, scope: Scope) -> None:
        """Write the ops and the modules of a scope."""
        for item in scope.body:
            if isinstance(item, Op):
                self.op = item
                with self._only("" if self.within else item.mode):
                    self._op(item)
            elif self._leaf(item) or item.path in ("", self.hint):
                before, self.hint = self.hint, item.path
                self.body(item)
                self.hint = before
            else:
                self._call(item)

    @contextmanager
    def _only(self, mode: str) -> Iterator[None]:
        """Write lines that run in one mode only; forms made there are not there for others."""
        if not mode:
            yield
            return
        self.module.moody = True
        before, forms = self.mode, dict(self.forms)
        self.mode = mode
        yield
        self.mode, self.forms = before, forms

    def _leaf(self, scope: Scope) -> bool:
        """Return whether a module is a framework's own and small, so that its ops stand in its caller."""
        if scope.kind.startswith(("torch.nn.utils.parametrize.ParametrizationList", "torch.nn.utils.parametrizations.")):
            return True
        own = scope.kind.startswith(("torch.nn.", "keras.layers."))
        return own and len(scope.body) <= 5 and all(isinstance(item, Op) for item in scope.body) and not self._box(scope)

    def _box(self, scope: Scope) -> bool:
        return scope.kind.rpartition(".")[2] in ("Sequential", "ModuleList", "ModuleDict")

    def _op(self, op: Op) -> None:
        rule = self.target.rules.get(op.op)
        try:
            made = rule(self, op) if rule is not None else self._hole(op, "")
        except UnsupportedError as error:
            made = self._hole(op, str(error))
        several = made if isinstance(made, (tuple, list)) else (made,)
        for name, value in zip(op.results, several, strict=False):
            self.values[name] = value

    def _hole(self, op: Op, reason: str) -> tuple[Value, ...]:
        """Write a call of a function that is yet to be written, and remember why."""
        number = len(self.writer.gaps) + 1
        gap = Gap(op.op, self.hint or self.module.path, op.place, reason, f"hole_{number}")
        self.writer.gaps.append(gap)
        names = dict.fromkeys(op.refs())
        arguments = [self.logical(self.settled_weight(self.values[name])) for name in names if name in self.values]
        variables = tuple(Var("y") for _ in op.results)
        self.line(variables, invoke(gap.hole, *arguments))
        values = []
        for name, var in zip(op.results, variables, strict=True):
            tensor = self.program.wires[name]
            axes = axes_of(tensor.shape)
            values.append(Value(axes, Storage(var, axes, tensor.dtype)))
        return tuple(values)

    def _call(self, scope: Scope) -> None:
        modes = {op.mode for op in scope.ops()}
        with self._only(modes.pop() if len(modes) == 1 and not self.within else ""):
            self._called(scope)

    def _called(self, scope: Scope) -> None:
        given = {name: self.settled_weight(self.values[name]) for name in scope.ports}
        first = self.writer.written.get(scope.path)
        child, outputs, storages = self._module(scope, given, first)
        if not child.lines:
            self._adopt(scope, outputs, dict(zip(child.ports, storages, strict=True)), {})
            return
        if first is not None and not alike(first, child):
            before, self.hint = self.hint, scope.path
            self.body(scope)
            self.hint = before
            return
        if first is None:
            slot = self.slot(scope.path, Made(child), module=child)
            child.parent, child.slot, child.only = self.module.self(), slot, bool(self.mode)
            self.writer.written[scope.path] = child
        home = (first or child).self()
        assert home.parent is not None and home.slot is not None  # set above
        if steps(self.module, Reach(home.parent, home.slot)) is None:
            self.body(scope)
            return
        arguments = [self.code(storage) for storage in storages]
        arguments += [self.code(storage) for storage, _ in child.extras]
        targets = tuple(Var(home.slot.attr) for _ in child.returns)
        self.line(targets, invoke(Reach(home.parent, home.slot), *arguments))
        self._adopt(scope, outputs, dict(zip(child.ports, storages, strict=True)), self._given(child, targets))

    def _given(self, child: Written, targets: Sequence[Var]) -> dict[Any, Var]:
        return {id(returned): target for returned, target in zip(child.returns, targets, strict=True)}

    def _adopt(self, scope: Scope, outputs: list[Value], ports: dict[Var, Storage], made: dict[Any, Var]) -> None:
        """Enter what a call gave back: a new variable, or what was handed in, seen in another way."""
        fresh: dict[int, Storage] = {}
        for name, value in zip(scope.outputs, outputs, strict=True):
            storage = value.storage
            if storage.held:
                found = storage
            elif storage.code in ports:
                found = ports[storage.code]
            else:
                if id(storage) not in fresh:
                    fresh[id(storage)] = Storage(made[id(storage.code)], storage.axes, storage.dtype)
                found = fresh[id(storage)]
            self.values[name] = Value(value.axes, found)

    def _module(
        self, scope: Scope, given: dict[str, Value], first: Written | None
    ) -> tuple[Written, list[Value], list[Storage]]:
        """Write a scope as a module of its own; return it, its outputs, and the storages to hand in."""
        child = Written(scope.path, scope.kind.rpartition(".")[2], self.module, twin=first)
        frame = Frame(self.writer, child, within=self.within or self.mode)
        storages: list[Storage] = []
        inside: dict[int, Storage] = {}
        for name, value in given.items():
            storage = value.storage
            if storage.held:
                frame.values[name] = value
                continue
            if id(storage) not in inside:
                var = Var("x" if not inside else name.rstrip("0123456789_") or "y")
                inside[id(storage)] = Storage(var, storage.axes, storage.dtype)
                storages.append(storage)
                child.ports.append(var)
            frame.values[name] = Value(value.axes, inside[id(storage)])
        frame.body(scope)
        outputs = [frame.values[name] for name in scope.outputs]
        ports = {id(storage) for storage in inside.values()}
        kept = {id(v.storage): v.storage for v in outputs if not v.storage.held and id(v.storage) not in ports}
        child.returns = [storage.code for storage in kept.values()]
        child.ports += [var for _, var in child.extras]
        return child, outputs, storages

    # ---- naming

    def attr(self, path: str) -> tuple[str, int | None]:
        """Return the attribute, and the place in a list, for what the program calls ``path``."""
        parts = self._below(path).split(".")
        index = int(parts.pop()) if parts[-1].isdigit() else None
        name = re.sub(r"\W", "_", "_".join(parts))
        if index is not None and not name:
            name = "layer"
        name = f"_{name}" if name[:1].isdigit() else name
        name = f"{name}_" if name in self.target.reserved or keyword.iskeyword(name) else name
        return name, index

    def _below(self, path: str) -> str:
        own = self.module.path
        if not own:
            return path
        return path[len(own) + 1 :] if path.startswith(f"{own}.") else path if path != own else path.rpartition(".")[2]

    def slot(self, path: str, made: Any, module: Written | None = None, suffix: str = "") -> Member:
        """Make a member for what the program calls ``path``; a second one of the name gets a number."""
        attr, index = self.attr(path)
        if suffix:
            attr, index = f"{attr}_{suffix}" if index is None else f"{attr}_{index}_{suffix}", None
        taken, number, stem = self.module.members, 2, attr
        plain = {name for name, at in taken if at is None}
        lists = {name for name, at in taken if at is not None}
        while (attr, index) in taken or (attr in plain if index is not None else attr in lists):
            attr, number = f"{stem}_{number}", number + 1
        taken[attr, index] = member = Member(attr, index, made, module)
        return member

    # ---- values

    def value(self, argument: Any) -> Value:
        """Return the value of a tensor argument."""
        if isinstance(argument, Ref):
            return self.values[argument.name]
        if isinstance(argument, Held):
            weight = self.program.weights[argument.name]
            if weight.kind == "constant" and not weight.tensor.shape:
                number = self.program.arrays[argument.name].item()
                return Value((), Storage(self.target.literal(number, weight.tensor.dtype), (), weight.tensor.dtype))
            storage, axes = self.writer.storage(argument.name)
            return Value(axes, storage)
        return Value((), Storage(Lit(argument), (), "float32"))

    def tensor(self, name: str) -> Value | None:
        """Return the value of the op's argument ``name``; None if it has none."""
        argument = self.argument(name)
        return None if argument is None else self.value(argument)

    def argument(self, name: str, default: Any = None) -> Any:
        """Return the op's argument ``name`` as it stands."""
        assert self.op is not None  # rules run for an op
        found = self.op.arguments.get(name, default)
        return found

    def out(self, index: int = 0) -> tuple[Any, ...]:
        """Return the shape that the program says the op gives back."""
        assert self.op is not None  # rules run for an op
        return self.program.wires[self.op.results[index]].shape

    def dtype(self, index: int = 0) -> str:
        """Return the data type that the program says the op gives back."""
        assert self.op is not None  # rules run for an op
        return self.program.wires[self.op.results[index]].dtype

    def line(self, targets: tuple[Var, ...], expression: Any, layer: Any = None) -> None:
        """Write ``targets = expression``."""
        self.module.lines.append(Line(targets, expression, layer, self.mode))

    def made(self, expression: Any, logical: Axes, physical: Axes, dtype: str = "", layer: Any = None) -> Value:
        """Write an expression into a variable and return its value."""
        assert self.op is not None  # rules run for an op
        var = Var("y")
        self.line((var,), expression, layer)
        return Value(logical, Storage(var, physical, dtype or self.dtype()))

    def code(self, storage: Storage) -> Any:
        """Return the expression for a storage in this module."""
        if not storage.held:
            return storage.code
        if storage.axes is None:
            self.place(storage, self.writer.atoms[storage.held])
        home = self.writer.homes[storage.held]
        reach = Reach(home.module, home.member, home.variable)
        if steps(self.module, reach) is not None:
            return reach
        for other, var in self.module.extras:
            if other is storage:
                return var
        var = Var(storage.held.rpartition(".")[2])
        self.module.extras.append((storage, var))
        return var

    def place(self, storage: Storage, axes: Axes) -> None:
        """Decide the order in which a bare weight lies, and make it a member here."""
        storage.axes = axes
        made = self.target.weight(self, storage.held.rpartition(".")[2], storage, fine(axes))
        member = self.slot(storage.held, made)
        self.writer.homes[storage.held] = Home(self.module.self(), member, "", axes)

    def settled_weight(self, value: Value) -> Value:
        """Return a value whose order of memory is decided."""
        if not value.placed:
            self.place(value.storage, self.writer.atoms[value.storage.held])
        return value

    # ---- forms

    def form(self, value: Value, axes: Axes) -> Storage:
        """Return a storage that holds ``value`` in the given physical axes, written if there is none yet."""
        storage = value.storage
        axes = fine(axes)
        if storage.axes is None and _covers(axes, fine(self.writer.atoms[storage.held])):
            self.place(storage, axes)
            return storage
        self.settled_weight(value)
        if key(storage.physical) == key(axes):
            return storage
        cached = self.forms.get((id(storage), key(axes)))
        if cached is not None:
            return cached
        made = self._moved(storage, axes)
        self.forms[id(storage), key(axes)] = made
        return made

    def _moved(self, storage: Storage, axes: Axes) -> Storage:
        if key((flat(storage.physical),)) == key((flat(axes),)):
            return self._new(self.target.reshape(self, storage, axes), axes, storage.dtype)
        shuffled = _shuffled(storage.physical, axes)
        if shuffled is not None:
            return self._new(self.target.shuffle(self, storage, *shuffled), axes, storage.dtype)
        runs = _runs(flat(storage.physical), flat(axes))
        lying = [axis for axis in storage.physical if axis]
        if key(tuple(lying)) != key(tuple(runs)) or len(lying) != len(storage.physical):
            storage = self._new(self.target.reshape(self, storage, tuple(runs)), tuple(runs), storage.dtype)
        place = {id(atom): index for index, atom in enumerate(flat(axes))}
        order = tuple(sorted(range(len(runs)), key=lambda index: place[id(runs[index][0])]))
        assert self.op is not None  # rules run for an op
        self.writer.moves.append(Move(self.module.path, self.op.op, order, self.op.place))
        turned = tuple(runs[index] for index in order)
        storage = self._new(self.target.transpose(self, storage, order), turned, storage.dtype)
        if key(turned) != key(axes):
            storage = self._new(self.target.reshape(self, storage, axes), axes, storage.dtype)
        return storage

    def _new(self, expression: Any, axes: Axes, dtype: str) -> Storage:
        var = Var("y")
        self.line((var,), expression)
        return Storage(var, axes, dtype)

    def logical(self, value: Value) -> Any:
        """Return the code of a value that lies in the program's own order."""
        return self.code(self.form(value, value.logical))

    def ordered(self, value: Value, order: Sequence[int]) -> Any:
        """Return the code of a value whose logical axes lie in the given order."""
        logical = value.logical
        return self.code(self.form(value, tuple(logical[axis] for axis in order)))

    def whole(self, value: Value) -> tuple[Any, list[int]]:
        """Return the code of a value that lies in whole logical axes, and their order; nothing moves if they do."""
        order = appearing(value)
        return self.ordered(value, order), order

    def settled(self, value: Value) -> Value:
        """Return a value as a model gives it back: as the target orders images if memory has it so, else in its own."""
        order, rank = appearing(value), value.rank
        natural = list(self.target.images(rank)) if rank >= 3 else list(range(rank))
        order = natural if order == natural and value.placed and not value.storage.held else list(range(rank))
        logical = value.logical
        return Value(value.axes, self.form(value, tuple(logical[axis] for axis in order)))

    def view(self, value: Value, shape: Sequence[Any]) -> Value:
        """Return a value with other logical axes and the same order of elements."""
        regrouped = regroup(value.logical, shape)
        if regrouped is not None:
            return Value(regrouped, value.storage)
        storage = self.form(value, value.logical)
        axes = axes_of(shape)
        made = self._new(self.target.reshape(self, storage, axes), axes, storage.dtype)
        return Value(axes, made)

    # ---- several operands

    def aligned(self, values: Sequence[Value]) -> tuple[list[Any], Axes, Axes]:
        """Return codes that broadcast against one another, and the result's logical and physical axes."""
        rank = max(value.rank for value in values)
        padded = [((),) * (rank - value.rank) + value.logical for value in values]
        lead = max(range(len(values)), key=lambda i: _weight(values[i], padded[i]))
        first = values[lead]
        if not first.rank:
            return [self.code(self.form(value, value.logical)) for value in values], padded[lead], ()
        structured = self._structured(values, padded, lead) if first.placed else None
        if structured is not None:
            return structured
        order = [axis + rank - first.rank for axis in appearing(first)]
        order = [*range(rank - first.rank), *order]
        joined = tuple(next((axes[axis] for axes in padded if axes[axis]), ()) for axis in range(rank))
        codes = [self._beside(value, axes, order) for value, axes in zip(values, padded, strict=True)]
        joined, _ = distinct(joined, ())
        return codes, joined, tuple(joined[axis] for axis in order)

    def _beside(self, value: Value, axes: Axes, order: list[int]) -> Any:
        """Return the code of an operand whose axes lie in ``order``, ones in front left out."""
        if not value.rank:
            return self.code(self.form(value, ()))
        lying = [axes[axis] for axis in order]
        own = sum(1 for axis in axes if axis)
        while len(lying) > max(own, 1) and not lying[0] and (value.rank < len(axes) or not value.placed):
            lying.pop(0)
        if value.placed and value.rank == len(axes) and not any(lying[:1]) and key(tuple(lying)) != key(value.storage.physical):
            trimmed = [axis for axis in lying]
            while len(trimmed) > 1 and not trimmed[0]:
                trimmed.pop(0)
            if key(tuple(trimmed)) == key(value.storage.physical):
                return self.code(value.storage)
        return self.code(self.form(value, tuple(lying)))

    def _structured(
        self, values: Sequence[Value], padded: list[Axes], lead: int
    ) -> tuple[list[Any], Axes, Axes] | None:
        """Return operands as they lie, where all lie alike."""
        first = values[lead]
        mine = first.storage.physical
        sizes = [tuple(atom.size for atom in axis) for axis in padded[lead]]
        codes: list[Any] = []
        for value, axes in zip(values, padded, strict=True):
            if not value.rank:
                codes.append(self.code(self.form(value, ())))
                continue
            if not value.placed or [tuple(atom.size for atom in axis) for axis in axes] != sizes:
                return None
            same = {id(a): b for one, two in zip(padded[lead], axes, strict=True) for a, b in zip(one, two, strict=True)}
            wanted = tuple(tuple(same[id(atom)] for atom in axis) for axis in mine)
            if key(wanted) != key(value.storage.physical) and value is not first:
                if appearing(first) is None:
                    return None
                wanted_code = self.code(self.form(value, wanted))
                codes.append(wanted_code)
            else:
                codes.append(self.code(value.storage))
        return codes, padded[lead], mine

    # ---- layers

    def layer(
        self,
        made: Any,
        weights: dict[str, tuple[Value, Axes]] | None = None,
        suffix: str = "",
        name: str = "",
    ) -> Any:
        """Return the expression of a layer that holds ``weights`` (by the layer's own names), made where it is new.

        None if one of the weights is at home in something else: then the op must be written as a function of it.
        """
        held = {label: (value, fine(axes)) for label, (value, axes) in (weights or {}).items()}
        if not held:
            return self._weightless(made, suffix, name)
        homes = [self.writer.homes.get(value.storage.held) for value, _ in held.values()]
        if all(home is None for home in homes):
            owner = next(iter(held.values()))[0].storage.held.rpartition(".")[0]
            if owner == self.module.path:  # the module's own weights, used by a function
                owner = f"{owner}.{name or self._name()}".lstrip(".")
            member = self.slot(owner, made, suffix=suffix)
            for label, (value, axes) in held.items():
                value.storage.axes = axes
                self.writer.homes[value.storage.held] = Home(self.module.self(), member, label, axes, made)
            return Reach(self.module.self(), member)
        first = homes[0]
        if first is None or any(home is None or home.member is not first.member for home in homes):
            return None
        alike_ = all(
            key(fine(home.axes)) == key(axes) for home, (_, axes) in zip(homes, held.values(), strict=True) if home
        )
        reach = Reach(first.module, first.member)
        if not alike_ or shown(first.config) != shown(made) or steps(self.module, reach) is None:
            return None
        return reach

    def _name(self) -> str:
        return self.op.op.strip("_") if self.op else "layer"

    def _weightless(self, made: Any, suffix: str, name: str) -> Any:
        """Return a layer without weights: the one that stands under the hint if it is the same, else a new one."""
        path = self.hint or f"{self.module.path}.{name or self._name()}".lstrip(".")
        attr, index = self.attr(path)
        if suffix:
            attr, index = f"{attr}_{suffix}" if index is None else f"{attr}_{index}_{suffix}", None
        found = self.module.self().members.get((attr, index)) if self.hint else None
        if found is not None and shown(found.code) == shown(made):
            if self.module.twin is not None:
                self.module.members.setdefault((attr, index), found)
            return Reach(self.module.self(), found)
        member = self.slot(path, made, suffix=suffix)
        if self.module.twin is not None:
            return Reach(self.module, member)
        return Reach(self.module.self(), member)

    def free(self, *values: Value | None) -> bool:
        """Return whether each value is a bare weight (or nothing) that a layer may hold."""
        return all(value is None or bool(value.storage.held) for value in values)

    # ---- sizes

    def size(self, size: Any) -> Any:
        """Return the code of a size: a number, or what a tensor at hand has."""
        if not isinstance(size, Sym):
            return Lit(size, "size")
        parts: list[Any] = [str(size.factor)] if size.factor != 1 else []
        parts += [self._symbol(name) for name in size.symbols]
        listed: list[Any] = []
        for part in parts:
            listed += [" * ", part] if listed else [part]
        return Many(tuple(listed)) if len(listed) > 1 else listed[0]

    def _symbol(self, name: str) -> Any:
        best: tuple[int, Any] | None = None
        for value in self.values.values():
            if not value.placed or value.storage.held or isinstance(value.storage.code, Lit):
                continue
            for index, size in enumerate(shape_of(value.storage.physical)):
                if isinstance(size, Sym) and size.symbols == (name,) and (best is None or size.factor < best[0]):
                    found = self.target.size(value.storage, index, self)
                    best = (size.factor, found if size.factor == 1 else code("{} // " + str(size.factor), found))
            if best is not None and best[0] == 1:
                return best[1]
        if best is None:
            msg = f"the batch size is not at hand in {self.module.path or 'the model'}"
            raise UnsupportedError(msg)
        return best[1] if best[0] == 1 else code("({})", best[1])

    def sizes(self, shape: Sequence[Any], *, hole: bool = True) -> Any:
        """Return the code of a shape; a lone symbolic size is -1 where that is allowed."""
        symbolic = [size for size in shape if isinstance(size, Sym)]
        if hole and len(symbolic) == 1:
            return Lit(tuple(-1 if isinstance(size, Sym) else size for size in shape), "shape")
        if not symbolic:
            return Lit(tuple(shape), "shape")
        parts: list[Any] = []
        for size in shape:
            parts += [", ", self.size(size)] if parts else [self.size(size)]
        return Many(("(", *parts, ",)" if len(shape) == 1 else ")"))

    # ---- modes

    def by_mode(self, argument: Any) -> Any:
        """Return an argument, with what it is in training and in evaluation where it depends on that."""
        return argument if isinstance(argument, ByMode) else ByMode(argument, argument)


def shown(expression: Any) -> str:
    """Return an expression as text that two equal ones share, variables by their place."""
    from dualnet.backends.source.code import Printer

    seen: dict[int, int] = {}
    return Printer(
        name=lambda var: f"v{seen.setdefault(id(var), len(seen))}",
        made=lambda made: f"made{id(made.module)}",
        skip=lambda value, default: False,
    ).text(_reached(expression))


def _reached(expression: Any) -> Any:
    if isinstance(expression, Reach):
        return f"<{id(expression.home.self())}.{expression.member.attr}[{expression.member.index}].{expression.variable}>"
    if isinstance(expression, Many):
        return Many(tuple(_reached(part) for part in expression.parts))
    if hasattr(expression, "arguments"):
        from dataclasses import replace

        listed = tuple(replace(argument, value=_reached(argument.value)) for argument in expression.arguments)
        return replace(expression, target=_reached(expression.target), arguments=listed)
    return expression


def alike(first: Written, second: Written) -> bool:
    """Return whether two calls of a module came out as the same code."""
    return _whole(first) == _whole(second)


def _whole(module: Written) -> Any:
    seen: dict[int, int] = {}

    def text(expression: Any) -> str:
        from dualnet.backends.source.code import Printer

        return Printer(
            name=lambda var: f"v{seen.setdefault(id(var), len(seen))}",
            made=lambda made: f"made{id(made.module)}",
            skip=lambda value, default: False,
        ).text(_reached(expression))

    ports = [text(var) for var in module.ports]
    lines = [(text(line.code), [text(var) for var in line.targets]) for line in module.lines]
    extras = [id(storage) for storage, _ in module.extras]
    return ports, lines, [text(code_) for code_ in module.returns], extras


def _runs(physical: Sequence[Atom], wanted: Sequence[Atom]) -> list[tuple[Atom, ...]]:
    """Return the atoms of memory in the longest runs that stay together."""
    after = {id(a): id(b) for a, b in zip(wanted, wanted[1:], strict=False)}
    runs: list[list[Atom]] = []
    for atom in physical:
        if runs and after.get(id(runs[-1][-1])) == id(atom):
            runs[-1].append(atom)
        else:
            runs.append([atom])
    return [tuple(run) for run in runs]


SHUFFLED = 4096  # a longer list of places than this is worse to read, and no faster, than a transpose


def _shuffled(physical: Axes, wanted: Axes) -> tuple[int, list[int]] | None:
    """Return the axis, and the order of its places, where all that changes is the order within one axis."""
    differ = [i for i, (a, b) in enumerate(zip(physical, wanted, strict=False)) if key((a,)) != key((b,))]
    if len(physical) != len(wanted) or len(differ) != 1:
        return None
    have, want = physical[differ[0]], wanted[differ[0]]
    sizes = [atom.size for atom in have]
    if not all(isinstance(size, int) for size in sizes) or np.prod(sizes) > SHUFFLED:
        return None
    if sorted(map(id, have)) != sorted(map(id, want)):
        return None
    place = {id(atom): index for index, atom in enumerate(have)}
    order = [place[id(atom)] for atom in want]
    return differ[0], np.arange(np.prod(sizes)).reshape(sizes).transpose(order).ravel().tolist()


def _covers(axes: Axes, own: Axes) -> bool:
    return sorted(id(atom) for atom in flat(axes)) == sorted(id(atom) for atom in flat(own))


def _weight(value: Value, axes: Axes) -> tuple[int, bool, bool]:
    """Return how much a value should lead: the one with most axes, and that is computed, not held."""
    return sum(1 for axis in axes if axis), value.placed, not value.storage.held
