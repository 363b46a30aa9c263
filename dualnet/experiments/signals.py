"""Signal: activations and gradients through depth at the start of training, beside the theory of wide networks."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dualnet.backends.protocol import Array, Session
from dualnet.compare.tolerance import SAME
from dualnet.diagnose import theory
from dualnet.diagnose.signal import LayerSignal, measure, verdict
from dualnet.errors import SpecError
from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.forecast import announcement, passes
from dualnet.experiments.given import each, spec_of
from dualnet.report.exhibits import Lines, Series, Table, numbers
from dualnet.report.result import Result
from dualnet.run.feed import Feed, feed
from dualnet.specs import layers as L
from dualnet.specs import vary
from dualnet.specs.graph import Step
from dualnet.specs.moments import moments
from dualnet.specs.spec import Spec

# Examples that are measured: means over them and a hundred units scatter by a percent.
EXAMPLES = 256
# Layers shown in a terminal; the page and the JSON have all.
SHOWN = 10


@dataclass(frozen=True)
class Profile:
    """One activation's layers on each backend, and the theory's gradients and their spread in log units, bottom up.

    Both are empty where the theory does not apply.
    """

    activation: str
    layers: dict[str, list[LayerSignal]]
    predicted: list[float]
    spread: list[float]

    def gap(self) -> float:
        """Return the largest relative gap between two sides' gradients; NaN where nothing finite is compared."""
        sides = [np.array([layer.gradient for layer in layers]) for layers in self.layers.values()]
        if len(sides) < 2:
            return math.nan
        left, right = sides
        finite = np.isfinite(left)
        if not np.array_equal(finite, np.isfinite(right)):
            return math.inf
        if not finite.any():
            return math.nan
        left, right = left[finite], right[finite]
        larger = np.maximum(left, right)
        return float((np.abs(left - right) / np.where(larger > 0, larger, 1.0)).max())

    def deviation(self) -> float:
        """Return how many of theory's standard deviations the first backend's gradients are off, at most."""
        found = np.array([layer.gradient for layer in next(iter(self.layers.values()))])
        if not self.predicted or not (np.isfinite(found).all() and (found > 0).all()):
            return math.nan
        off = np.abs(np.log(found) - np.log(self.predicted))[:-1] / np.array(self.spread)[:-1]
        return float(off.max())


def signal(
    spec: Spec | str | Path,
    activations: str | Sequence[str] = (),
    depth: int | None = None,
    *,
    limit: int = EXAMPLES,
    bench: Bench = HERE,
) -> Result:
    """Measure the first forward and backward pass of a network, once for each activation, on every backend.

    ``activations`` are names of ``dualnet.specs.vary.ACTIVATIONS`` (the spec's own if left out); ``depth`` repeats or
    cuts its hidden layers. Both sides start from the same weights, in float64, on the first ``limit`` training images.
    Raises ``SpecError``.
    """
    base = spec_of(spec)
    base = vary.with_depth(base, depth) if depth else base
    names = each(activations, str, "activations")
    specs = {name: vary.with_activation(base, name) for name in names} or {"as given": base}
    for varied in specs.values():
        _followed(varied)
    bench.say(announcement(f"{base.name}: {len(specs)} kinds of activation, layer by layer", passes(base, limit)))
    fed = feed(base, dtype="float64", seed=bench.seed, limit=limit)
    profiles = [_profile(name, each, fed, bench) for name, each in specs.items()]
    return _result(base, profiles, fed, bench)


def _followed(spec: Spec) -> list[Step]:
    steps = [step for step in spec.graph.leaves() if isinstance(step.layer, vary.KINDS)]
    if len(steps) < 2:
        msg = f"{spec.name}: signals are followed through activations, and it has {len(steps)}. Give it two or more."
        raise SpecError(msg)
    return steps


def _profile(name: str, spec: Spec, fed: Feed, bench: Bench) -> Profile:
    steps = _followed(spec)

    def side(backend: str) -> list[LayerSignal]:
        session = bench.open(backend, spec, dtype="float64")
        return _layers(session, spec, steps, fed)

    layers = bench.each(side)
    predicted, spread = _theory(spec, steps, fed, next(iter(layers.values()))[-1].gradient)
    return Profile(name, layers, predicted, spread)


def _layers(session: Session, spec: Spec, steps: Sequence[Step], fed: Feed) -> list[LayerSignal]:
    loss = spec.training.loss
    outputs = session.forward(fed.train.inputs)["layers"]
    targets = fed.train.targets(loss, len(fed.classes))
    slopes = session.gradients(fed.train.inputs, loss, targets)["layers"]
    return [measure(step, outputs[step.path], slopes[step.path]) for step in steps]


def _theory(spec: Spec, steps: Sequence[Step], fed: Feed, top: float) -> tuple[list[float], list[float]]:
    """Return the gradients that theory expects below the top one, and their spread; empty where it does not apply.

    It applies to a chain of Linear layers, each followed by its activation, with weights and biases of mean zero.
    """
    linears = [leaf for step in steps for leaf in spec.graph.leaves() if step.inputs == (leaf.name,)]
    chain = all(below.name == linear.inputs[0] for below, linear in zip(steps, linears[1:], strict=False))
    functions = [found for found in (theory.pair(step.layer) for step in steps) if found]
    variances = [found for found in (_variances(spec, linear) for linear in linears) if found]
    if not chain or not len(steps) == len(linears) == len(functions) == len(variances) or not top > 0:
        return [], []
    images = next(iter(fed.train.inputs.values()))
    squares = float(np.mean(np.sum(images.reshape(len(images), -1) ** 2, axis=1)))
    q = [variances[0][0] * squares + variances[0][1]]
    for (function, _), (weight, bias), linear in zip(functions, variances[1:], linears[1:], strict=False):
        q.append(theory.next_variance(function, q[-1], weight * linear.in_shapes[0][0], bias))
    logs, spreads = [math.log(top)], [0.0]
    for at in range(len(steps) - 1, 0, -1):
        width = steps[at].out_shapes[0][0]
        shrink, scatter = theory.shrinkage(functions[at][1], q[at], variances[at][0] * width)
        if shrink == 0.0:
            return [], []
        # the mean of a logarithm lies half a variance below the logarithm of the mean, and a norm is half a square
        logs.append(logs[-1] + 0.5 * math.log(shrink) - scatter / width / 4)
        spreads.append(math.hypot(spreads[-1], 0.5 * math.sqrt(scatter / width)))
    return [math.exp(value) for value in reversed(logs)], list(reversed(spreads))


