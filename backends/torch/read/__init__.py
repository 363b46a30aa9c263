"""Reading: a live module as a program, with its hierarchy, both of its modes, and its weights."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.utils import _pytree as pytree

from dualnet.backends.torch.read.modes import merged
from dualnet.backends.torch.read.trace import Trace, doubled, trace
from dualnet.errors import TraceError
from dualnet.specs.program import Held, Op, Program, Ref, Scope, Sym, Weight, replaced, wire
from dualnet.specs.program import Tensor as Type

Stack = tuple[tuple[str, str, str], ...]


def read(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None) -> Program:
    """Return the program of ``module(*args, **kwargs)``. Raises ``TraceError`` where it cannot be traced.

    The module itself is left as it was. The first axis of the inputs is symbolic where the code allows it.
    """
    args, kwargs = _apart(args, kwargs or {})
    _ready(module, args, kwargs)
    evaluated, trained, notes = _both(module, args, kwargs)
    ops, evaluated.outputs, clash = merged(evaluated, trained)
    if clash:
        notes = (*notes, f"in training mode the module does something else ({clash}); this is its evaluation mode")
    evaluated.held = trained.held | evaluated.held
    program = _program(module, evaluated, ops, notes)
    program.clash, program.sizes = clash, _sizes(program, args, kwargs)
    return program


def _apart(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the example with a copy where one tensor is given twice: a trace would take both inputs for one."""
    seen: set[int] = set()

    def own(value: Any) -> Any:
        again = isinstance(value, Tensor) and id(value) in seen
        seen.add(id(value))
        return value.detach().clone() if again else value

    given: tuple[tuple[Any, ...], dict[str, Any]] = pytree.tree_map(own, (args, dict(kwargs)))
    return given


def _sizes(program: Program, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, int]:
    """Return the size of each symbol in the example."""
    tensors = [leaf for leaf in pytree.tree_leaves((args, dict(kwargs))) if isinstance(leaf, Tensor)]
    return {
        size.symbols[0]: int(actual)
        for tensor, type_ in zip(tensors, program.inputs.values(), strict=False)
        for actual, size in zip(tensor.shape, type_.shape, strict=True)
        if isinstance(size, Sym) and len(size.symbols) == 1 and size.factor == 1
    }


