"""Starts: the same network trained from different initial weights: zeros, too small, too large, Xavier, He, LSUV."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dualnet.backends.protocol import Arrays
from dualnet.experiments import exhibits as show
from dualnet.experiments import forecast
from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.given import some, spec_of
from dualnet.report.exhibits import Histogram, Lines, Series, Table, numbers
from dualnet.report.result import Result
from dualnet.report.table import percent
from dualnet.run import lsuv
from dualnet.run.feed import Feed, feed
from dualnet.run.plan import Epoch
from dualnet.run.train import train_session
from dualnet.specs import vary
from dualnet.specs.spec import Spec

# The course's: nothing, too small, too large, and the two that are scaled to the layer.
COURSE = ("zeros", "normal:0.001", "normal:1", "xavier_normal", "kaiming_normal", "lsuv")
# Examples that LSUV measures variances on: their variance is known to a few percent.
BATCH = 256


@dataclass(frozen=True)
class Trained:
    """One start on one backend: its epochs, and its weights before and after."""

    history: list[Epoch]
    before: Arrays
    after: Arrays


def starts(
    spec: Spec | str | Path,
    initializers: str | Sequence[str] = COURSE,
    *,
    limit: int | None = None,
    bench: Bench = HERE,
) -> Result:
    """Train a network from each start on every backend, on the same batches, and show losses and weights.

    ``initializers`` are names of ``dualnet.specs.starts`` or "lsuv" (Mishkin & Matas 2016). Raises ``SpecError``.
    """
    net, names = spec_of(spec), some(initializers, str, "initializers")
    specs = {name: lsuv.prepared(net) if name == lsuv.NAME else vary.started(net, name) for name in names}
    effort = len(names) * forecast.training(net, limit)
    bench.say(forecast.announcement(f"{net.name}: trained from {len(names)} starts on each backend", effort))
    fed = feed(net, dtype=bench.dtype, seed=bench.seed, limit=limit)
    made = bench.each(lambda side: {name: _train(side, name, each, fed, bench) for name, each in specs.items()})
    return _result(net, made, fed, bench)


def _train(side: str, name: str, spec: Spec, fed: Feed, bench: Bench) -> Trained:
    session = bench.open(side, spec)
    if name == lsuv.NAME:
        lsuv.scale(session, spec, {key: array[:BATCH] for key, array in fed.train.inputs.items()})
    before = session.weights()

    def progress(_: str, done: int, total: int, what: str) -> None:
        bench.progress(side, done, total, f"{name}, {what}")

    made = train_session(side, session, spec, fed, bench.settings(), progress)
    return Trained(made.history, before, session.weights())


def _result(net: Spec, made: Mapping[str, Mapping[str, Trained]], fed: Feed, bench: Bench) -> Result:
    names = list(next(iter(made.values())))
    return Result(
        "starts",
        f"{net.name}: trained from {len(names)} starts",
        [_told(name, {side: runs[name] for side, runs in made.items()}) for name in names],
        [
            _table(made, names),
            _curves(made, bench, "loss"),
            _curves(made, bench, "test_accuracy"),
            *_weights(made, names),
        ],
        {side: {n: [vars(epoch) for epoch in run.history] for n, run in runs.items()} for side, runs in made.items()},
        source=fed.source,
        settings={"spec": net.name, "initializers": names, "seed": bench.seed},
    )


def _told(name: str, runs: Mapping[str, Trained]) -> str:
    """Return in words how far a start has come."""
    found = {side: run.history[-1].test_accuracy for side, run in runs.items()}
    first = next(iter(runs.values()))
    start, end = first.history[0].loss, first.history[-1].loss
    words = "it does not learn" if end > 0.99 * start else f"loss {start:.3f} to {end:.3f}"
    words = words if len(first.history) > 1 else f"loss {end:.3f} in its one epoch"
    scores = ", ".join(f"{side} {percent(value)} %" for side, value in found.items())
    return f"{name}: {words}; test accuracy {scores}{ALIKE if _alike(first.before) else ''}"


ALIKE = "; units that start alike stay alike but for rounding, which no two frameworks share: hence the sides part"


def _alike(weights: Arrays) -> bool:
    """Return whether all units of every layer start with the same weights."""
    return all(bool((array == array.flat[0]).all()) for array in weights.values())


def _table(made: Mapping[str, Mapping[str, Trained]], names: Sequence[str]) -> Table:
    heads = ("start", *(f"{side} {what}" for side in made for what in ("first loss", "last loss", "test %")))
    rows = []
    for name in names:
        cells = []
        for runs in made.values():
            history = runs[name].history
            cells += [f"{history[0].loss:.4f}", f"{history[-1].loss:.4f}", percent(history[-1].test_accuracy)]
        rows.append((name, *cells))
    count = len(next(iter(made.values()))[names[0]].history)
    return Table(
        "Where each start leads", heads, tuple(rows), f"losses are means of the first and last of {count} epochs"
    )


def _curves(made: Mapping[str, Mapping[str, Trained]], bench: Bench, what: str) -> Lines:
    scale, unit = (100.0, "test accuracy, %") if what == "test_accuracy" else (1.0, "training loss")
    curves = []
    for side, runs in made.items():
        for colour, (name, run) in enumerate(runs.items()):
            values = [scale * (getattr(epoch, what) or 0.0) for epoch in run.history]
            x = numbers([epoch.epoch for epoch in run.history])
            curves.append(Series(f"{name}, {side}", x, numbers(values), colour=colour, dashed=bench.dashed(side)))
    return Lines(unit.capitalize().removesuffix(", %"), "epoch", unit, tuple(curves), "" if scale > 1 else "y")


def _weights(made: Mapping[str, Mapping[str, Trained]], names: Sequence[str]) -> list[Histogram]:
    """Return the histograms of the first weight after training, a start at a time, both sides over the start's own."""
    weight = next(name for name in next(iter(made.values()))[names[0]].after if name.endswith(".weight"))
    first = next(iter(made.values()))
    return [
        show.weights(
            {f"{side}, after": runs[name].after for side, runs in made.items()} | {"before": first[name].before},
            weight,
            f"{name}: {weight} after training",
        )
        for name in names
    ]
