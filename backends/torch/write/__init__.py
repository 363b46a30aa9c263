"""Writing: a program as torch source, the order of its weights, and how to build it and load them."""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import nn

from dualnet.backends.source.classes import Words
from dualnet.backends.source.code import Lit, code, invoke
from dualnet.backends.source.document import Document, document, holes
from dualnet.backends.source.form import Axes, Storage, shape_of
from dualnet.backends.source.printing import Style
from dualnet.backends.source.rules import assigned
from dualnet.backends.source.views import VIEWS
from dualnet.backends.source.writer import Frame
from dualnet.backends.torch import parts
from dualnet.backends.torch.write.layers import LAYERS
from dualnet.backends.torch.write.ops import OPS, plain
from dualnet.specs.program import Program, Sym, Tensor


class Rules(dict[str, Any]):
    """The rules by op; an op of ATen that has none is called by its own name."""

    def __contains__(self, op: object) -> bool:
        return super().__contains__(op) or (isinstance(op, str) and hasattr(torch.ops.aten, op))

    def get(self, op: str, default: Any = None) -> Any:
        """Return the rule of an op."""
        return super().get(op, plain if op in self else default)


@cache
def _reserved() -> frozenset[str]:
    return frozenset(dir(nn.Module))


@dataclass
class TorchTarget:
    """torch's words."""

    origin: str
    name: str = "torch"
    rules: Rules = field(
        default_factory=lambda: Rules(**VIEWS, **OPS, **LAYERS, assign=assigned("{}.copy_({}.detach())"))
    )
    reserved: frozenset[str] = field(default_factory=_reserved)
    containers: frozenset[str] = frozenset({"Sequential"})
    words: Words = field(default_factory=lambda: Words("nn.Sequential(", ")", "[{}]"))
    style: Style = field(default_factory=lambda: Style("nn.Module", "forward", "nn.ModuleList([{}])"))
    root_base: str = "nn.Module"
    flattened: Any = field(default_factory=lambda: code("nn.Flatten()"))

    def images(self, rank: int) -> tuple[int, ...]:
        """Return the order in which an image of the program lies in torch."""
        return (0, rank - 1, *range(1, rank - 1)) if self.origin == "keras" else tuple(range(rank))

    def reshape(self, frame: Frame, storage: Storage, axes: Axes) -> Any:
        """``reshape``, ``unsqueeze``, ``squeeze``."""
        before, after = shape_of(storage.physical), shape_of(axes)
        x = frame.code(storage)
        for index in range(len(after)):
            if after[index] == 1 and (*after[:index], *after[index + 1 :]) == before:
                return code("{}.unsqueeze({})", x, Lit(index, "dim"))
        for index in range(len(before)):
            if before[index] == 1 and (*before[:index], *before[index + 1 :]) == after:
                return code("{}.squeeze({})", x, Lit(index, "dim"))
        return code("{}.reshape({})", x, frame.sizes(after))

    def transpose(self, frame: Frame, storage: Storage, order: tuple[int, ...]) -> Any:
        """``permute``, ``transpose``."""
        moved = [index for index, axis in enumerate(order) if index != axis]
        if len(moved) == 2:
            return code("{}.transpose({}, {})", frame.code(storage), *(Lit(axis, "dim") for axis in moved))
        return code("{}.permute({})", frame.code(storage), Lit(order, "dims"))

    def shuffle(self, frame: Frame, storage: Storage, axis: int, places: list[int]) -> Any:
        """``index_select`` with the places as a list."""
        x = frame.code(storage)
        return code(
            "{}.index_select({}, torch.tensor({}, device={}.device))", x, Lit(axis, "dim"), Lit(places, "places"), x
        )

    def weight(self, frame: Frame, name: str, storage: Storage, axes: Axes) -> Any:
        """``nn.Parameter``, ``nn.Buffer``."""
        weight = frame.program.weights[storage.held]
        zeros = invoke("torch.zeros", Lit(shape_of(axes), "shape"))
        if weight.kind == "parameter" and weight.tensor.dtype.startswith(("float", "complex")):
            return code("nn.Parameter({}{})", zeros, "" if weight.trainable else ", requires_grad=False")
        if not weight.tensor.dtype.startswith("float"):
            zeros = code(f"torch.zeros({{}}, dtype=torch.{weight.tensor.dtype})", Lit(shape_of(axes), "shape"))
        return code("nn.Buffer({})", zeros)

    def size(self, storage: Storage, axis: int, frame: Frame) -> Any:
        """``x.shape[axis]``."""
        return code(f"{{}}.shape[{axis}]", frame.code(storage))

    def literal(self, value: Any, dtype: str) -> Any:
        """A number."""
        return Lit(value)


