"""Structure: names, shapes, counts, the trainable sets, settings of the specs and those read back from live layers."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from dualnet.backends.protocol import LayerFacts
from dualnet.compare.pair import Pair, Side
from dualnet.compare.stage import Stage
from dualnet.compare.verdict import Finding
from dualnet.specs.node import Node
from dualnet.specs.spec import Spec

# Settings are Python floats on both sides; 1 - momentum costs one rounding.
CLOSE = 1e-12


def structure(pair: Pair) -> Stage:
    """Compare what both sides are, without running them."""
    made = pair.both(lambda side: _facts(pair, side))
    (left, trained_left), (right, trained_right) = made[pair.left.label], made[pair.right.label]
    stage = Stage("structure")
    shapes = [{name: p.shape for name, p in side.spec.parameters.items()} for side in pair.sides]
    for name in dict.fromkeys([*shapes[0], *shapes[1]]):
        both = [found.get(name, "missing") for found in shapes]
        trained = [name in found for found in (trained_left, trained_right)]
        differs = f"shapes {both[0]} and {both[1]}" if both[0] != both[1] else ""
        if not differs and trained[0] != trained[1]:
            differs = f"trained by {(pair.left if trained[0] else pair.right).label} only"
        stage.findings.append(_finding(name, differs))
    stage.findings += [_finding(name, differs) for name, differs in _apart(pair)]
    for ours, theirs in zip(left, right, strict=False):
        stage.findings.append(_finding(ours["path"], differences(ours, theirs)))
    if len(left) != len(right):
        stage.findings.append(_finding("layers", f"{len(left)} and {len(right)} layers"))
    found = stage.first("divergent")
    if found:
        stage.where, stage.cause = found.name, found.note
    stage.figures = {"parameters": sum(layer["parameters"] for layer in left), "layers": len(left)}
    stage.note = f"{len(left)} layers, {stage.figures['parameters']:,} trained numbers"
    return stage


def _apart(pair: Pair) -> Iterator[tuple[str, str]]:
    """Yield each input, output and setting of the two specs, and in words how it differs, or nothing."""
    left, right = (_said(side.spec) for side in pair.sides)
    for name in dict.fromkeys([*left, *right]):
        ours, theirs = (said.get(name, "nothing") for said in (left, right))
        yield name, "" if ours == theirs else f"{ours} and {theirs}"


def _said(spec: Spec) -> dict[str, Any]:
    inputs = {f"input {name}": list(shape) for name, shape in spec.inputs.items()}
    outputs = {f"output {index}": list(shape) for index, shape in enumerate(spec.output_shapes)}
    return inputs | outputs | _fields(spec.data, "data") | _fields(spec.training, "training")


def _fields(node: Node, prefix: str) -> dict[str, Any]:
    """Return the fields of a node, and of the nodes in it, by dotted name."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(node):
        value, name = getattr(node, field.name), f"{prefix}.{field.name}"
        found |= {name: type(value).__name__, **_fields(value, name)} if isinstance(value, Node) else {name: value}
    return found


def _facts(pair: Pair, side: Side) -> tuple[list[LayerFacts], set[str]]:
    session = (
        pair.session(side, pair.dtypes[0])
        if side is pair.left or _alike(pair)
        else pair.host.open(side.backend, side.spec, dtype=pair.dtypes[0])
    )
    return session.structure(), set(session.trainable())


def _alike(pair: Pair) -> bool:
    """Return whether the left side's weights fit the right side."""
    shapes = [{name: p.shape for name, p in side.spec.parameters.items()} for side in pair.sides]
    return shapes[0] == shapes[1]


def differences(left: LayerFacts, right: LayerFacts) -> str:
    """Return in words how two layers' settings differ, or nothing."""
    if left["path"] != right["path"]:
        return f"{left['path']} and {right['path']} stand at the same place"
    if left["parameters"] != right["parameters"]:
        return f"{left['parameters']} and {right['parameters']} trained numbers"
    common = [name for name in left["settings"] if name in right["settings"]]
    parted = [name for name in common if abs(left["settings"][name] - right["settings"][name]) > CLOSE]
    return ", ".join(f"{name} {left['settings'][name]:g} and {right['settings'][name]:g}" for name in parted)


def _finding(name: str, differs: str) -> Finding:
    return Finding(name, "divergent" if differs else "equal", note=differs)
