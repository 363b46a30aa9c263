"""Lessons: what explains that two sides' losses or optimizers differ, by the steps that they took in float64."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy import special

from dualnet.backends.draws import Array, Arrays
from dualnet.backends.recipe import Learned
from dualnet.compare.couple import Couple
from dualnet.compare.tolerance import SAME
from dualnet.compare.traps import Claim
from dualnet.compare.twins import gap
from dualnet.compare.updates import Label, clippings, rules

# A rule is a side's own if it moves the weights as the side did. The change is what was left after subtracting weights
# a hundred times larger: two of float64's sixteen digits are lost there, and SAME leaves six.
FITS = 1e-8


def taught(couple: Couple) -> list[Claim]:
    """Return what explains the first step at which the sides part: its loss, its clipping, its update."""
    ours, theirs = (couple.learned[side, "float64"] for side in couple.sides)
    names = [name for name in ours[0].raw if name in couple.paired and name in theirs[0].raw]
    outputs = zip(*(couple.outputs(side, True) for side in couple.sides), strict=False)
    if not names or any(gap(a, b) > SAME for a, b in outputs):
        return []  # what the losses read differs already
    for at, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if _apart(a.raw, b.raw, names) > 10 * SAME or abs(a.loss - b.loss) > 10 * SAME * max(abs(a.loss), abs(b.loss)):
            return list(losses(couple, a, b, names)) if at == 0 else []
        if a.clipped and _apart(a.clipped, b.clipped, names) > 10 * SAME:
            return list(_clipped(couple, a, b, names))
        if a.clipped and _apart(a.weights, b.weights, names) > SAME:
            return list(_updated(couple, ours[: at + 1], theirs[: at + 1], names))
    return []


def _apart(left: Arrays, right: Arrays, names: Sequence[str]) -> float:
    """Return the largest difference, relative to the largest of all: small ones among large ones are rounding."""
    size = max((float(np.abs(left[name]).max(initial=0.0)) for name in names), default=0.0)
    return max(float(np.abs(left[name] - right[name]).max(initial=0.0)) for name in names) / (size or 1.0)


def losses(couple: Couple, a: Learned, b: Learned, names: Sequence[str]) -> Iterator[Claim]:
    """Yield what makes one loss of the other: a factor, or another formula on the outputs that both sides gave."""
    sides = couple.sides
    factor = _factor(a.raw, b.raw, names)
    labels = [_loss_labels(couple, side, made.loss) for side, made in zip(sides, (a, b), strict=True)]
    both = [(x, y) for x in labels[0] for y in labels[1]]
    if both:
        x, y = min(both, key=lambda pair: len(_differ(*pair)))
        for trap in _differ(x, y):
            yield Claim(
                trap, f"{sides[0]}'s loss is that with {x.get(trap, 'none')}, {sides[1]}'s with {y.get(trap, 'none')}"
            )
        return
    if factor is not None:
        yield Claim(_ratio(couple, factor), f"{sides[0]}'s loss and gradients are {factor:.6g} times {sides[1]}'s")
        return
    for index, side in enumerate(sides):
        if labels[index] and not labels[1 - index]:
            known = _differ(labels[index][0], {})
            other = sides[1 - index]
            yield Claim(
                "loss", f"{side}'s loss is cross entropy ({', '.join(known) or 'plain'}), {other}'s none of its forms"
            )


def _factor(left: Arrays, right: Arrays, names: Sequence[str]) -> float | None:
    ours, theirs = (np.concatenate([each[name].ravel() for name in names]) for each in (left, right))
    size = float(theirs @ theirs)
    factor = float(ours @ theirs) / size if size else 0.0
    return factor if factor and gap(ours, factor * theirs) <= FITS else None


def _ratio(couple: Couple, factor: float) -> str:
    """Return the trap of a factor: the number of samples, of classes, of entries, else a squared temperature."""
    outputs = couple.outputs(couple.sides[0], True)
    counts = {len(outputs[0]), outputs[0].size // outputs[0].shape[-1]}
    classes = outputs[0].shape[-1]
    whole = factor if factor > 1 else 1 / factor
    if abs(whole - classes) < 1e-6 * whole:
        return "batchmean" if classes not in counts else "reduction"
    sizes = {each.size for each in outputs} | {n * m for n in counts for m in (1, classes)}
    sizes |= {each.size // len(each) for each in outputs} | counts
    return "reduction" if any(abs(whole - size) < 1e-6 * whole for size in sizes) else "temperature squared"


def _loss_labels(couple: Couple, side: str, value: float) -> list[Label]:
    """Return the forms of cross entropy that give a value, of outputs read as logits, probabilities or their logs."""
    targets = np.asarray(couple._targets("float64"))
    found = []
    for output in couple.outputs(couple.sides[0], True):
        for label, made in _cross_entropies(np.asarray(output, np.float64), targets):
            if np.isfinite(made) and abs(made - value) <= FITS * max(abs(value), 1e-300):
                found.append(label)
    return found


def _cross_entropies(output: Array, targets: Array) -> Iterator[tuple[Label, float]]:
    classes = output.shape[-1]
    if targets.dtype.kind in "iu" and targets.shape == output.shape[:-1]:
        hot = np.eye(classes)[targets]
    elif targets.shape == output.shape:
        hot = targets.astype(np.float64)
    else:
        return
    with np.errstate(all="ignore"):
        total = output.sum(-1, keepdims=True)
        chances = bool((output > 0).all() and np.allclose(total, 1.0))
        logs: list[tuple[Label, Array]] = [
            ({"from logits": "two" if chances else "one softmax"}, special.log_softmax(output, -1)),
            ({"from logits": "three" if chances else "two"}, special.log_softmax(special.softmax(output, -1), -1)),
        ]
        if chances:
            logs.append(({"from logits": "one softmax"}, np.log(output)))
            logs += [
                ({"from logits": "one softmax", "loss epsilon": f"{e:g} added"}, np.log(output + e))
                for e in (1e-7, 1e-8, 1e-12)
            ]
            clip = np.log(np.clip(output, 1e-7, 1 - 1e-7))
            logs.append(({"from logits": "one softmax", "loss epsilon": "clipped at 1e-7"}, clip))
        for label, log in logs:
            for smooth in (0.0, 0.1, 0.05, 0.2):
                each = -((1 - smooth) * hot * log + smooth / classes * log).sum(-1)
                more = {"label smoothing": f"{smooth:g}"} if smooth else {}
                for name, reduced in (
                    ("mean", each.mean()),
                    ("sum", each.sum()),
                    ("mean of all", each.mean() / classes),
                ):
                    yield label | more | {"reduction": name}, float(reduced)
        if targets.shape == output.shape and targets.min() >= 0 and targets.max() <= 1:
            yield from _binary(output, hot)


def _binary(output: Array, hot: Array) -> Iterator[tuple[Label, float]]:
    p = special.expit(output)
    forms: list[tuple[Label, Array]] = [
        ({"from logits": "one sigmoid"}, np.maximum(output, 0) - output * hot + np.log1p(np.exp(-np.abs(output)))),
        ({"from logits": "two"}, np.maximum(p, 0) - p * hot + np.log1p(np.exp(-np.abs(p)))),
    ]
    for e in (1e-7, 1e-8, 1e-12):
        added = -(hot * np.log(p + e) + (1 - hot) * np.log(1 - p + e))
        forms.append(({"from logits": "one sigmoid", "loss epsilon": f"{e:g} added"}, added))
    for label, each in forms:
        for name, reduced in (("mean", each.mean()), ("sum", each.sum())):
            yield label | {"reduction": name}, float(reduced)


def _differ(a: Label, b: Label) -> list[str]:
    return [key for key in dict.fromkeys((*a, *b)) if a.get(key, "none") != b.get(key, "none")]


def _clipped(couple: Couple, a: Learned, b: Learned, names: Sequence[str]) -> Iterator[Claim]:
    limits = list(dict.fromkeys([*_limits(a, names), *_limits(b, names)]))
    both = []
    for made in (a, b):
        ways = clippings(made.raw, made.norm, limits)
        both.append([label for label, clipped in ways if _apart(clipped, made.clipped, names) <= FITS])
    pairs = [(x, y) for x in both[0] for y in both[1]]
    if not pairs:
        yield Claim("clip kind", "the gradients agree before clipping, not after it")
        return
    x, y = min(pairs, key=lambda pair: len(_differ(*pair)))
    keys = _differ(x, y)
    if "clip kind" in keys:
        keys = ["clip kind"]
    for key in keys:
        yield Claim(
            key, f"{couple.sides[0]} clips with {x.get(key, 'none')}, {couple.sides[1]} with {y.get(key, 'none')}"
        )


def _limits(made: Learned, names: Sequence[str]) -> Iterator[float]:
    """Yield the limits that a step's settings name, and those that its gradients show, to three digits."""
    if "clip" in made.settings:
        yield made.settings["clip"][1]
    arrays = [made.clipped[name] for name in names]
    shown = [
        np.sqrt(sum(float((g * g).sum()) for g in made.clipped.values())),
        max(float(np.abs(g).max()) for g in arrays),
    ]
    shown.append(max(float(np.sqrt((g * g).sum())) for g in arrays))
    yield from (float(f"{value:.3g}") for value in shown if value)


