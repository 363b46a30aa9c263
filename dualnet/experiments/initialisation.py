"""Initialisation: theory beside what both frameworks draw, for each initializer and layer, over many seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dualnet.backends.protocol import Arrays
from dualnet.compare.stages.init import pooled, statistics
from dualnet.compare.tolerance import FALSE_ALARM
from dualnet.errors import SpecError
from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.forecast import announcement
from dualnet.experiments.given import some, spec_of
from dualnet.report.exhibits import Group, Histogram, Table, numbers
from dualnet.report.result import Result
from dualnet.specs import vary
from dualnet.specs.convs import _ConvTranspose
from dualnet.specs.initializers import PRESETS
from dualnet.specs.layers import Linear, _Conv
from dualnet.specs.moments import bounds, density, moments
from dualnet.specs.parameter import Parameter
from dualnet.specs.spec import Spec

COURSE = ("torch_default", "keras_default", "xavier_normal", "xavier_uniform", "kaiming_normal", "kaiming_uniform")
BINS = 60
MOST = 24  # histograms on a page
# Seconds that one draw of a small network takes on both sides, with the building of the models spread over 50 draws.
DRAW = 0.06


@dataclass(frozen=True)
class Start:
    """One initializer on one network: its parameters, each side's pooled draws, and the tests (name, what, chance)."""

    name: str
    parameters: Mapping[str, Parameter]
    pools: Mapping[str, Arrays]
    tests: Sequence[tuple[str, str, float]]


def init(
    spec: Spec | str | Path, initializers: str | Sequence[str] = COURSE, seeds: int = 50, *, bench: Bench = HERE
) -> Result:
    """Draw a network's weights by each framework's own initializers over ``seeds`` seeds, and test them.

    ``initializers`` are names of ``dualnet.specs.starts``. Mean and variance are tested against theory on each side,
    and the sides against each other (Kolmogorov-Smirnov), two-sided; the false-alarm rate is shared among all tests
    (Bonferroni). Raises ``SpecError``.
    """
    base, names = spec_of(spec), some(initializers, str, "initializers")
    if seeds < 1:
        msg = f"seeds must be at least 1. Received: {seeds}"
        raise SpecError(msg)
    specs = {name: _started(base, name) for name in names}
    bench.say(announcement(f"{base.name}: {len(names)} initializers, {seeds} seeds each", len(names) * seeds * DRAW))
    starts = []
    for index, (name, started) in enumerate(specs.items()):
        bench.progress("both", index, len(names), name)
        starts.append(_drawn(name, started, seeds, bench))
    bench.progress("both", len(names), len(names), "done")
    return _result(base, starts, seeds, bench)


def _started(base: Spec, name: str) -> Spec:
    spec = vary.started(base, name)
    if not _layers(spec):
        msg = f"{spec.name}: it has no Linear and no convolution whose start could be drawn."
        raise SpecError(msg)
    return spec


def _layers(spec: Spec) -> set[str]:
    return {step.path for step in spec.graph.leaves() if isinstance(step.layer, (Linear, _Conv, _ConvTranspose))}


def _drawn(name: str, spec: Spec, seeds: int, bench: Bench) -> Start:
    layers = _layers(spec)
    wanted = ("weight", "bias") if name in PRESETS else ("weight",)
    parameters = {
        full: parameter
        for full, parameter in spec.parameters.items()
        if full.rpartition(".")[0] in layers and parameter.name in wanted
    }

    def side(backend: str) -> Arrays:
        return pooled(bench.open(backend, spec), parameters, range(bench.seed, bench.seed + seeds))

    pools = bench.each(side)
    return Start(name, parameters, pools, list(statistics(parameters, pools)))


def _result(spec: Spec, starts: Sequence[Start], seeds: int, bench: Bench) -> Result:
    count = sum(len(start.tests) for start in starts)
    limit = FALSE_ALARM / max(count, 1)
    failed = [(start.name, *test) for start in starts for test in start.tests if test[2] < limit]
    says = [
        f"{count} tests, two-sided, with a false-alarm rate of {FALSE_ALARM:g} for all of them together: each fails "
        f"below p = {limit:.1e}; {len(failed) or 'none'} did"
    ]
    says += [f"{name}, {parameter}: {what}, p = {chance:.1e}" for name, parameter, what, chance in failed]
    if {"torch_default", "keras_default"} <= {start.name for start in starts}:
        says.append(_defaults(starts))
    return Result(
        "init",
        f"{spec.name}: how weights start, over {seeds} seeds",
        says,
        [_expected(starts), _drawn_table(starts), *_histograms(starts, bench)],
        {start.name: _figures(start) for start in starts},
        verdict="divergent" if failed else "equal",
        settings={"spec": spec.name, "initializers": [s.name for s in starts], "seeds": seeds, "seed": bench.seed},
    )