def _ready(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Run a module once whose parameters have no shape yet."""
    states = [*module.parameters(), *module.buffers()]
    if any(isinstance(state, (UninitializedParameter, UninitializedBuffer)) for state in states):
        with torch.no_grad():
            module(*args, **kwargs)


def _both(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Trace, Trace, tuple[str, ...]]:
    """Trace both modes, with a symbolic batch if that works, else with the example's."""
    attempts: list[tuple[tuple[Any, ...], Mapping[str, Any], bool]] = [(args, kwargs, True), (args, kwargs, False)]
    if (twice := doubled(args, kwargs)) is not None:
        attempts.insert(0, (*twice, True))
        attempts.pop(1)
    failure: TraceError | None = None
    for arguments, named, dynamic in attempts:
        try:
            evaluated = trace(module, arguments, named, training=False, dynamic=dynamic)
        except TraceError as error:
            failure = failure or error
            continue
        try:
            trained = trace(module, arguments, named, training=True, dynamic=dynamic)
        except TraceError as error:
            trained = evaluated
            notes: tuple[str, ...] = (f"training mode could not be traced ({error}); this is its evaluation mode",)
        else:
            notes = ()
        if not dynamic:
            notes = (*notes, f"the batch axis is fixed as in the example: {failure}")
        elif _settled(evaluated, arguments, named):
            notes = (*notes, "the batch axis is fixed as in the example: the code allows no other size")
        return evaluated, trained, notes
    assert failure is not None  # a loop of attempts that all failed
    raise failure


def _settled(made: Trace, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Return whether no input has an axis of any size though some were asked to have one."""
    asked = any(isinstance(v, Tensor) and v.dim() and v.size(0) > 1 for v in pytree.tree_leaves((args, dict(kwargs))))
    return asked and not any(isinstance(size, Sym) for type_ in made.inputs.values() for size in type_.shape)


def _program(module: nn.Module, made: Trace, ops: list[tuple[Op, Stack]], notes: tuple[str, ...]) -> Program:
    weights, arrays, tied = _weights(module, made)

    def settled(value: Any) -> Any:
        return Held(tied.get(value.name, value.name)) if isinstance(value, Held) else value

    ops = [(replace(op, arguments=replaced(op.arguments, settled)), stack) for op, stack in ops]
    ops, outputs, wires = _outputs(made, ops)
    training = tuple(value.name for value in made.training if isinstance(value, Ref))
    ops = _live(ops, (*outputs, *training))
    root = _scopes(module, ops)
    wire(root, (*outputs, *training))
    used = {name for op, _ in ops for name in op.held()}
    kept = {name: weight for name, weight in weights.items() if name in used or weight.kind != "constant"}
    name = type(module).__name__
    return Program(
        name if name.isidentifier() and name not in ("Sequential", "ModuleList") else "Net",
        made.inputs,
        outputs,
        root,
        wires,
        kept,
        {key: arrays[key] for key in kept},
        made.keys,
        notes,
        training_outputs=training,
    )


def _live(ops: list[tuple[Op, Stack]], outputs: tuple[str, ...]) -> list[tuple[Op, Stack]]:
    """Return the ops whose results reach an output; random draws stay in step with the original's."""
    needed, kept = set(outputs), []
    for op, stack in reversed(ops):
        if needed.intersection(op.results) or not op.results:
            needed.update(op.refs())
            kept.append((op, stack))
    return kept[::-1]


def _outputs(
    made: Trace, ops: list[tuple[Op, Stack]]
) -> tuple[list[tuple[Op, Stack]], tuple[str, ...], dict[str, Type]]:
    """Return the wires that the model gives back; a weight given back as it is becomes a wire of its own."""
    wires, names, ops = dict(made.wires), [], list(ops)
    for index, value in enumerate(made.outputs):
        if isinstance(value, Ref):
            names.append(value.name)
        elif isinstance(value, Held):
            wire_name = f"output_{index}"
            tensor = made.held[value.name]
            wires[wire_name] = Type(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
            ops.append((Op("alias", {"input": value}, (wire_name,)), ()))
            names.append(wire_name)
    if not names:
        msg = "the module returns no tensor"
        raise TraceError(msg)
    return ops, tuple(names), wires


def _weights(module: nn.Module, made: Trace) -> tuple[dict[str, Weight], dict[str, Any], dict[str, str]]:
    """Return the weights, their arrays, and the first name of each tied one."""
    named: dict[str, tuple[Tensor, str]] = {
        name: (tensor, "parameter") for name, tensor in module.named_parameters(remove_duplicate=False)
    }
    named |= {name: (tensor, "buffer") for name, tensor in module.named_buffers(remove_duplicate=False)}
    named |= {name: (tensor, "constant") for name, tensor in made.held.items() if name not in named}
    first: dict[int, str] = {}
    tied: dict[str, str] = {}
    weights: dict[str, Weight] = {}
    arrays: dict[str, Any] = {}
    for name, (tensor, kind) in named.items():
        owner = first.setdefault(id(tensor), name)
        tied[name] = owner
        if name.endswith("num_batches_tracked"):
            continue
        if owner != name:
            weights[owner] = replace(weights[owner], also=(*weights[owner].also, name))
        else:
            type_ = Type(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
            trainable = kind == "parameter" and tensor.requires_grad
            weights[name] = Weight(name, type_, kind, trainable)
            # a constant that was captured while everything was fake has no values: it cannot happen for real modules
            arrays[name] = np.ascontiguousarray(tensor.detach().cpu().numpy()).copy()
    return weights, arrays, tied


def _scopes(module: nn.Module, ops: list[tuple[Op, Stack]]) -> Scope:
    """Nest the ops as the modules they ran in were nested."""
    root = Scope("", type(module).__name__)
    open_: list[tuple[str, Scope]] = [("", root)]
    calls: dict[str, int] = {}
    for op, stack in ops:
        inner = [entry for entry in stack if entry[1] != ""]
        depth = 0
        while depth < len(inner) and depth + 1 < len(open_) and open_[depth + 1][0] == inner[depth][0]:
            depth += 1
        del open_[depth + 1 :]
        for key, path, kind in inner[depth:]:
            own = path.partition("@")[0]
            short = kind if kind.startswith("torch.nn.") else kind.rpartition(".")[2]
            scope = Scope(own, short, call=calls.get(own, 0))
            calls[own] = scope.call + 1
            open_[-1][1].body.append(scope)
            open_.append((key, scope))
        open_[-1][1].body.append(op)
    return root
