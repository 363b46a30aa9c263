"""Walking a graph: the one place that follows wires, for running, watching, and passing anything along them."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from dualnet.specs.graph import Scope, Step

Value = TypeVar("Value")


def walk(scope: Scope, values: Sequence[Value], visit: Callable[[Step, list[Value]], Value]) -> tuple[Value, ...]:
    """Pass ``values`` through a graph, calling ``visit(step, inputs)`` on each layer in order; return its outputs."""
    wires = dict(zip(scope.ports, values, strict=True))
    for step in scope.steps:
        inputs = [wires[name] for name in step.inputs]
        made = walk(step.body, inputs, visit) if step.body else (visit(step, inputs),)
        wires.update(zip(step.made, made, strict=True))
    return tuple(wires[name] for name in scope.outputs)
