"""Init: shared draws are bit-equal; native draws have the theory's moments, and one distribution on both sides.

Each parameter's native draws are pooled over seeds. Mean and variance are tested against theory on each side, and the
two sides against each other (Kolmogorov-Smirnov), two-sided, at a false-alarm rate that all tests share.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from dualnet.backends.precision import PRECISIONS
from dualnet.backends.protocol import Arrays, Session
from dualnet.compare.pair import Pair, Side
from dualnet.compare.stage import Stage
from dualnet.compare.tolerance import FALSE_ALARM
from dualnet.compare.verdict import Finding
from dualnet.specs.draw import draw
from dualnet.specs.moments import moments
from dualnet.specs.parameter import Parameter

# Values kept of one parameter and seed: enough to see a variance that is off by 2 %, few enough to be quick.
KEPT = 2000
# Spreads that float32 cannot show: below a few roundoffs of the mean, and among its subnormal numbers.
FLAT, TINY = 1e-6, 1e-37


def init(pair: Pair, seeds: int = 20) -> Stage:
    """Compare starts: shared draws bit by bit, native draws over ``seeds`` by statistics."""
    stage = Stage("init", _shared(pair))
    pools = pair.both(lambda side: _pooled(pair, pair.session(side, "float32"), seeds))
    tests = list(statistics(pair.spec.parameters, pools))
    limit = FALSE_ALARM / max(len(tests), 1)
    for name, what, chance in tests:
        off = chance < limit
        note = f"{what}: probability {chance:.1e} under the limit {limit:.1e}" if off else f"{what}: p = {chance:.2g}"
        stage.findings.append(Finding(f"native: {name}", "divergent" if off else "equal", note=note))
    first = stage.first("divergent")
    stage.where, stage.cause = (first.name, first.note) if first else ("", "")
    stage.figures = {"tests": len(tests), "false_alarm": FALSE_ALARM, "seeds": seeds}
    stage.note = (
        f"shared: bit-equal; native: {len(tests)} tests over {seeds} seeds, false alarms {FALSE_ALARM:g} in all"
    )
    return stage


def _shared(pair: Pair) -> list[Finding]:
    """Return whether both sides hold the very bits of the shared draws."""
    drawn = {name: draw(parameter, pair.seed, name) for name, parameter in pair.spec.parameters.items()}

    def held(side: Side, session: Session) -> Arrays:
        session.load(drawn)
        found = session.weights()
        session.load(pair.weights)
        return found

    made = pair.each(held)
    return [
        Finding(f"shared: {name}", "equal" if same else "divergent", note="" if same else "the bits differ")
        for name in drawn
        for same in [all(np.array_equal(made[key][name], PRECISIONS[key[1]].rounded(drawn[name])) for key in made)]
    ]


def _pooled(pair: Pair, session: Session, seeds: int) -> Arrays:
    found = pooled(session, pair.spec.parameters, range(seeds))
    session.load(pair.weights)
    return found


def pooled(session: Session, names: Iterable[str], seeds: Iterable[int]) -> Arrays:
    """Return a framework's own draws of some parameters, pooled over seeds: float64 (values,) by name."""
    kept: dict[str, list[Any]] = {name: [] for name in names}
    for seed in seeds:
        session.draw(seed)
        drawn = session.weights()
        for name, found in kept.items():
            array = drawn[name]
            found.append(array.ravel()[:: max(array.size // KEPT, 1)][:KEPT].astype(np.float64))
    return {name: np.concatenate(arrays) for name, arrays in kept.items()}


def statistics(parameters: Mapping[str, Parameter], pools: Mapping[str, Arrays]) -> Iterator[tuple[str, str, float]]:
    """Yield (parameter, what is tested, probability of a correct pair doing worse), all two-sided."""
    from scipy import stats  # a second to load: not before something has been said

    for name, parameter in parameters.items():
        values = {label: found[name] for label, found in pools.items()}
        for label, each in values.items():
            for what, chance in against_theory(each, parameter):
                yield name, f"{label} {what} against theory", chance
        if len(values) == 2 and np.ptp(next(iter(values.values()))) > 0:
            left, right = values.values()
            chance = float(stats.ks_2samp(left, right, method="asymp").pvalue)
            yield name, " against ".join(values), chance


def against_theory(values: Any, parameter: Parameter) -> list[tuple[str, float]]:
    """Return the probabilities of the sample's mean and variance under the initializer's theory."""
    from scipy import stats  # a second to load: not before something has been said

    expected = moments(parameter)
    if expected is None:
        return []
    mean, variance = expected
    std = float(np.sqrt(variance))
    if std <= FLAT * abs(mean) or std < TINY:
        # Float32 holds hardly more than the mean, so its moments are those of rounding: every value lies near it.
        near = np.abs(values - mean) <= 2 * FLAT * abs(mean) + 7 * std + TINY
        return [("value", float(near.all()))]
    count, centred = len(values), values - mean
    error = np.sqrt(variance / count)
    square = centred**2
    spread = square.std() / np.sqrt(count)
    return [
        ("mean", float(2 * stats.norm.sf(abs(values.mean() - mean) / error))),
        ("variance", float(2 * stats.norm.sf(abs(square.mean() - variance) / spread))),
    ]
