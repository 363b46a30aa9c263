"""Located: into every stage that diverges, where the two models part, whether it begins there, and what explains it."""

from collections.abc import Callable, Iterable
from functools import cache, partial

from dualnet.backends.draws import Array
from dualnet.compare.causes import claims
from dualnet.compare.couple import Couple
from dualnet.compare.lessons import taught
from dualnet.compare.origin import Scene, origin
from dualnet.compare.report import Report
from dualnet.compare.smallest import Smallest, smallest
from dualnet.compare.stage import Stage
from dualnet.compare.traps import Claim
from dualnet.compare.weighed import crossed, moved, unlike

Layout = Callable[[str, Array], Array]
MOST = 3  # claims told of one place: the first is the likeliest, the others may follow from it


def locate(report: Report, couple: Couple, layout: Layout) -> None:
    """Fill in ``where``, ``origin`` and ``cause`` of the stages of passes."""
    scenes: dict[tuple[bool, bool], Scene | str | None] = {}
    lesson = cache(partial(_lesson, couple))
    for stage in report.stages:
        first = stage.first("divergent")
        if first is None:
            continue
        if stage.name in OF_WEIGHTS:
            stage.cause = " | ".join(map(str, OF_WEIGHTS[stage.name](couple, stage, layout))) or stage.cause
        if not stage.cause and stage.name in ("loss", "step", "state") and couple.recipes is not None:
            stage.cause = lesson()
        if stage.name not in PASSES:
            continue
        training, backward = PASSES[stage.name](first.name)
        outputs = report.stage("train mode" if training else "forward")
        ahead = [(training, False)] if outputs.verdict == "divergent" else []
        for key in dict.fromkeys((*ahead, (training, backward))):
            if key not in scenes:
                scenes[key] = _scene(couple, *key)
            scene = scenes[key]
            if isinstance(scene, str):
                stage.origin = stage.origin or scene
            elif scene is not None:
                _tell(stage, scene, couple, layout)
                report.smallest = report.smallest or _shrunk(couple, scene, stage.cause)
                break
        if first.name == "draws" and stage.cause == "unknown":
            stage.cause = str(Claim("layer missing", first.note))
        if first.name.startswith("draw ") and first.note.startswith("rates "):
            stage.cause = str(Claim("dropout rate", first.note))


def _shrunk(couple: Couple, scene: Scene, cause: str) -> Smallest | None:
    try:
        return smallest(couple, scene, cause)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):  # layers that are not what they seem
        return None


def _lesson(couple: Couple) -> str:
    try:
        return " | ".join(map(str, taught(couple)[:MOST]))
    except (ValueError, KeyError, TypeError, IndexError):  # outputs or targets that no formula reads
        return ""


# What explains a weight that differs.
OF_WEIGHTS: dict[str, Callable[[Couple, Stage, Layout], Iterable[Claim]]] = {
    "structure": lambda couple, stage, layout: unlike(couple, stage),
    "weights": crossed,
    "step": lambda couple, stage, layout: () if stage.cause else moved(couple, stage),
    "state": lambda couple, stage, layout: () if stage.cause else moved(couple, stage),
}

# Which pass shows the divergence of a stage: in training mode, backward.
PASSES: dict[str, Callable[[str], tuple[bool, bool]]] = {
    "forward": lambda name: (False, False),
    "train mode": lambda name: (True, False),
    "gradients": lambda name: (name.startswith("train"), True),
}


def _scene(couple: Couple, training: bool, backward: bool) -> Scene | str | None:
    """Return the place, or why it could not be found: such a model still has the verdict of its stages."""
    try:
        return origin(couple, training, backward)
    except Exception as error:  # whatever the user's layers raise when they are watched
        return f"not located: watching the layers failed: {type(error).__name__}: {str(error).splitlines()[:1]}"


def _tell(stage: Stage, scene: Scene, couple: Couple, layout: Layout) -> None:
    mode = "train" if scene.training else "eval"
    stage.where = f"{scene.where} ({mode} mode{', backward' if scene.backward else ''})"
    stage.origin = scene.origin
    stage.cause = "unknown"
    if "c" in (scene.left.dtype.kind, scene.right.dtype.kind):
        return  # of complex numbers no formula knows
    try:
        found = claims(scene, couple.sides, _weights(scene, couple, layout), couple.layouts.images)
    except (
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        ArithmeticError,
    ) as error:  # layers that are not what they seem
        stage.cause = f"unknown: the formulas do not read this layer ({type(error).__name__})"
        return
    stage.cause = " | ".join(map(str, found[:MOST])) or "unknown"


def _weights(scene: Scene, couple: Couple, layout: Layout) -> dict[str, Array]:
    """Return the left layer's weights by role, at the start, in float64, as PyTorch lays them."""
    if scene.twin is None:
        return {}
    start, seen = couple.start[couple.sides[0]], scene.twin.left
    held = {name: start[name] for name in seen.weights.values() if name in start}
    return {role: layout(name, held[name].astype("float64")) for role, name in seen.weights.items() if name in held}
