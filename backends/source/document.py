"""Document: everything that one writing of a program gives: source, the way of each weight, the orders of axes."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dualnet.backends.source.classes import Classes
from dualnet.backends.source.form import appearing, fine, flat
from dualnet.backends.source.printing import class_text
from dualnet.backends.source.state import Gap, Move, Target, Writer
from dualnet.backends.source.writer import write
from dualnet.backends.source.written import Reach, Written
from dualnet.errors import UnsupportedError
from dualnet.specs.carry import Carry
from dualnet.specs.program import Program


@dataclass
class Document:
    """A ported model as text. ``in_orders`` and ``out_orders`` permute the program's axes into the model's.

    ``training_orders`` are those of the outputs in training, where these are something else.
    """

    source: str = ""
    root: str = ""
    carries: list[Carry] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    in_orders: list[tuple[int, ...]] = field(default_factory=list)
    out_orders: list[tuple[int, ...]] = field(default_factory=list)
    training_orders: list[tuple[int, ...]] = field(default_factory=list)
    draws: list[tuple[int, ...] | None] = field(default_factory=list)
    layouts: list[str] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    one_mode: bool = False
    parts: set[str] = field(default_factory=set)
    frozen: list[str] = field(default_factory=list)  # weights in layers that train, which do not


def document(
    program: Program,
    target: Any,
    orders: Sequence[tuple[int, ...]],
    assemble: Callable[[Program, Document, list[str]], str],
    partial: bool = False,
) -> Document:
    """Return the document of a program; ``partial`` leaves a named hole where an op cannot be written.

    Raises ``UnsupportedError`` with every such op otherwise.
    """
    writer = Writer(program, target)
    root, outputs, training = write(writer, orders)
    if writer.gaps and not partial:
        raise refused(program, target, writer.gaps)
    classes = Classes(root, target.words, set(RESERVED_CLASSES) | writer.parts)
    made = Document(root=classes.of[id(root)].name, in_orders=list(orders), moves=writer.moves, parts=writer.parts)
    made.draws, made.gaps, made.one_mode = writer.draws, writer.gaps, writer.one_mode
    made.out_orders = [tuple(appearing(value)) if value.rank else () for value in outputs]
    made.training_orders = [tuple(appearing(value)) if value.rank else () for value in training]
    made.carries = carries(program, writer, classes)
    made.frozen = [carry.target for carry in made.carries if _frozen(carry, writer)]
    consumed = {carry.source for carry in made.carries}
    made.unused = [
        name for name in program.weights if name not in consumed and program.weights[name].kind != "constant"
    ]
    made.layouts = [
        _layout(name, order, program.origin) for name, order in zip(program.inputs, made.in_orders, strict=True)
    ]
    texts = []
    for each in classes.found:
        style = replace(target.style, base=target.root_base)
        own = style if each.modules[0] is root else target.style
        texts.append(class_text(each, classes, own, _about(each.modules)))
    made.source = assemble(program, made, texts)
    return made


def holes(made: Document) -> list[str]:
    """Return the functions that are yet to be written."""
    texts = []
    for gap in made.gaps:
        what = re.sub(r"[^\w .:,;=()+*/-]", "'", str(gap))
        body = f'    """Not ported: {what}. Write it here."""\n    raise NotImplementedError("{what}")'
        texts.append(f"def {gap.hole}(*tensors):\n{body}")
    return texts


RESERVED_CLASSES = ("keras", "layers", "ops", "np", "torch", "nn", "F", "math", "json", "tf")


def _about(modules: list[Written]) -> str:
    paths = [re.sub(r"[^\w.]", "_", module.path) or "the whole model" for module in modules]
    if len(paths) == 1:
        return f"{paths[0]}." if modules[0].path else "The whole model."
    return f"{paths[0]} and {len(paths) - 1} more, to {paths[-1]}."


AXES = {"torch": {3: "NCL", 4: "NCHW", 5: "NCDHW"}, "keras": {3: "NLC", 4: "NHWC", 5: "NDHWC"}}


def _layout(name: str, order: tuple[int, ...], origin: str) -> str:
    letters = AXES[origin].get(len(order))
    if letters is None or order == tuple(range(len(order))):
        return f"{name} in the original's order"
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


def _frozen(carry: Carry, writer: Writer) -> bool:
    """Return whether a weight does not train though the layer that holds it would train it."""
    home = writer.homes[carry.source]
    return not carry.trainable and home.config is not None and home.variable not in ("moving_mean", "moving_variance")


def _prod(axis: Any) -> int:
    total = 1
    for atom in axis:
        total *= int(atom.size)
    return total


def refused(program: Program, target: Target, gaps: list[Gap]) -> UnsupportedError:
    """Return the error that lists every op that could not be written, one of a kind in each module."""
    kinds = {(gap.op, gap.path, gap.help): gap for gap in gaps}
    listed = "\n".join(f"  {gap}" for gap in kinds.values())
    what = f"{program.name} cannot be written for {target.name} as it is. What stands in the way:"
    return UnsupportedError(f"{what}\n{listed}\nA partial port (partial=True, --partial) leaves a named hole for each.")
