"""Fit: function approximation. A small network learns a curve from samples; both sides' curves lie over the target."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualnet.backends.precision import held
from dualnet.errors import SpecError, did_you_mean
from dualnet.experiments import forecast
from dualnet.experiments.bench import HERE, Bench
from dualnet.experiments.exhibits import by_step
from dualnet.experiments.given import each
from dualnet.report.exhibits import Lines, Series, Table, numbers
from dualnet.report.result import Result
from dualnet.run.feed import Feed, Part
from dualnet.run.train import train
from dualnet.specs import layers as L
from dualnet.specs import vary
from dualnet.specs.entrywise import MeanSquaredError
from dualnet.specs.initializers import Uniform
from dualnet.specs.optimizers import Adam, CosineDecay
from dualnet.specs.spec import Spec, Training

Values = NDArray[np.float64]

# The curves, on [0, 1]. "nielsen" is that of chapter 4 of Nielsen's "Neural Networks and Deep Learning" (2015).
TARGETS: dict[str, Callable[[Values], Values]] = {
    "nielsen": lambda x: 0.2 + 0.4 * x**2 + 0.3 * x * np.sin(15 * x) + 0.05 * np.cos(50 * x),
    "sine": lambda x: np.sin(2 * np.pi * x),
    "step": lambda x: np.where(x < 0.5, 0.0, 1.0),
}
SAMPLES, POINTS, BATCH = 2000, 401, 100
# The first layer's weights and biases start within ± this, so that its units tell places apart that lie as close as the
# target's waves (2π/50). From the frameworks' own starts such waves are learned last (Rahaman et al. 2019).
SPREAD = 30.0


def fit(
    target: str = "nielsen",
    hidden: str | Sequence[int] = (64, 64, 64),
    *,
    activation: str = "tanh",
    dropout: float = 0.0,
    epochs: int = 200,
    learning_rate: float = 0.01,
    bench: Bench = HERE,
) -> Result:
    """Fit a curve with a network of ``hidden`` layers on every backend, from the same start and batches.

    ``target`` is one of ``TARGETS``, sampled at 2,000 even places of [0, 1]; ``dropout`` drops units behind each
    hidden layer in training. Adam's learning rate falls to zero along half a cosine. Raises ``SpecError``.
    """
    curve = _target(target)
    widths = tuple(each(hidden, int, "hidden"))
    spec = _network(target, widths, activation, dropout, epochs, learning_rate)
    steps = epochs * -(-SAMPLES // BATCH)
    network = "-".join(map(str, (1, *widths, 1)))
    bench.say(forecast.announcement(f"{target} by {network}, {steps:,} steps", forecast.training(spec, steps)))
    fed = _feed(curve, bench)
    trained = train(bench.host, bench.backends, spec, fed, bench.settings(), bench.progress)
    x = np.linspace(0.0, 1.0, POINTS)
    made = bench.each(
        lambda name: trained[name].session.forward({"x": x[:, None].astype(held(bench.dtype))})["outputs"][0]
    )
    fitted = {name: np.asarray(array, dtype=np.float64)[:, 0] for name, array in made.items()}
    losses = {name: each_side.losses for name, each_side in trained.items()}
    return _result(target, network, dropout, x, curve(x), fitted, losses, bench)


def _target(name: str) -> Callable[[Values], Values]:
    if name not in TARGETS:
        hint = did_you_mean(name, TARGETS) or f" Known: {', '.join(TARGETS)}."
        msg = f"There is no curve {name!r}.{hint}"
        raise SpecError(msg)
    return TARGETS[name]


def _network(name: str, widths: Sequence[int], activation: str, dropout: float, epochs: int, rate: float) -> Spec:
    layers: list[L.Layer] = []
    for index, width in enumerate(widths):
        wide = Uniform(-SPREAD, SPREAD) if index == 0 else None
        layers += [L.Linear(width, weight_init=wide, bias_init=wide), vary.activation(activation)]
        layers += [L.Dropout(dropout)] if dropout else []
    steps = epochs * -(-SAMPLES // BATCH)
    training = Training(MeanSquaredError(target="given"), Adam(rate), BATCH, epochs, schedule=CosineDecay(steps))
    return Spec(name, L.Sequential(*layers, L.Linear(1)), {"x": (1,)}, training=training)


def _feed(curve: Callable[[Values], Values], bench: Bench) -> Feed:
    def part(x: Values) -> Part:
        given = curve(x)[:, None].astype(held(bench.dtype))
        return Part({"x": x[:, None].astype(held(bench.dtype))}, np.zeros(len(x), np.int64), given)

    # Held-out places lie halfway between those that are learned from.
    even = (np.arange(SAMPLES) + 0.5) / SAMPLES
    return Feed(f"{SAMPLES:,} even samples of [0, 1]", (), part(even), None, part(even[:-1] + 0.5 / SAMPLES))


def _result(
    target: str,
    network: str,
    dropout: float,
    x: Values,
    wanted: Values,
    fitted: dict[str, Values],
    losses: dict[str, list[float]],
    bench: Bench,
) -> Result:
    errors = {name: values - wanted for name, values in fitted.items()}
    rows = [
        (name, f"{np.sqrt(np.mean(error**2)):.2e}", f"{np.abs(error).max():.2e}", f"{losses[name][-1]:.2e}")
        for name, error in errors.items()
    ]
    table = Table("How well it fits", ("side", "rms error", "largest error", "last loss"), tuple(rows))
    curves = [Series("target", numbers(x), numbers(wanted), colour=2)]
    curves += [Series(name, numbers(x), numbers(values), dashed=bench.dashed(name)) for name, values in fitted.items()]
    off = [Series(name, numbers(x), numbers(error), dashed=bench.dashed(name)) for name, error in errors.items()]
    says = [f"{name}: off by {np.sqrt(np.mean(error**2)):.1e} (root mean square)" for name, error in errors.items()]
    if len(fitted) == 2:
        left, right = fitted.values()
        says.append(f"the two sides' curves differ by {np.abs(left - right).max():.1e} at most")
    if dropout:
        says.append(f"dropout of {dropout:g} was on in training: it smooths the curve, and costs accuracy")
    data: dict[str, Any] = {"x": x.tolist(), "target": wanted.tolist()}
    return Result(
        "fit",
        f"{target} by {network}" + (f", dropout {dropout:g}" if dropout else ""),
        says,
        [
            table,
            Lines("The curve and what was learned", "x", "f(x)", tuple(curves)),
            Lines("Error", "x", "fitted - target", tuple(off)),
            by_step(losses),
        ],
        data | {name: values.tolist() for name, values in fitted.items()},
        settings={"target": target, "network": network, "dropout": dropout, "seed": bench.seed},
    )