def orders(program: Program) -> list[tuple[int, ...]]:
    """Return the order of axes in which the torch model takes each input: channels-first for images."""
    target = TorchTarget(program.origin)
    return [_order(target, program, name, tensor) for name, tensor in program.inputs.items()]


def _order(target: TorchTarget, program: Program, name: str, tensor: Tensor) -> tuple[int, ...]:
    rank = len(tensor.shape)
    images = program.origin == "keras" and tensor.dtype.startswith("float")
    return (
        target.images(rank) if images and (rank >= 4 or (rank == 3 and _turned(program, name))) else tuple(range(rank))
    )


def _turned(program: Program, name: str) -> bool:
    """Return whether the first thing done to a sequence is to put its channels in front."""
    for op in program.root.ops():
        if name in op.refs():
            return op.op == "permute" and tuple(op.arguments["dims"]) == (0, 2, 1)
    return False


def write(program: Program, *, partial: bool = False) -> Document:
    """Return a program as torch source. Raises ``UnsupportedError`` listing every op that torch cannot express."""
    return document(program, TorchTarget(program.origin), orders(program), assemble, partial)


def assemble(program: Program, made: Document, classes: list[str]) -> str:
    """Return the whole file."""
    own = [inspect.getsource(getattr(parts, name)).rstrip() for name in sorted(made.parts)]
    body = "\n\n\n".join([*own, *holes(made), *classes, *_build(program, made), *_loading(made)])
    names = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    origin = ", from a spec" if program.about else ", ported from Keras" if program.origin == "keras" else ""
    head = f'"""{program.name}{origin}."""\n\n'
    top = "".join(f"import {name}\n" for name in ("json", "math") if name in names)
    lines = ["import torch"] if "torch" in names else []
    lines += ["import torch.nn.functional as F"] if "F" in names else []
    lines += ["from torch import nn"]
    return head + (f"{top}\n" if top else "") + "\n".join(lines) + "\n\n\n" + body + "\n"


def _loading(made: Document) -> list[str]:
    return [inspect.getsource(parts.load_weights).rstrip()] if made.carries else []


def _build(program: Program, made: Document) -> Iterator[str]:
    lines = ["def build(weights=None):"]
    layout = "; ".join(made.layouts)
    lines += [f'    """Return the model, with the weights of a .safetensors file if given. It takes {layout}."""']
    lines += [f"    model = {made.root}()", *_frozen(program, made)]
    if made.carries:
        lines += ["    if weights is not None:", "        load_weights(model, weights)"]
    yield "\n".join([*lines, "    return model"])


def _frozen(program: Program, made: Document) -> list[str]:
    """Return lines that keep weights from training: those of a frozen layer, and nn.LSTM's second bias."""
    still = [carry for carry in made.carries if not carry.trainable]
    kinds = {name: weight.kind for name, weight in program.weights.items()}
    names = [c.target for c in still if kinds[c.source] == "parameter" or ".bias_hh_l" in f".{c.target}"]
    if not names:
        return []
    listed = ["    frozen = ["] + [f'        "{name}",' for name in names] + ["    ]"]
    short = "    frozen = [" + ", ".join(f'"{name}"' for name in names) + "]"
    lines = [short] if len(short) <= 100 else listed
    return [*lines, "    for name in frozen:", "        model.get_parameter(name).requires_grad_(False)"]


def example(program: Program, batch: int = 2) -> list[torch.Tensor]:
    """Return zeros of the inputs' shapes."""
    made = []
    for tensor in program.inputs.values():
        shape = [batch * size.factor if isinstance(size, Sym) else size for size in tensor.shape]
        made.append(torch.zeros(shape, dtype=getattr(torch, tensor.dtype)))
    return made
