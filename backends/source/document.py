"""Document: everything that one writing of a program gives: source, the way of each weight, the orders of axes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dualnet.backends.source.classes import Classes
from dualnet.backends.source.form import Axes, Value, appearing, fine, flat
from dualnet.backends.source.printing import Style, class_text
from dualnet.backends.source.writer import Frame, Move, Target, Writer
from dualnet.backends.source.written import Reach, Written
from dualnet.errors import UnsupportedError
from dualnet.specs.carry import Carry
from dualnet.specs.program import Op, Program


@dataclass
class Document:
    """A ported model as text. ``in_orders`` and ``out_orders`` permute the program's axes into the model's."""

    source: str = ""
    root: str = ""
    carries: list[Carry] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    in_orders: list[tuple[int, ...]] = field(default_factory=list)
    out_orders: list[tuple[int, ...]] = field(default_factory=list)
    draws: list[tuple[int, ...] | None] = field(default_factory=list)
    layouts: list[str] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    parts: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Gap:
    """An op that cannot be written: its name, the module it is in, the line of the original, what would help."""

    op: str
    path: str
    place: str
    help: str = ""

    def __str__(self) -> str:
        where = f" in {self.path!r}" if self.path else ""
        line = f" at {self.place}" if self.place else ""
        return f"{self.op}{where}{line}{': ' + self.help if self.help else ''}"


def document(
    program: Program,
    target: Any,
    orders: Sequence[tuple[int, ...]],
    assemble: Callable[[Program, Document, list[str]], str],
) -> Document:
    """Return the document of a program. Raises ``UnsupportedError`` with every op that the target has no rule for."""
    refuse(program, target)
    writer = Writer(program, target)
    root, outputs = writer.write(orders)
    classes = Classes(root, target.words, set(RESERVED_CLASSES) | writer.parts)
    made = Document(root=classes.of[id(root)].name, in_orders=list(orders), moves=writer.moves, parts=writer.parts)
    made.draws = writer.draws
    made.out_orders = [tuple(appearing(value)) if value.rank else () for value in outputs]
    made.carries = carries(program, writer, classes)
    consumed = {carry.source for carry in made.carries}
    made.unused = [name for name in program.weights if name not in consumed and program.weights[name].kind != "constant"]
    made.layouts = [_layout(name, order) for name, order in zip(program.inputs, made.in_orders, strict=True)]
    texts = []
    for each in classes.found:
        style = Style(target.root_base, target.style.method, target.style.listed, target.style.mode)
        own = style if each.modules[0] is root else target.style
        texts.append(class_text(each, classes, own, _about(each.modules)))
    made.source = assemble(program, made, texts)
    return made


RESERVED_CLASSES = ("keras", "layers", "ops", "np", "torch", "nn", "F", "math", "json", "tf")


def _about(modules: list[Written]) -> str:
    paths = [module.path or "the whole model" for module in modules]
    if len(paths) == 1:
        return f"{paths[0]}." if modules[0].path else "The whole model."
    return f"{paths[0]} and {len(paths) - 1} more, to {paths[-1]}."


def _layout(name: str, order: tuple[int, ...]) -> str:
    letters = {3: "NCL", 4: "NCHW", 5: "NCDHW"}.get(len(order))
    if letters is None or order == tuple(range(len(order))):
        return f"{name} as the original"
    return f"{name} as ({', '.join(letters[axis] for axis in order)})"


def carries(program: Program, writer: Writer, classes: Classes) -> list[Carry]:
    """Return the way of every weight that the source holds."""
    made = []
    for name, home in writer.homes.items():
        tensor = program.weights[name].tensor
        own = fine(writer.atoms[name])
        atoms = list(flat(own))
        lying = fine(home.axes)
        place = {id(atom): index for index, atom in enumerate(atoms)}
        order = tuple(place[id(atom)] for atom in flat(lying))
        path = classes.path(Reach(home.module, home.member, home.variable))
        shape = tuple(int(size) for size in tensor.shape)  # type: ignore[arg-type]  # weights have no symbolic size
        split = tuple(int(atom.size) for atom in atoms)  # type: ignore[arg-type]
        into = tuple(_prod(axis) for axis in lying)
        made.append(Carry(name, path, shape, split, order, into, program.weights[name].trainable))
    return made


def _prod(axis: Any) -> int:
    total = 1
    for atom in axis:
        total *= int(atom.size)
    return total


def refuse(program: Program, target: Target) -> None:
    """Raise ``UnsupportedError`` with a line for each kind of op that the target has no rule for."""
    gaps = missing(program, target)
    if gaps:
        listed = "\n".join(f"  {gap}" for gap in gaps)
        msg = f"{program.name} cannot be written for {target.name}. It has no word for:\n{listed}"
        raise UnsupportedError(msg)


def missing(program: Program, target: Target) -> list[Gap]:
    """Return a gap for each op without a rule, the first of its kind in each module."""
    gaps: dict[tuple[str, str], Gap] = {}

    def visit(scope: Any) -> None:
        for item in scope.body:
            if not isinstance(item, Op):
                visit(item)
            elif item.op not in target.rules:
                gaps.setdefault((item.op, scope.path), Gap(item.op, scope.path, item.place))

    visit(program.root)
    return list(gaps.values())


__all__ = ["Axes", "Document", "Frame", "Gap", "Value", "document", "missing"]
