"""Separable: one net with standard, bottleneck (1x1) and depthwise separable convolutions, and what each costs."""

import math

from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.topics.training import trained
from dualnet.report.exhibits import Bars, Group, Table, numbers
from dualnet.report.result import Result
from dualnet.report.table import percent
from dualnet.specs import cost
from dualnet.specs import layers as L
from dualnet.specs.optimizers import Adam
from dualnet.specs.spec import Data, Spec, Training

WIDTHS = (32, 64)


def _standard(inside: int, out: int) -> list[L.Layer]:
    return [L.Conv2d(out, 3, padding=1, bias=False)]


def _bottleneck(inside: int, out: int) -> list[L.Layer]:
    """Return a 1x1 convolution down to a quarter, the 3x3 one there, and a 1x1 one up (He et al. 2015)."""
    narrow = out // 4
    return [
        *(L.Conv2d(narrow, 1, bias=False), L.BatchNorm2d(), L.ReLU()),
        *(L.Conv2d(narrow, 3, padding=1, bias=False), L.BatchNorm2d(), L.ReLU()),
        L.Conv2d(out, 1, bias=False),
    ]


def _separable(inside: int, out: int) -> list[L.Layer]:
    """Return a 3x3 convolution for each channel by itself, and a 1x1 one across channels (Howard et al. 2017)."""
    return [
        L.Conv2d(inside, 3, padding=1, groups=inside, bias=False),
        *(L.BatchNorm2d(), L.ReLU()),
        L.Conv2d(out, 1, bias=False),
    ]


KINDS = {"standard": _standard, "bottleneck": _bottleneck, "separable": _separable}


def net(kind: str, epochs: int) -> Spec:
    """Return the net of one kind: a stem of 16 channels, two stages with pooling, global average pooling, Linear."""
    layers: list[L.Layer] = [L.Conv2d(16, 3, padding=1, bias=False), L.BatchNorm2d(), L.ReLU(), L.MaxPool2d(2)]
    inside = 16
    for out in WIDTHS:
        layers += [*KINDS[kind](inside, out), L.BatchNorm2d(), L.ReLU(), L.MaxPool2d(2)]
        inside = out
    layers += [L.AdaptiveAvgPool2d(1), L.Flatten(), L.Linear(10)]
    training = Training(optimizer=Adam(0.003), batch_size=128, epochs=epochs)
    return Spec(kind, L.Sequential(*layers), (1, 28, 28), data=Data(normalise="standard"), training=training)


def separable(*, epochs: int = 1, limit: int | None = None, bench: Bench = HERE) -> Result:
    """Train the three nets on Fashion-MNIST on every backend, and set accuracy and time against size and cost."""
    specs = {kind: net(kind, epochs) for kind in KINDS}
    found = trained(f"standard, bottleneck and separable nets, {epochs} epochs each", specs, limit, bench)
    sizes = {
        name: sum(math.prod(p.shape) for p in spec.parameters.values() if p.trainable) for name, spec in specs.items()
    }
    costs = {name: cost.total(spec) for name, spec in specs.items()}
    rows = []
    for name in specs:
        cells = []
        for last in found.last.values():
            cells += [percent(last[name].test_accuracy), f"{last[name].seconds:.1f}"]
        share = f"{costs[name] / costs['standard']:.2f}"
        rows.append((name, f"{sizes[name]:,}", f"{costs[name]:,}", share, *cells))
    heads = (
        "convolutions",
        "parameters",
        "multiply-adds",
        "of standard",
        *(f"{n} {w}" for n in found.last for w in ("test %", "s")),
    )
    groups = tuple(
        Group(side, numbers([100 * (last[name].test_accuracy or 0.0) for name in specs]), dashed=bench.dashed(side))
        for side, last in found.last.items()
    )
    note = (
        "one seed, and nets as small scatter by some points after an epoch; s: seconds of the last epoch's training "
        "steps, of one thread, both backends at work at the same time"
    )
    return Result(
        "blocks_separable",
        "Standard, bottleneck and separable convolutions",
        ["fewer multiply-adds are not as much less time: depthwise kernels do little work for each byte they read"],
        [
            Table("Size, cost, accuracy, time", heads, tuple(rows), note),
            Bars("Test accuracy", tuple(specs), "%", groups),
        ],
        {side: {name: vars(each) for name, each in last.items()} for side, last in found.last.items()}
        | {"parameters": sizes, "multiply_adds": costs},
        source=found.source,
    )
