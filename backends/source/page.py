"""Page: the module being written: its wires' meanings, its lines, its members and what they are called."""

import keyword
import re
from dataclasses import dataclass, field
from typing import Any

from dualnet.backends.source.code import Lit, Var
from dualnet.backends.source.form import Axes, Storage, Value, fine
from dualnet.backends.source.state import Target, Writer
from dualnet.backends.source.written import Home, Line, Member, Reach, Written, steps
from dualnet.specs.program import Held, Op, Program, Ref


@dataclass
class Page:
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
        return self.op.arguments.get(name, default)

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

    def slot(
        self, path: str, made: Any, module: Written | None = None, suffix: str = "", here: Written | None = None
    ) -> Member:
        """Make a member for what the program calls ``path``; a second one of the name gets a number.

        It belongs to the module, whichever call of it is being written, unless ``here`` is that call.
        """
        attr, index = self.attr(path)
        if suffix:
            attr, index = f"{attr}_{suffix}" if index is None else f"{attr}_{index}_{suffix}", None
        taken, number, stem = (here or self.module.self()).members, 2, attr
        plain = {name for name, at in taken if at is None}
        lists = {name for name, at in taken if at is not None}
        while (attr, index) in taken or (attr in plain if index is not None else attr in lists):
            attr, number = f"{stem}_{number}", number + 1
        taken[attr, index] = member = Member(attr, index, made, module)
        return member

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
