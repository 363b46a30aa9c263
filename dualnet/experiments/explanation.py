"""Explanation: saliency and activation maps of one class score, both frameworks side by side with their difference."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dualnet.errors import SpecError, did_you_mean
from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.forecast import announcement, passes
from dualnet.experiments.given import samples_of, some, spec_of, within
from dualnet.experiments.statistics import relative_gap
from dualnet.experiments.trained import seconds, weights_of
from dualnet.explain.maps import METHODS, Asked, Maps
from dualnet.report.exhibits import Pictures, Table, picture
from dualnet.report.result import Result
from dualnet.run.feed import Feed, feed
from dualnet.specs.spec import Spec

# Maps of the same weights agree as far as float64 rounds: 1e-16 an operation, some 1e4 of them, and a gradient besides.
SAME = 1e-8


def explain(
    spec: Spec | str | Path,
    samples: str | Sequence[int] = (0,),
    methods: str | Sequence[str] = tuple(METHODS),
    *,
    weights: Path | None = None,
    by: str = "",
    label: bool = False,
    limit: int | None = None,
    bench: Bench = HERE,
) -> Result:
    """Show on which pixels a trained network's decision rests, for some test images, on every backend in float64.

    The score is that of the class that the first backend predicts, or of the true one for ``label``. ``weights`` and
    ``by`` are those of ``dualnet.experiments.trained.weights_of``: by default the network is trained on the first
    backend, and both get the same weights. A method that the net is not built for is left out, and said; raises
    ``SpecError`` if none is left.
    """
    net = spec_of(spec)
    names = _known(some(methods, str, "methods"))
    wanted, by = samples_of(samples), by or bench.backends[0]
    effort = seconds(net, weights, limit) + passes(net, 30 * len(wanted))
    bench.say(announcement(f"{net.name}: {', '.join(names)} of {len(wanted)} test images", effort))
    fed = feed(net, dtype=bench.dtype, seed=bench.seed, limit=limit)
    within(wanted, len(fed.test.labels))
    held = weights_of(net, fed, bench, by, weights)
    images = next(iter(fed.test.inputs.values()))[list(wanted)].astype(np.float64)
    sessions = bench.each(lambda name: bench.open(name, net, dtype="float64"))
    bench.each(lambda name: sessions[name].load(held[name]))
    scores = bench.each(lambda name: sessions[name].forward({next(iter(net.inputs)): images})["outputs"][0])
    truth = fed.test.labels[list(wanted)]
    classes = truth if label else next(iter(scores.values())).argmax(axis=1)
    asked = Asked(net, images, classes, seed=bench.seed)
    maps, missing = _maps(sessions, asked, names, bench)
    return _result(asked, maps, missing, scores, truth, wanted, fed, by, bench)


def _known(names: Sequence[str]) -> Sequence[str]:
    for name in names:
        if name not in METHODS:
            hint = did_you_mean(name, METHODS) or f" Known: {', '.join(METHODS)}."
            msg = f"There is no method {name!r}.{hint}"
            raise SpecError(msg)
    return names


def _maps(
    sessions: Mapping[str, Any], asked: Asked, names: Sequence[str], bench: Bench
) -> tuple[dict[str, dict[str, Maps]], list[str]]:
    """Return each method's maps by backend, and why a method was left out. Raises ``SpecError`` if none is left."""
    found: dict[str, dict[str, Maps]] = {}
    missing: list[str] = []
    for index, method in enumerate(names):
        bench.progress("both", index, len(names), method)
        try:
            found[method] = bench.each(lambda name, method=method: METHODS[method](sessions[name], asked))  # type: ignore[misc]
        except SpecError as error:
            missing.append(f"{method} left out: {error}")
    if not found:
        raise SpecError(" ".join(missing))
    return found, missing


def _result(
    asked: Asked,
    maps: Mapping[str, Mapping[str, Maps]],
    missing: Sequence[str],
    scores: Mapping[str, Any],
    truth: Any,
    wanted: Sequence[int],
    fed: Feed,
    by: str,
    bench: Bench,
) -> Result:
    gaps = {method: relative_gap(*sides.values()) for method, sides in maps.items() if len(sides) == 2}
    says = [
        f"{method}: the two sides' maps differ by {value:.1e} of the largest value" for method, value in gaps.items()
    ]
    whose = "each its own training" if by == "each" else f"the same weights, trained on {by}"
    same = by != "each" and all(value <= SAME for value in gaps.values())
    table = _decisions(scores, truth, wanted, fed)
    return Result(
        "explain",
        f"{asked.spec.name}: where the decision comes from ({whose})",
        [*says, *missing],
        [table, _grid(maps, asked, truth, wanted, fed)],
        {"gap": gaps, "classes": asked.classes.tolist(), "samples": list(wanted)},
        verdict=("equal" if same else "divergent") if gaps and by != "each" else "",
        source=fed.source,
        settings={
            "spec": asked.spec.name,
            "samples": list(wanted),
            "methods": list(maps),
            "seed": bench.seed,
            "by": by,
        },
    )


def _decisions(scores: Mapping[str, Any], truth: Any, wanted: Sequence[int], fed: Feed) -> Table:
    heads = ("test image", "label", *(f"{name} says" for name in scores), *(f"{name} logit" for name in scores))
    rows = []
    for at, sample in enumerate(wanted):
        said = [int(each[at].argmax()) for each in scores.values()]
        logits = [f"{each[at].max():.4f}" for each in scores.values()]
        rows.append((f"{sample}", fed.classes[truth[at]], *(fed.classes[index] for index in said), *logits))
    return Table("Decisions", heads, tuple(rows))


def _grid(
    maps: Mapping[str, Mapping[str, Maps]], asked: Asked, truth: Any, wanted: Sequence[int], fed: Feed
) -> Pictures:
    """Return a row for each image: the image, then each method's maps and their difference."""
    columns, cells = ["image"], [[picture(image[0] - image.min())] for image in asked.images]
    for method, sides in maps.items():
        columns += [f"{TITLES[method]}, {name}" for name in sides]
        for row, at in zip(cells, range(len(wanted)), strict=True):
            row += [picture(found[at], "signed" if method == "cam" else "heat") for found in sides.values()]
        if len(sides) == 2:
            left, right = sides.values()
            columns.append("difference")
            for row, off in zip(cells, left - right, strict=True):
                row.append(picture(off, "signed", f"{np.abs(off).max():.0e}"))
    rows = tuple(f"{sample}: {fed.classes[truth[at]]}" for at, sample in enumerate(wanted))
    note = "a difference has a scale of its own; below it stands its largest value" if "difference" in columns else ""
    return Pictures("Maps", rows, tuple(columns), tuple(tuple(row) for row in cells), note)


TITLES = {
    "saliency": "saliency",
    "smoothgrad": "SmoothGrad",
    "cam": "CAM",
    "gradcam": "Grad-CAM",
}
