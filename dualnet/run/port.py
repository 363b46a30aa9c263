"""Port: a live model read, written for the other framework, and brought to life with its weights."""

import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dualnet import store
from dualnet.backends import backend
from dualnet.backends.draws import returned, turned
from dualnet.backends.live import framework
from dualnet.backends.source.document import Document
from dualnet.errors import UnsupportedError
from dualnet.specs.layers import Halve
from dualnet.specs.program import Program, Sym, renamed
from dualnet.specs.spec import Spec


def porter(name: str) -> Any:
    """Return a framework's verbs of porting, importing it. Raises ``UnsupportedError`` if it cannot be had."""
    backend(name)  # says what to install where the framework is not there
    if name not in ("torch", "keras"):
        msg = f"The backend {name!r} does not port. There are: torch, keras."
        raise UnsupportedError(msg)
    return importlib.import_module(f"dualnet.backends.{name}.port")


def other(name: str) -> str:
    """Return the framework to port to by default."""
    return "keras" if name == "torch" else "torch"


def spread(inputs: Any, more: Mapping[str, Any] | None = None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return example inputs by place and by keyword: of one, a tuple, or a dictionary (by place, too: 0, 1 …)."""
    named = dict(more or {})
    if inputs is None:
        return (), named
    if isinstance(inputs, Mapping):
        places = sorted(name for name in inputs if isinstance(name, int))
        rest = {name: value for name, value in inputs.items() if not isinstance(name, int)}
        return tuple(inputs[place] for place in places), rest | named
    return (tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)), named


@dataclass(repr=False)
class Ported:
    """A port: the live ``model``, its ``source``, the ``spec`` (a program) it was written from, its ``weights`` by the
    new model's names, and the ``report`` that certifies it. ``model`` is None where holes are left to be filled.
    """

    source: str
    spec: Program
    weights: dict[str, Any]
    document: Document
    to: str
    model: Any = None
    report: Any = None
    notes: list[str] = field(default_factory=list)

    @property
    def mapping(self) -> list[dict[str, Any]]:
        """A row for each weight: where it came from, where it went, and how its axes lie."""
        return [carry.to_data() for carry in self.document.carries]

    @property
    def moves(self) -> list[str]:
        """Why each transpose that is left in the source is there."""
        return [str(move) for move in self.document.moves]

    def __call__(self, *inputs: Any) -> Any:
        """Return the ported model's outputs, in evaluation mode, for arrays in the original's order of axes."""
        given = [turned(np.asarray(x), order) for x, order in zip(inputs, self.document.in_orders, strict=True)]
        made = porter(self.to).call(self.model, given)
        outputs = [returned(y, order) for y, order in zip(made, self.document.out_orders, strict=True)]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def __repr__(self) -> str:
        verdict = f", {self.report.verdict}" if self.report is not None else ""
        return f"<Port of {self.spec.name} to {self.to}{verdict}>"

    def to_data(self) -> dict[str, Any]:
        """Return the certificate: the report, the mapping table, the layouts, and what was left out."""
        return {
            "model": self.spec.name,
            "from": self.spec.origin,
            "to": self.to,
            "report": self.report.to_data() if self.report is not None else None,
            "inputs": [_lies(n, o) for n, o in zip(self.spec.inputs, self.document.in_orders, strict=True)],
            "outputs": [list(order) for order in self.document.out_orders],
            "weights": self.mapping,
            "unused": self.document.unused,
            "transposes": self.moves,
            "holes": [str(gap) for gap in self.document.gaps],
            "notes": self.notes,
        }

    def save(self, path: str | Path) -> list[Path]:
        """Write ``path`` (source), and beside it .safetensors and .report.json; return what was written."""
        path = Path(path)
        places = [path, path.with_suffix(".safetensors"), path.with_suffix(".report.json")]
        store.save(places[1], self.weights)
        self.save_report(places[2])
        store.write_text(path, self.source)
        return places

    def save_report(self, path: Path) -> None:
        """Write the certificate alone."""
        store.write_text(path, json.dumps(self.to_data(), indent=2) + "\n")


def _lies(name: str, order: tuple[int, ...]) -> dict[str, Any]:
    return {"name": name, "order": list(order)}


def port(model: Any, inputs: Any, to: str, *, partial: bool = False) -> Ported:
    """Return the port of a live model, without a certificate. Raises ``TraceError`` or ``UnsupportedError``."""
    args, kwargs = spread(inputs)
    return written(porter(framework(model)).read(model, args, kwargs), to, partial=partial)


def written(program: Program, to: str, *, partial: bool = False) -> Ported:
    """Return the port of a program."""
    target = porter(to)
    document = target.write(program, partial=partial)
    weights = {carry.target: carry.forth(program.arrays[carry.source]) for carry in document.carries}
    made = Ported(document.source, program, weights, document, to, notes=_notes(program, document))
    if not document.gaps:
        made.model = target.make(document, weights, program.dtype)
    return made


def _notes(program: Program, document: Document) -> list[str]:
    notes = list(program.notes)
    notes += [f"the weight {name} is not read by the model and was left out" for name in document.unused]
    return notes + [f"hole: {gap}" for gap in document.gaps]


def program_of(spec: Spec) -> Program:
    """Return the program of a spec: its torch model, read; blocks bear their own names."""
    for step in spec.graph.leaves():
        if isinstance(step.layer, Halve):
            why = "it loops on values, and source is written from one run, which shows one number of turns"
            msg = f"{spec.name}: Halve {step.path!r} cannot be written as source: {why}. Build the spec instead."
            raise UnsupportedError(msg)
    model = backend("torch").build(spec, seed=0)
    model.eval()
    kinds = dict.fromkeys(spec.integers, "int64")
    inputs = [np.zeros((2, *shape), kinds.get(name, "float32")) for name, shape in spec.inputs.items()]
    program: Program = porter("torch").read(model, tuple(inputs), {})
    program.name, program.about = _camel(spec.name), spec.about or "a spec"
    renamed(program, dict(zip(program.inputs, spec.inputs, strict=True)))
    for scope in program.root.scopes():
        if scope.path and scope.kind == "Block":
            scope.kind = _camel(scope.path.rpartition(".")[2].rstrip("0123456789_")) or "Block"
    return program


def _camel(name: str) -> str:
    words = "".join(word[:1].upper() + word[1:] for word in re.split(r"\W|_", name))
    return words if words.isidentifier() else f"Net{words}"


def examples(program: Program, batch: int = 3, seed: int = 0) -> list[Any]:
    """Return seeded inputs for a program: normal floats, zeros for integers."""
    generator, made = np.random.default_rng(seed), []
    for tensor in program.inputs.values():
        shape = tuple(batch * size.factor if isinstance(size, Sym) else size for size in tensor.shape)
        values = generator.standard_normal(shape) if tensor.dtype.startswith("float") else np.zeros(shape)
        made.append(values.astype(tensor.dtype))
    return made
