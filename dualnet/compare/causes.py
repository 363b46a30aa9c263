"""Causes: the known traps, and which of them explains what two models do differently at the place where they part."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from dualnet.backends.draws import FIRST, Array
from dualnet.compare.formulas import Form, Label, Layer, entrywise, flattened, forms, head
from dualnet.compare.origin import Scene
from dualnet.compare.traps import Claim, named_by_setting
from dualnet.compare.twins import gap
from dualnet.compare.windows import pads

# A formula is a side's own if it gives what the side gave up to rounding: float64 sums in another order, with the same
# room as between the sides (SAME), times ten, for NumPy is a third way to write it.
FITS = 1e-9
Images = frozenset[tuple[int, ...]]


def claims(
    scene: Scene, sides: tuple[str, str], weights: dict[str, Array], images: Images = frozenset()
) -> list[Claim]:
    """Return the traps that explain a scene, the best proven first; none where none does.

    ``weights`` are those of the layer by role, as PyTorch lays them; ``images`` the shapes (C, H, W) that its input may
    have been flattened from.
    """
    found = list(_by_formula(scene, sides, weights, images))
    found += [claim for claim in _by_settings(scene, sides) if claim.trap not in {each.trap for each in found}]
    return found or [*_by_values(scene, sides), *_by_neighbours(scene, sides)]


def _by_settings(scene: Scene, sides: tuple[str, str]) -> Iterator[Claim]:
    """Yield the settings that the two layers read back differently, in the order of the table of traps."""
    if scene.twin is None:
        return
    ours, theirs = scene.twin.left, scene.twin.right
    if ours.kind != theirs.kind and not (ours.weights or theirs.weights):
        yield Claim(
            "activation" if _pointwise(scene) else "layer kind", f"{sides[0]} has {ours.kind}, {sides[1]} {theirs.kind}"
        )
    both = [_plain(seen.settings, scene.x) for seen in (ours, theirs)]
    for key in both[0]:
        if key in both[1] and both[0][key] != both[1][key] and key != "training":
            trap = named_by_setting(ours.kind, key, both[0][key], both[1][key])
            yield Claim(trap, f"{key} is {_said(both[0][key])} in {sides[0]}, {_said(both[1][key])} in {sides[1]}")


def _pointwise(scene: Scene) -> bool:
    return scene.left.shape == scene.right.shape and bool(scene.x) and scene.x[0].shape == scene.left.shape


def _plain(settings: dict[str, Any], x: list[Array]) -> dict[str, Any]:
    """Return settings with the padding in numbers, so that "same" and 1 are one where they are, and axes from 0."""
    made = dict(settings)
    if "padding" in made and "kernel" in made and x and x[0].ndim == 2 + len(made["kernel"]):
        wide = made.get("dilation", (1,) * len(made["kernel"]))
        made["padding"] = pads(made["padding"], x[0].shape[2:], made["kernel"], made["stride"], wide)
    if isinstance(made.get("axis"), int) and x:
        made["axis"] %= x[0].ndim
    if "epsilon" in made and made["epsilon"] is not None:
        made["epsilon"] = float(f"{made['epsilon']:.6g}")
    return {
        key: round(value, 9) if isinstance(value, float) and key != "epsilon" else value for key, value in made.items()
    }


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _by_formula(scene: Scene, sides: tuple[str, str], weights: dict[str, Array], images: Images) -> Iterator[Claim]:
    """Yield in what the formulas differ by which either side computes, where both are found."""
    for layer in _layers(scene, weights, images):
        with np.errstate(all="ignore"):
            ours, theirs = (_labels(layer, out) for out in (scene.left, scene.right))
        pairs = [(len(_differ(a, b)), i, a, b) for i, (a, b) in enumerate((a, b) for a in ours for b in theirs)]
        if pairs:
            _, _, a, b = min(pairs, key=lambda row: row[:2])
            for trap in sorted(_differ(a, b), key=_rank):
                mine, other = (label.get(trap, "the usual") for label in (a, b))
                yield Claim(
                    _renamed(trap, scene, (mine, other)), f"{sides[0]} computes with {mine}, {sides[1]} with {other}"
                )
            return


def _renamed(trap: str, scene: Scene, values: tuple[str, str]) -> str:
    """Return the trap where what it is depends on the place: of an activation that is not there, of a factor."""
    if trap == "activation" and "none" in values:
        return "layer missing"
    if trap != "scale":
        return trap
    latest = [*scene.agreed][-1:] or [""]
    if (scene.twin is not None and scene.twin.left.kind == "embedding") or "embed" in latest[0]:
        return "embedding scale"
    return "input scale"


def _layers(scene: Scene, weights: dict[str, Array], images: Images) -> Iterator[Layer]:
    """Yield what the scene may be the work of: its layer, or anything made of what was agreed on before."""
    if scene.twin is not None and scene.x:
        seen = scene.twin.left
        epsilons = [each.settings.get("epsilon") for each in (scene.twin.left, scene.twin.right)]
        known = tuple(dict.fromkeys(float(e) for e in epsilons if e is not None))
        x = scene.x[0].astype(np.float64) if scene.x[0].dtype.kind == "f" else scene.x[0]
        settings = _plain(seen.settings, scene.x) | {"evaluated": not scene.training}
        yield Layer(seen.kind, x, scene.left, weights, settings, known, images)
        if not seen.weights:
            yield Layer("", x, scene.left)
        return
    for x in list(scene.agreed.values())[::-1][:6]:
        if x.dtype.kind == "f":
            yield Layer("", x, scene.left)


def _labels(layer: Layer, out: Array) -> list[Label]:
    """Return the labels of the formulas that give an output."""
    layer = replace(layer, out=out)
    try:
        return [label for label, made in _all(layer) if _gives(made, out)]
    except (KeyError, ValueError, IndexError, TypeError):  # a layer that is not what its kind says
        return []


def _gives(made: Array, out: Array) -> bool:
    part = head(out, made)
    return made.shape == part.shape and gap(made, part) <= FITS


def _all(layer: Layer) -> Iterator[Form]:
    if layer.kind:
        yield from forms(layer)
        return
    yield from entrywise(layer)
    if layer.x.ndim > 2 and layer.out.ndim == 2:
        yield from flattened(layer)


# What is said first, where formulas differ in several ways: those of which others follow.
LEADS = ("mode", "stride", "dilation", "pooling kind", "normalised axes", "activation", "epsilon placement")


def _rank(trap: str) -> int:
    return LEADS.index(trap) if trap in LEADS else len(LEADS)


def _differ(a: Label, b: Label) -> list[str]:
    return [key for key in dict.fromkeys((*a, *b)) if a.get(key, "") != b.get(key, "")]


def _by_neighbours(scene: Scene, sides: tuple[str, str]) -> Iterator[Claim]:
    """Yield a residual that one side leaves out, and calls that one side alone makes."""
    if scene.left.shape == scene.right.shape and scene.left.dtype.kind == "f":
        difference = scene.left - scene.right
        around = {seen.path: seen.outputs[0] for calls in scene.alone.values() for seen in calls if seen.outputs}
        for name, array in (scene.agreed | around).items():
            for sign, has, lacks in ((1, *sides), (-1, *sides[::-1])):
                if array.dtype.kind == "f" and _near(sign * array, difference):
                    yield Claim("residual missing", f"{has} adds the output of {name}, {lacks} does not")
                    return
    for side, calls in scene.alone.items():
        kinds = [seen.kind for seen in calls if seen.kind not in ("identity", "dropout", "pad", "flatten", "Add")]
        if len(kinds) == 1:
            yield Claim("layer missing", f"only {side} calls {calls[-1].path} ({kinds[0]}) here")


def _by_values(scene: Scene, sides: tuple[str, str]) -> Iterator[Claim]:
    """Yield what the two outputs show by themselves: one is the other times a number, rounded, or in another order."""
    left, right = scene.left, scene.right
    if left.dtype.kind != "f" or right.dtype.kind != "f" or left.size != right.size or not left.size:
        return
    if left.shape == right.shape:
        for name in ("float16", "float32"):
            for side, made, other in ((sides[1], right, left), (sides[0], left, right)):
                if gap(other.astype(name).astype(np.float64), made) <= FITS:
                    yield Claim("dtype cast", f"{side} rounds to {name} on the way")
                    return
        factor = _stretch(left, right)
        if factor:
            trap = "input scale" if all(name.startswith("input ") for name in scene.agreed) else "scale"
            yield Claim(
                trap, f"{sides[0]} gives {factor:.6g} times what {sides[1]} gives, up to a shift of each channel"
            )
            return
    if gap(np.sort(left, axis=None).reshape(-1), np.sort(right, axis=None).reshape(-1)) <= FITS:
        yield Claim("flatten order", "both give the same numbers in another order")


def _near(array: Array, difference: Array) -> bool:
    """Return whether an array is a difference, as it lies or with its channels first."""
    orders = [tuple(range(array.ndim)), *([FIRST[array.ndim]] if array.ndim in FIRST else [])]
    turned = [np.transpose(array, order) for order in orders]
    return any(each.shape == difference.shape and gap(each, difference) <= FITS for each in turned)


def _stretch(left: Array, right: Array) -> float:
    """Return the one factor by which the left array is the right one, each channel shifted; 0 if there is none."""
    axes = tuple(axis for axis in range(left.ndim) if axis != 1 or left.ndim == 1)
    ours, theirs = (each - each.mean(axes, keepdims=True) for each in (left, right))
    size = float((theirs * theirs).sum())
    factor = float((ours * theirs).sum()) / size if size else 0.0
    return factor if factor and gap(ours, factor * theirs) <= FITS else 0.0
