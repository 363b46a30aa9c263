"""Structure: names, shapes, counts, the trainable sets, and the settings read back from both live objects."""

from dualnet.backends.protocol import LayerFacts
from dualnet.compare.pair import Pair, Side
from dualnet.compare.stage import Stage
from dualnet.compare.verdict import Finding

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


def _facts(pair: Pair, side: Side) -> tuple[list[LayerFacts], set[str]]:
    session = (
        pair.session(side, "float32") if side is pair.left or _alike(pair) else pair.host.open(side.backend, side.spec)
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
