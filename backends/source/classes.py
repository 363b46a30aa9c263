"""Classes: which modules become one class, and which of their numbers become its parameters."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from dualnet.backends.source.code import Argument, Invoke, Lit, Made, Many, Printer, Var, literals, variables
from dualnet.backends.source.written import Line, Member, Reach, Written, position, steps


@dataclass(eq=False)
class Class:
    """Modules of one shape. ``names`` gives each literal, by its count, the parameter that it is, or None."""

    name: str
    modules: list[Written]
    names: list[str | None] = field(default_factory=list)
    defaults: dict[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> list[str]:
        """The constructor's parameters."""
        return list(dict.fromkeys(name for name in self.names if name))


@dataclass(frozen=True)
class Words:
    """How a framework writes a Sequential, and reads its elements."""

    opening: str
    closing: str
    element: str
    containers: frozenset[str] = frozenset({"Sequential"})


class Classes:
    """Finds the classes of a written root, innermost first."""

    def __init__(self, root: Written, words: Words, taken: set[str]) -> None:
        self.root, self.words, self.taken = root, words, set(taken)
        self.of: dict[int, Class] = {}
        self.values: dict[int, dict[str, Any]] = {}
        self.found: list[Class] = []
        modules = [*dict.fromkeys(root.inner()), root]
        for module in modules:
            module.chain = self._chain(module) if module is not root else None
        heights: dict[int, int] = {}
        levels: dict[int, list[Written]] = defaultdict(list)
        for module in modules:
            inner = [heights[id(m.module)] for m in module.members.values() if m.module is not None]
            heights[id(module)] = max(inner, default=-1) + 1
            if module.chain is None:
                levels[heights[id(module)]].append(module)
        for height in sorted(levels):
            self._level(levels[height])

    def _chain(self, module: Written) -> list[Any] | None:
        """Return the elements of a Sequential if its lines follow one another, each a layer."""
        if (
            module.kind not in self.words.containers
            or len(module.ports) != 1
            or module.extras
            or module.moody
            or module.varied
        ):
            return None
        last, elements, used = module.ports[0], [], set()
        for line in module.lines:
            element = _element(module, line, last)
            if element is None or len(line.targets) != 1:
                return None
            if isinstance(element, Member):
                used.add(id(element))
            elements.append(element)
            last = line.targets[0]
        whole = module.returns == [last] and used == {id(member) for member in module.members.values()}
        return elements if whole and elements and len(used) == sum(isinstance(e, Member) for e in elements) else None

    def _level(self, modules: list[Written]) -> None:
        groups: dict[Any, list[Written]] = defaultdict(list)
        for module in modules:
            groups[module.kind, self._skeleton(module)].append(module)
        for (kind, _), alike in groups.items():
            made = Class(self._name(kind, alike[0]), alike)
            self._parameters(made)
            self.found.append(made)

    def _name(self, kind: str, module: Written) -> str:
        if kind in self.words.containers | {"ModuleList", "ModuleDict"} and module.slot is not None:
            kind = module.slot.attr
        stem = (
            "".join(word[:1].upper() + word[1:] for word in kind.replace("<", "_").replace(">", "_").split("_"))
            or "Net"
        )
        stem = stem if stem.isidentifier() else "Net"
        name, number = stem, 2
        while name in self.taken:
            name, number = f"{stem}{number}", number + 1
        self.taken.add(name)
        return name

    def _skeleton(self, module: Written) -> str:
        seen: dict[int, int] = {}
        printer = Printer(
            name=lambda var: f"v{seen.setdefault(id(var), len(seen))}",
            literal=lambda lit: "§" if not isinstance(lit.value, str) else repr(lit.value),
            other=lambda reach: self.reached(module, reach),
            skip=lambda value, default: False,
        )
        lines = [",".join(printer.text(var) for var in module.ports)]
        lines += [f"{m.attr}[{m.index}]={printer.text(self.plain(m.code))}" for m in module.members.values()]
        for line in module.lines:
            lines.append(printer.text(line.code) + "->" + ",".join(printer.text(var) for var in line.targets))
        return "\n".join([*lines, *(printer.text(value) for value in module.returns)])

    def plain(self, node: Any) -> Any:
        """Return an expression with every module made in it spelt out as a call."""
        if isinstance(node, Made):
            return self._made(node.module)
        if isinstance(node, Many):
            return Many(tuple(self.plain(part) for part in node.parts))
        if isinstance(node, Invoke):
            listed = tuple(replace(argument, value=self.plain(argument.value)) for argument in node.arguments)
            return replace(node, target=self.plain(node.target), arguments=listed)
        return node

    def _made(self, module: Written) -> Any:
        if module.chain is not None:
            parts: list[Any] = [self.words.opening]
            for index, element in enumerate(module.chain):
                made = self.plain(element.code if isinstance(element, Member) else element)
                parts += [", ", made] if index else [made]
            return Many((*parts, self.words.closing))
        values = self.values[id(module)]
        arguments = tuple(Argument(Lit(value, name)) for name, value in values.items())
        return Invoke(self.of[id(module)].name, arguments)

    def expressions(self, module: Written) -> Iterator[tuple[str, Any]]:
        """Yield what a module's source consists of, in order, each with the member that it makes, or nothing."""
        for member in module.members.values():
            yield member.attr, self.plain(member.code)
        for line in module.lines:
            yield "", line.code
        for value in (*module.returns, *module.others):
            yield "", value

    def _parameters(self, made: Class) -> None:
        rows = [
            [(attr, lit) for attr, node in self.expressions(module) for lit in literals(node)]
            for module in made.modules
        ]
        columns = list(zip(*rows, strict=True))
        chosen: dict[str, str] = {}
        names: list[str | None] = []
        for column in columns:
            vector = repr([lit.value for _, lit in column])
            if len({repr(lit.value) for _, lit in column}) == 1:
                names.append(None)
                continue
            if vector not in chosen:
                chosen[vector] = _free(column[0][1].name, column[0][0], set(chosen.values()))
            names.append(chosen[vector])
        made.names = names
        for module, row in zip(made.modules, rows, strict=True):
            self.of[id(module)] = made
            self.values[id(module)] = {name: lit.value for name, (_, lit) in zip(names, row, strict=True) if name}

    def reached(self, module: Written, reach: Any) -> str:
        """Return the source of a member, or of a variable of one, as ``module`` reads it."""
        way = steps(module, reach)
        assert way is not None  # the writer made it an argument otherwise
        return "self" + "".join(self._segment(*step) for step in way) + (f".{reach.variable}" if reach.variable else "")

    def _segment(self, module: Written, member: Member) -> str:
        if module.chain is not None:
            return self.words.element.format(module.chain.index(member))
        place = position(module, member)
        return f".{member.attr}" if place is None else f".{member.attr}[{place}]"

    def path(self, reach: Reach) -> str:
        """Return the path of a variable from the root, such as ``layer1.0.conv1.kernel``."""
        parts: list[str] = []
        for module, member in steps(self.root, reach) or []:
            place = position(module, member) if module.chain is None else module.chain.index(member)
            parts += [] if module.chain is not None else [member.attr]
            parts += [] if place is None else [str(place)]
        return ".".join([*parts, *([reach.variable] if reach.variable else [])])


def _element(module: Written, line: Line, last: Var) -> Any:
    """Return the member, or the layer, that a line applies to what the line above gave."""
    code = line.code
    if isinstance(code, Invoke) and isinstance(code.target, Reach) and code.target.home.self() is module:
        values = [argument.value for argument in code.arguments]
        return code.target.member if values == [last] and not code.target.variable else None
    if line.layer is not None and list(dict.fromkeys(variables(code))) == [last]:
        return line.layer
    return None


def _free(name: str, attr: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    stem = f"{attr}_{name}" if attr else name
    found, number = stem, 2
    while found in taken:
        found, number = f"{stem}{number}", number + 1
    return found