def _variances(spec: Spec, step: Step) -> tuple[float, float] | None:
    """Return the variances of a Linear layer's weights and biases; None if it is none, or their mean is not zero."""
    if not isinstance(step.layer, L.Linear) or step.shared:
        return None
    parameters = [spec.parameters.get(f"{step.path}.{own}") for own in ("weight", "bias")]
    found = [moments(parameter) if parameter else (0.0, 0.0) for parameter in parameters]
    if any(each is None or each[0] != 0.0 for each in found):
        return None
    weight, bias = (each[1] for each in found if each)
    return weight, bias


def _result(spec: Spec, profiles: Sequence[Profile], fed: Feed, bench: Bench) -> Result:
    says = [f"{p.activation}, {name}: {verdict(layers)}" for p in profiles for name, layers in _told(p).items()]
    for profile in profiles:
        if not math.isnan(profile.gap()):
            says.append(f"{profile.activation}: both sides' gradients agree to {profile.gap():.0e} (float64)")
        if not math.isnan(profile.deviation()):
            says.append(
                f"{profile.activation}: measured gradients lie within {profile.deviation():.1f} standard deviations "
                "of the theory of wide networks, at every layer"
            )
    gaps = [profile.gap() for profile in profiles if not math.isnan(profile.gap())]
    depth = len(next(iter(profiles[0].layers.values())))
    return Result(
        "signal",
        f"{spec.name}: signal through {depth} layers",
        says,
        [*(_table(profile) for profile in profiles), *_charts(profiles, bench)],
        {p.activation: {n: [asdict(layer) for layer in s] for n, s in p.layers.items()} for p in profiles}
        | {"theory": {p.activation: {"gradient": p.predicted, "spread": p.spread} for p in profiles}},
        verdict=("equal" if max(gaps) < SAME else "divergent") if gaps else "",
        source=fed.source,
        settings={"spec": spec.name, "activations": [p.activation for p in profiles], "seed": bench.seed},
    )


def _told(profile: Profile) -> dict[str, list[LayerSignal]]:
    """Return the sides to speak of: both where their verdicts differ, else one for all."""
    words = {name: verdict(layers) for name, layers in profile.layers.items()}
    if len(set(words.values())) == 1:
        return {" and ".join(words): next(iter(profile.layers.values()))}
    return profile.layers


def _table(profile: Profile) -> Table:
    first = next(iter(profile.layers.values()))
    heads = ["layer", "mean", "std", "saturated %", "dead %", *(f"{name} gradient" for name in profile.layers)]
    rows = []
    for at in _shown(len(first)):
        layer = first[at]
        found = [f"{layers[at].gradient:.3e}" for layers in profile.layers.values()]
        expected = [f"{profile.predicted[at]:.3e}"] if profile.predicted else []
        shares = f"{100 * layer.saturated:.1f}", f"{100 * layer.dead:.1f}"
        rows.append((layer.path, f"{layer.mean:.4f}", f"{layer.std:.2e}", *shares, *found, *expected))
    heads += ["theory"] if profile.predicted else []
    note = "gradient: root mean square of N·∂loss/∂output over units and examples"
    return Table(f"{profile.activation}: layer by layer", tuple(heads), tuple(rows), note)


def _shown(count: int) -> list[int]:
    """Return which of so many layers stand in a table: all of a few, else some from bottom to top."""
    if count <= SHOWN + 2:
        return list(range(count))
    return sorted({round(index * (count - 1) / (SHOWN - 1)) for index in range(SHOWN)})


def _charts(profiles: Sequence[Profile], bench: Bench) -> list[Any]:
    def lines(title: str, unit: str, pick: str, log: str) -> Lines:
        curves = []
        for colour, profile in enumerate(profiles):
            for name, layers in profile.layers.items():
                values: Array = np.array([getattr(layer, pick) for layer in layers])
                depth = numbers(np.arange(1, len(values) + 1))
                label = f"{profile.activation}, {name}"
                curves.append(Series(label, depth, numbers(values), colour=colour, dashed=bench.dashed(name)))
            if pick == "gradient" and profile.predicted:
                curves.append(_band(profile, depth, colour))
        return Lines(title, "layer, from the input", unit, tuple(curves), log)

    return [
        lines("Gradients through depth, theory's band behind", "gradient, root mean square", "gradient", "y"),
        lines("Activations through depth", "standard deviation", "std", "y"),
        lines("Saturated outputs", "fraction", "saturated", ""),
        lines("Dead units", "fraction", "dead", ""),
    ]


def _band(profile: Profile, depth: tuple[float, ...], colour: int) -> Series:
    """Return theory's curve, with two standard deviations about it."""
    middle, reach = np.log(profile.predicted), 2 * np.array(profile.spread)
    edges = (numbers(np.exp(middle - reach)), numbers(np.exp(middle + reach)))
    return Series(f"{profile.activation}, theory", depth, numbers(profile.predicted), *edges, colour=colour)
