"""Norm: BatchNorm, whose statistics get noisy as batches shrink, against GroupNorm (Wu & He 2018)."""

from typing import Any

from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.topics.training import trained
from dualnet.report.exhibits import Lines, Series, Table, numbers
from dualnet.report.result import Result
from dualnet.report.table import percent
from dualnet.specs import layers as L
from dualnet.specs.optimizers import SGD
from dualnet.specs.spec import Data, Spec, Training

SIZES = (2, 4, 16, 64)
KINDS: dict[str, Any] = {
    "BatchNorm": L.BatchNorm2d,
    "GroupNorm": lambda: L.GroupNorm(4),
    "none": lambda: None,
}
# The learning rate grows with the batch, as Wu & He have it, so that one epoch goes about as far at every size.
RATE = 0.02 / 16
EXAMPLES = 6000


def net(kind: str, size: int, epochs: int) -> Spec:
    """Return a small convolutional net with one kind of normalisation, for one batch size."""
    layers: list[L.Layer] = []
    for channels in (16, 32):
        own = KINDS[kind]()
        layers += [L.Conv2d(channels, 3, padding=1), *([own] if own else []), L.ReLU(), L.MaxPool2d(2)]
    layers += [L.AdaptiveAvgPool2d(7), L.Flatten(), L.Linear(10)]
    training = Training(optimizer=SGD(RATE * size, momentum=0.9), batch_size=size, epochs=epochs)
    return Spec(
        f"{kind}_{size}", L.Sequential(*layers), (1, 28, 28), data=Data(normalise="standard"), training=training
    )


def norm(*, epochs: int = 1, limit: int | None = None, bench: Bench = HERE) -> Result:
    """Train with each normalisation at each batch size on every backend, and compare test accuracies."""
    specs = {f"{kind}, {size}": net(kind, size, epochs) for size in SIZES for kind in KINDS}
    found = trained(f"{len(KINDS)} normalisations at {len(SIZES)} batch sizes", specs, limit or EXAMPLES, bench)
    rows, curves = [], []
    for size in SIZES:
        cells = [percent(last[f"{kind}, {size}"].test_accuracy) for kind in KINDS for last in found.last.values()]
        rows.append((f"{size}", *cells))
    for colour, kind in enumerate(KINDS):
        for side, last in found.last.items():
            y = [100 * (last[f"{kind}, {size}"].test_accuracy or 0.0) for size in SIZES]
            curves.append(
                Series(f"{kind}, {side}", numbers(SIZES), numbers(y), colour=colour, dashed=bench.dashed(side))
            )
    heads = ("batch size", *(f"{kind} {side}" for kind in KINDS for side in found.last))
    note = f"{epochs} epochs of {limit or EXAMPLES:,} images; learning rate {RATE:g} x batch size"
    first = next(iter(found.last.values()))
    gains = [
        (first[f"BatchNorm, {s}"].test_accuracy or 0) - (first[f"GroupNorm, {s}"].test_accuracy or 0) for s in SIZES
    ]
    says = [
        f"batch size {size}: BatchNorm is {100 * gain:+.1f} points against GroupNorm"
        for size, gain in zip(SIZES, gains, strict=True)
    ]
    return Result(
        "blocks_norm",
        "BatchNorm against GroupNorm by batch size",
        says,
        [
            Table("Test accuracy, %", heads, tuple(rows), note),
            Lines("Test accuracy by batch size", "batch size", "test accuracy, %", tuple(curves), "x"),
        ],
        {side: {name: vars(each) for name, each in last.items()} for side, last in found.last.items()},
        source=found.source,
    )