def _defaults(starts: Sequence[Start]) -> str:
    """Return in words how the frameworks' own rules differ on the first weight."""
    own = {start.name: start for start in starts}
    torch, keras = (next(iter(own[name].parameters.values())) for name in ("torch_default", "keras_default"))
    stds = [math.sqrt(found[1]) for found in (moments(torch), moments(keras)) if found]
    return (
        f"the frameworks' own defaults differ: torch's first weights have a standard deviation of {stds[0]:.4f} and "
        f"biases like them, Keras's {stds[1]:.4f} and biases of zero"
    )


def _expected(starts: Sequence[Start]) -> Table:
    rows = []
    for start in starts:
        for name, parameter in start.parameters.items():
            found, (low, high) = moments(parameter), bounds(parameter)
            theory = ("-", "-") if found is None else (f"{found[0]:.4g}", f"{math.sqrt(found[1]):.5f}")
            span = "none" if math.isinf(high) else f"{low:.4f} … {high:.4f}"
            rows.append((start.name, name, f"{parameter.fan_in}", f"{parameter.fan_out}", *theory, span))
    heads = ("initializer", "parameter", "fan in", "fan out", "mean", "std", "bounds")
    return Table("What theory expects", heads, tuple(rows))


def _drawn_table(starts: Sequence[Start]) -> Table:
    sides = list(starts[0].pools)
    measured = [f"{name} {what}" for name in sides for what in ("mean", "std", "min … max")]
    rows = [_row(start, name, sides) for start in starts for name in start.parameters]
    heads = ("initializer", "parameter", *measured, "smallest p")
    return Table("What was drawn", heads, tuple(rows), "smallest p: the least probable of the parameter's tests")


def _row(start: Start, name: str, sides: Sequence[str]) -> tuple[str, ...]:
    drawn = []
    for side in sides:
        values = start.pools[side][name]
        drawn += [f"{values.mean():+.5f}", f"{values.std():.5f}", f"{values.min():.3f} … {values.max():.3f}"]
    chances = [chance for tested, _, chance in start.tests if tested == name]
    return start.name, name, *drawn, f"{min(chances):.2g}" if chances else "-"


def _histograms(starts: Sequence[Start], bench: Bench) -> list[Histogram]:
    """Return a histogram of each weight from each start; of deep nets, of the first weights only."""
    each = max(MOST // len(starts), 1)
    made = []
    for start in starts:
        weights = [name for name in start.parameters if name.endswith("weight")]
        made += [_histogram(start, name, bench) for name in weights[:each]]
    return made


def _histogram(start: Start, name: str, bench: Bench) -> Histogram:
    """Return the draws of one parameter on both sides over theory's density."""
    parameter = start.parameters[name]
    pools = {side: found[name] for side, found in start.pools.items()}
    low = min(values.min() for values in pools.values())
    high = max(values.max() for values in pools.values())
    edges = np.linspace(low, high, BINS + 1) if high > low else np.linspace(low - 0.5, low + 0.5, 4)
    groups = tuple(
        Group(side, numbers(np.histogram(values, edges, density=True)[0]), dashed=bench.dashed(side))
        for side, values in pools.items()
    )
    middles = (edges[:-1] + edges[1:]) / 2
    curve = [density(parameter, float(x)) for x in middles]
    known = () if None in curve else numbers([value for value in curve if value is not None])
    return Histogram(f"{start.name}: {name}", "value", numbers(edges), groups, known)


def _figures(start: Start) -> dict[str, Any]:
    return {
        name: {
            "fan_in": parameter.fan_in,
            "fan_out": parameter.fan_out,
            "theory": dict(zip(("mean", "variance"), moments(parameter) or (), strict=False))
            | {"bounds": list(bounds(parameter))},
            **{
                side: {"mean": float(found[name].mean()), "variance": float(found[name].var())}
                for side, found in start.pools.items()
            },
            "tests": {what: chance for tested, what, chance in start.tests if tested == name},
        }
        for name, parameter in start.parameters.items()
    }
