"""Located: into every stage that diverges, where the two models part, whether it begins there, and what explains it."""

from collections.abc import Callable

from dualnet.backends.draws import Array
from dualnet.compare.causes import claims
from dualnet.compare.couple import Couple
from dualnet.compare.origin import Scene, origin
from dualnet.compare.report import Report
from dualnet.compare.stage import Stage

Layout = Callable[[str, Array], Array]
MOST = 3  # claims told of one place: the first is the likeliest, the others may follow from it


def locate(report: Report, couple: Couple, layout: Layout) -> None:
    """Fill in ``where``, ``origin`` and ``cause`` of the stages of passes."""
    scenes: dict[tuple[bool, bool], Scene | None] = {}
    for stage in report.stages:
        first = stage.first("divergent")
        if first is None or stage.name not in PASSES:
            continue
        training, backward = PASSES[stage.name](first.name)
        for key in dict.fromkeys(((training, False), (training, backward))):
            if key not in scenes:
                scenes[key] = _scene(couple, *key)
            scene = scenes[key]
            if scene is not None:
                _tell(stage, scene, couple, layout)
                break


# Which pass shows the divergence of a stage: in training mode, backward.
PASSES: dict[str, Callable[[str], tuple[bool, bool]]] = {
    "forward": lambda name: (False, False),
    "train mode": lambda name: (True, False),
    "gradients": lambda name: (name.startswith("train"), True),
}


def _scene(couple: Couple, training: bool, backward: bool) -> Scene | None:
    try:
        return origin(couple, training, backward)
    except Exception:  # a model whose layers cannot be watched still has the verdict of its stages
        return None


def _tell(stage: Stage, scene: Scene, couple: Couple, layout: Layout) -> None:
    mode = "train" if scene.training else "eval"
    stage.where = f"{scene.where} ({mode} mode{', backward' if scene.backward else ''})"
    stage.origin = scene.origin
    found = claims(scene, couple.sides, _weights(scene, couple, layout))
    stage.cause = " | ".join(map(str, found[:MOST])) or "unknown"


def _weights(scene: Scene, couple: Couple, layout: Layout) -> dict[str, Array]:
    """Return the left layer's weights by role, at the start, in float64, as PyTorch lays them."""
    if scene.twin is None:
        return {}
    start, seen = couple.start[couple.sides[0]], scene.twin.left
    held = {name: start[name] for name in seen.weights.values() if name in start}
    found = {role: layout(name, held[name].astype("float64")) for role, name in seen.weights.items() if name in held}
    return {ROLES.get(role, role): array for role, array in found.items()}


ROLES = {"kernel": "weight", "gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
         "moving_variance": "running_var", "embeddings": "weight"}  # fmt: skip
