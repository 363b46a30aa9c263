"""Modes: the traces of evaluation and training as one list of ops; where they differ, it depends on the mode."""

import difflib
from dataclasses import dataclass, field, replace
from typing import Any

from dualnet.backends.torch.read.trace import Trace
from dualnet.specs.program import ByMode, Held, Op, Ref, Tensor, leaves, replaced

Stack = tuple[tuple[str, str, str], ...]
Entry = tuple[Op, Stack]
DROPS = {"dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"}


@dataclass
class _Merger:
    evaluated: Trace
    trained: Trace
    ops: list[Entry] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # a wire of training → the wire of the merged program
    alike: dict[str, str] = field(default_factory=dict)  # a wire of training → evaluation's for the same thing
    chosen: dict[tuple[str, str], str] = field(default_factory=dict)
    stack: Stack = ()

    def both(self, one: Entry, other: Entry) -> None:
        """Enter an op that both modes have."""
        self.stack = one[1]
        keys = dict.fromkeys([*one[0].arguments, *other[0].arguments])
        arguments = {key: self.either(one[0].arguments.get(key), other[0].arguments.get(key)) for key in keys}
        for mine, theirs in zip(one[0].results, other[0].results, strict=True):
            self.names[theirs] = self.alike[theirs] = mine
        self.ops.append((replace(one[0], arguments=arguments), one[1]))

    def trains(self, entry: Entry) -> None:
        """Enter an op that only training has; dropout is none in evaluation."""
        op, self.stack = entry
        arguments = {key: self.training(value) for key, value in op.arguments.items()}
        results = tuple(f"{name}_training" for name in op.results)
        for theirs, mine in zip(op.results, results, strict=True):
            self.names[theirs] = mine
            self.evaluated.wires[mine] = self.trained.wires[theirs]
        source = op.arguments.get("input")
        if op.op in DROPS and isinstance(source, Ref) and source.name in self.alike:
            arguments["train"] = ByMode(True, False)
            self.alike[op.results[0]] = self.alike[source.name]
            self.ops.append((replace(op, arguments=arguments, results=results), self.stack))
            return
        self.ops.append((replace(op, arguments=arguments, results=results, mode="training"), self.stack))

    def training(self, value: Any) -> Any:
        """Return an argument of training in terms of the merged wires."""
        return replaced(value, lambda v: Ref(self.names[v.name]) if isinstance(v, Ref) else v)

    def either(self, one: Any, other: Any) -> Any:
        """Return one argument for evaluation's and training's."""
        if isinstance(one, (Ref, Held)) and isinstance(other, (Ref, Held)):
            return self.choose(one, other)
        if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
            return tuple(self.either(a, b) for a, b in zip(one, other, strict=True))
        if one == other and type(one) is type(other):
            return one
        if any(isinstance(v, (Ref, Held)) for v in (*leaves(one), *leaves(other))):
            raise _ClashError
        return ByMode(other, one)

    def choose(self, one: Ref | Held, other: Ref | Held) -> Ref | Held:
        """Return the wire that is ``one`` in evaluation and ``other`` in training."""
        if isinstance(one, Held) and one == other:
            return one
        mine = Ref(self.names[other.name]) if isinstance(other, Ref) else other
        if isinstance(other, Ref) and isinstance(one, Ref) and self.alike.get(other.name) == one.name:
            return mine
        key = (str(one), str(mine))
        if key not in self.chosen:
            left, right = self.type(one, self.evaluated), self.type(other, self.trained)
            if left.shape != right.shape:
                raise _ClashError
            self.chosen[key] = f"by_mode_{len(self.chosen)}"
            self.evaluated.wires[self.chosen[key]] = left
            op = Op("by_mode", {"training": mine, "inference": one}, (self.chosen[key],))
            self.ops.append((op, self.stack))
        return Ref(self.chosen[key])

    def type(self, value: Ref | Held, where: Trace) -> Tensor:
        """Return what a value carries in one of the traces."""
        if isinstance(value, Ref):
            return where.wires[value.name]
        held = where.held[value.name]
        return Tensor(tuple(held.shape), str(held.dtype).removeprefix("torch."))


class _ClashError(Exception):
    """The modes differ in what cannot be one program."""


def merged(evaluated: Trace, trained: Trace) -> tuple[list[Entry], tuple[Any, ...], str]:
    """Return the ops of both modes as one list and the outputs; or evaluation's alone, and where training parts."""
    if evaluated is trained:
        return evaluated.ops, evaluated.outputs, ""
    merger = _Merger(evaluated, trained)
    for name in evaluated.inputs:
        merger.names[name] = merger.alike[name] = name
    left, right = evaluated.ops, trained.ops
    place = ""
    try:
        for tag, a, b, c, d in _aligned([_key(entry) for entry in left], [_key(entry) for entry in right]):
            if tag == "equal":
                for one, other in zip(left[a:b], right[c:d], strict=True):
                    place = one[0].place
                    merger.both(one, other)
            else:
                merger.ops += [(replace(op, mode="inference"), stack) for op, stack in left[a:b]]
                for other in right[c:d]:
                    place = other[0].place
                    merger.trains(other)
        if [_shape(v, evaluated) for v in evaluated.outputs] != [_shape(v, trained) for v in trained.outputs]:
            evaluated.training = tuple(merger.training(value) for value in trained.outputs)
            return merger.ops, evaluated.outputs, ""
        outputs = tuple(merger.either(a, b) for a, b in zip(evaluated.outputs, trained.outputs, strict=True))
    except (_ClashError, KeyError):
        return evaluated.ops, evaluated.outputs, place or "in code that is not its own"
    return merger.ops, outputs, ""


def _shape(value: Any, where: Trace) -> Any:
    return where.wires[value.name].shape if isinstance(value, Ref) else value


def _key(entry: Entry) -> tuple[str, str, int]:
    op, stack = entry
    return op.op, stack[-1][0] if stack else "", len(op.results)


def _aligned(left: list[Any], right: list[Any]) -> list[tuple[str, int, int, int, int]]:
    if left == right:
        return [("equal", 0, len(left), 0, len(right))]
    return list(difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes())
