"""Integers: which inputs of a model hold them, and below what. What embeddings read is integers, all else floats."""

from collections import defaultdict
from collections.abc import Sequence

from dualnet.errors import SpecError
from dualnet.specs.embedding import _Table
from dualnet.specs.graph import Scope, Step

Readers = dict[str, list[Step]]


def integers(graph: Scope) -> dict[str, int]:
    """Return the inputs that hold integers, each with the size that they stay below: of the smallest table it has.

    Raises ``SpecError`` where an embedding reads what is no input, or an input is read as integers and as floats.
    """
    readers: Readers = defaultdict(list)
    outputs = _follow(graph, graph.ports, readers)
    return {port: _bound(port, readers[port], port in outputs) for port in graph.ports if _any_table(readers[port])}


def _follow(scope: Scope, sources: Sequence[str], readers: Readers) -> tuple[str, ...]:
    """Enter who reads each input, "" standing for what layers give; return the source of each output."""
    wires = dict(zip(scope.ports, sources, strict=True))
    for step in scope.steps:
        read = [wires[name] for name in step.inputs]
        if step.body is not None:
            wires.update(zip(step.made, _follow(step.body, read, readers), strict=True))
            continue
        wires[step.name] = ""
        for source in read:
            readers[source].append(step)
        if isinstance(step.layer, _Table) and not read[0]:
            what = "it takes integers, and reads what a layer gives"
            msg = f"{_place(step)}: {what}. Let it read an input of the model."
            raise SpecError(msg)
    return tuple(wires[name] for name in scope.outputs)


def _any_table(steps: list[Step]) -> bool:
    return any(isinstance(step.layer, _Table) for step in steps)


def _bound(port: str, steps: list[Step], given_back: bool) -> int:
    sizes = [step.layer.num_embeddings for step in steps if isinstance(step.layer, _Table)]
    other = next((_place(step) for step in steps if not isinstance(step.layer, _Table)), None)
    if other or given_back:
        reader = other or "the model's output"
        holds = f"The input {port!r} holds integers for embeddings"
        msg = f"{holds}, and {reader} reads it too. Give that an input of its own."
        raise SpecError(msg)
    return min(sizes)


def _place(step: Step) -> str:
    return f"{type(step.layer).__name__} {step.path!r}"