def _updated(
    couple: Couple, ours: Sequence[Learned], theirs: Sequence[Learned], names: Sequence[str]
) -> Iterator[Claim]:
    """Yield in what the rules differ by which the sides moved the weights, of one weight that shows it best."""
    sides, settings = couple.sides, (ours[-1].settings, theirs[-1].settings)
    start = couple.start[sides[0]]
    name = max(names, key=lambda n: gap(ours[-1].weights[n], theirs[-1].weights[n]))
    labels = []
    for made in (ours, theirs):
        before = [np.asarray(start[name], np.float64), *(each.weights[name] for each in made[:-1])]
        change, slopes = made[-1].weights[name] - before[-1], [each.clipped[name] for each in made]
        with np.errstate(all="ignore"):
            labels.append([label for label, rule in rules(settings) if gap(change, rule(slopes, before)) <= FITS])
    pairs = [(x, y) for x in labels[0] for y in labels[1]]
    told: list[str] = []
    if pairs:
        x, y = min(pairs, key=lambda pair: len(_differ(*pair)))
        for key in _differ(x, y):
            told.append(key)
            yield Claim(
                _named(key, len(ours)),
                f"{sides[0]} moves {name} by {key} {x[key]}, {sides[1]} by {y[key]}, at step {len(ours)}",
            )
    known = {"beta1": "momentum", "beta2": "momentum", "epsilon": "Adam epsilon", "initial": "initial accumulator",
             "decay": "decay coupling", "dampening": "momentum", 
             "learning rate": _named("learning rate", len(ours))}  # fmt: skip
    for key in settings[0]:
        differs = (
            key in settings[1] and key not in ("clip", "optimizer") and not _alike(settings[0][key], settings[1][key])
        )
        if differs and key not in told:
            yield Claim(
                known.get(key, key), f"{key} is {settings[0][key]} in {sides[0]}, {settings[1][key]} in {sides[1]}"
            )


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= 1e-9 * max(abs(a), abs(b))
    return bool(a == b)


def _named(key: str, step: int) -> str:
    """Return the trap: of a rate that was the same at the first step, the schedule."""
    if key == "learning rate" and step > 1:
        return "schedule"
    return {"Adam epsilon placement": "epsilon placement"}.get(key, key)
