"""Clipping: explosions shown as such, with the first step and layer that burst, and cured in the next row.

Every learning rate is tried without clipping, with clipping by norm and with clipping by value, on the same batches.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from dualnet.backends.protocol import Array, Session
from dualnet.data import epoch_order
from dualnet.diagnose.signal import first_not_finite
from dualnet.errors import SpecError
from dualnet.experiments import forecast
from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.given import each, some, spec_of
from dualnet.report.exhibits import Lines, Series, Table, numbers
from dualnet.report.result import Result
from dualnet.run.feed import Feed, feed
from dualnet.specs import vary
from dualnet.specs.optimizers import SGD, Clip
from dualnet.specs.spec import Spec

# The mean of the last losses stands for where a run has got to: single batches scatter by tens of percent.
LAST = 20


@dataclass(frozen=True)
class Run:
    """One training: its losses, and where it burst: the first step (1 is the first) and layer that are not finite."""

    rate: float
    clip: str
    losses: list[float]
    step: int = 0
    layer: str = ""

    def learns(self) -> bool:
        """Return whether it stayed finite and ended lower than it began."""
        return not self.step and float(np.mean(self.losses[-LAST:])) < self.losses[0]

    def told(self) -> str:
        """Return what became of it: where it burst, that it never left where it began, or its last loss."""
        if self.step:
            return f"NaN at step {self.step}, first in {self.layer}"
        return f"{np.mean(self.losses[-LAST:]):.4f}"


def clip(
    spec: Spec | str | Path,
    learning_rates: str | Sequence[float] = (0.03, 0.1, 0.3),
    *,
    norms: str | Sequence[float] = (1.0,),
    values: str | Sequence[float] = (0.1,),
    steps: int = 200,
    activation: str = "",
    initializer: str = "",
    depth: int | None = None,
    bench: Bench = HERE,
) -> Result:
    """Train for some steps of SGD at each learning rate, with each clipping and with none, on every backend.

    ``norms`` are limits of the global norm, ``values`` of each entry. ``activation``, ``initializer`` and ``depth``
    vary the network as in ``signal`` and ``init``. Raises ``SpecError``.
    """
    net = _varied(spec_of(spec), activation, initializer, depth)
    if steps < 1:
        msg = f"steps must be at least 1. Received: {steps}"
        raise SpecError(msg)
    rates = some(learning_rates, float, "learning rates")
    clips: list[Clip | None] = [None]
    clips += [Clip("global_norm", limit) for limit in each(norms, float, "norms")]
    clips += [Clip("value", limit) for limit in each(values, float, "values")]
    cells = [(SGD(rate), how) for rate in rates for how in clips]
    count = len(cells)
    bench.say(
        forecast.announcement(
            f"{net.name}: {count} trainings of {steps} steps on each backend", count * forecast.stepping(net, steps)
        )
    )
    fed = feed(net, dtype=bench.dtype, seed=bench.seed, limit=steps * net.training.batch_size)
    runs = bench.each(lambda name: _side(name, net, cells, fed, steps, bench))
    return _result(net, runs, fed, steps, bench)


def _varied(net: Spec, activation: str, initializer: str, depth: int | None) -> Spec:
    net = vary.with_depth(net, depth) if depth else net
    net = vary.with_activation(net, activation) if activation else net
    return vary.started(net, initializer) if initializer else net


def _side(
    name: str, net: Spec, cells: Sequence[tuple[SGD, Clip | None]], fed: Feed, steps: int, bench: Bench
) -> list[Run]:
    made = []
    for index, (optimizer, how) in enumerate(cells):
        bench.progress(name, index, len(cells), f"rate {optimizer.learning_rate:g}, {_named(how)}")
        spec = replace(net, training=replace(net.training, optimizer=optimizer, clip=how))
        made.append(_run(name, spec, fed, steps, bench))
    bench.progress(name, len(cells), len(cells), "done")
    return made


def _run(name: str, spec: Spec, fed: Feed, steps: int, bench: Bench) -> Run:
    order = np.concatenate(
        [epoch_order(len(fed.train.labels), bench.seed, epoch) for epoch in range(_epochs(spec, fed, steps))]
    )
    rows = order[: steps * spec.training.batch_size].reshape(steps, -1)
    session = bench.open(name, spec)
    losses = _trained(session, spec, fed, rows)
    rate, how = spec.training.optimizer.learning_rate, _named(spec.training.clip)
    burst = np.flatnonzero(~np.isfinite(losses))
    if not len(burst):
        return Run(rate, how, losses.tolist())
    step = int(burst[0])
    layer = _layer(bench.open(name, spec), spec, fed, rows, step)
    return Run(rate, how, losses.tolist(), step + 1, layer)


def _epochs(spec: Spec, fed: Feed, steps: int) -> int:
    return -(-steps * spec.training.batch_size // len(fed.train.labels))


def _trained(session: Session, spec: Spec, fed: Feed, rows: Array) -> Array:
    training = spec.training
    fed.give(session, training.loss)
    session.prepare(training.loss, training.optimizer, training.clip)
    rates = np.full(len(rows), training.optimizer.learning_rate)
    return np.asarray(session.steps("train", rows, rates)["loss"], dtype=np.float64)


def _layer(session: Session, spec: Spec, fed: Feed, rows: Array, step: int) -> str:
    """Return the first layer that is not finite at a step: the run is repeated up to there, and looked into."""
    if step:
        _trained(session, spec, fed, rows[:step])
    inputs = {name: array[rows[step]] for name, array in fed.train.inputs.items()}
    outputs = session.forward(inputs, training=True, step=step)["layers"]
    return first_not_finite(outputs, [leaf.path for leaf in spec.graph.leaves()]) or "the loss"


def _named(how: Clip | None) -> str:
    if how is None:
        return "no clipping"
    return f"{'norm' if how.by == 'global_norm' else how.by} clipped to {how.limit:g}"


def _result(net: Spec, runs: dict[str, list[Run]], fed: Feed, steps: int, bench: Bench) -> Result:
    first = next(iter(runs.values()))
    rows = [(f"{run.rate:g}", run.clip, *(side[at].told() for side in runs.values())) for at, run in enumerate(first)]
    note = f"mean loss of the last {LAST} of {steps} steps; guessing among ten classes is {math.log(10):.4f}"
    table = Table("Learning rate against clipping", ("learning rate", "clipping", *runs), tuple(rows), note)
    return Result(
        "clip",
        f"{net.name}: clipping against explosions",
        _cures(runs),
        [table, *_charts(runs, bench)],
        {name: [asdict(run) for run in side] for name, side in runs.items()},
        source=fed.source,
        settings={"spec": net.name, "steps": steps, "seed": bench.seed},
    )


def _cures(runs: dict[str, list[Run]]) -> list[str]:
    said = []
    for name, side in runs.items():
        for run in side:
            if run.step and run.clip == _named(None):
                cures = [other.clip for other in side if other.rate == run.rate and other.learns()]
                cured = f"; cured by: {', '.join(cures)}" if cures else "; with no clipping here does it learn"
                said.append(f"{name}, rate {run.rate:g}: explodes at step {run.step}, first in {run.layer}{cured}")
    return said or ["no run explodes at these learning rates"]


def _charts(runs: dict[str, list[Run]], bench: Bench) -> list[Lines]:
    rates = dict.fromkeys(run.rate for run in next(iter(runs.values())))
    charts = []
    for rate in rates:
        curves = [
            Series(
                f"{run.clip}, {name}",
                numbers(np.arange(1, len(run.losses) + 1)),
                numbers(run.losses),
                colour=colour,
                dashed=bench.dashed(name),
            )
            for name, side in runs.items()
            for colour, run in enumerate([run for run in side if run.rate == rate])
        ]
        charts.append(Lines(f"Learning rate {rate:g}", "step", "loss", tuple(curves), "y"))
    return charts
