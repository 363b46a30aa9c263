"""Diagnoses: theory against random networks and closed forms; words for profiles and curves made by hand."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dualnet import specs as S
from dualnet.diagnose import theory
from dualnet.diagnose.fitting import diagnosis
from dualnet.diagnose.signal import LayerSignal, first_not_finite, measure, verdict
from dualnet.experiments import signals as experiment
from dualnet.run.feed import feed
from dualnet.run.plan import Epoch
from dualnet.specs import vary, zoo

# The grid's step is 1e-3: its sum is exact to a rounding for smooth functions, and to a share of the step at a kink.
SMOOTH, KINK = 1e-12, 1e-6


def relu(shift: float = 0.0) -> Any:
    return theory.pair(S.ReLU(shift))


# Theory in closed form


@pytest.mark.parametrize("q", [0.01, 1.0, 40.0])
def test_a_relu_halves_and_a_linear_unit_keeps(q: float) -> None:
    function, derivative = relu()
    assert theory.next_variance(function, q, 2.0, 0.0) == pytest.approx(q, rel=KINK)  # He's rule keeps the variance
    assert theory.next_variance(function, q, 0.5, 0.3) == pytest.approx(q / 4 + 0.3, rel=KINK)
    shrink, scatter = theory.shrinkage(derivative, q, 1.7)
    assert shrink == pytest.approx(1.7 / 2, rel=1e-3)  # the derivative's step may fall on one point of the grid
    assert scatter == pytest.approx(3 * 2 - 1, rel=1e-3)
    line, slope = theory.pair(S.LeakyReLU(1.0))  # type: ignore[misc]
    assert theory.next_variance(line, q, 1.0, 0.0) == pytest.approx(q, rel=SMOOTH)
    assert theory.shrinkage(slope, q, 0.9) == pytest.approx((0.9, 2.0), rel=SMOOTH)


def test_leaky_and_shifted_relus() -> None:
    function, derivative = theory.pair(S.LeakyReLU(0.2))  # type: ignore[misc]
    assert theory.next_variance(function, 3.0, 1.0, 0.0) == pytest.approx(3 * (1 + 0.04) / 2, rel=KINK)
    assert theory.shrinkage(derivative, 3.0, 1.0)[0] == pytest.approx((1 + 0.04) / 2, rel=1e-3)
    # E[(max(x, 0) - s)²] = q/2 - 2·s·√(q/2π) + s²
    expected = 2.0 / 2 - 2 * 0.5 * math.sqrt(2.0 / (2 * math.pi)) + 0.25
    assert theory.next_variance(relu(0.5)[0], 2.0, 1.0, 0.0) == pytest.approx(expected, rel=KINK)


def test_sigmoid_and_tanh_near_zero_are_their_slopes() -> None:
    small = 1e-8  # the next term is of this relative size
    for layer, slope, at_zero in ((S.Tanh(), 1.0, 0.0), (S.Sigmoid(), 0.25, 0.5)):
        function, derivative = theory.pair(layer)  # type: ignore[misc]
        assert theory.shrinkage(derivative, small, 1.0)[0] == pytest.approx(slope**2, rel=1e-6)
        assert theory.next_variance(function, small, 1.0, 0.0) == pytest.approx(at_zero**2 + slope**2 * small, rel=1e-6)


LAYERS = [S.Sigmoid(), S.Tanh(), S.ReLU(), S.ReLU(0.5), S.LeakyReLU(0.1), S.ELU(), S.ELU(0.3)]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("q", [0.04, 5.0])
def test_expectations_are_those_of_a_million_draws_and_derivatives_of_differences(layer: S.Layer, q: float) -> None:
    function, derivative = theory.pair(layer)  # type: ignore[misc]
    x = np.sqrt(q) * np.random.default_rng(0).normal(size=1_000_000)
    for power, each in ((2, function), (2, derivative), (4, derivative)):
        drawn = each(x) ** power
        error = 6 * drawn.std() / 1000 + 1e-9  # six standard errors
        assert abs(theory.expected(lambda v, f=each, k=power: f(v) ** k, q) - drawn.mean()) < error
    at = np.array([-3.0, -0.5, -0.1, 0.2, 1.4])
    slopes = (function(at + 1e-6) - function(at - 1e-6)) / 2e-6
    np.testing.assert_allclose(derivative(at), slopes, atol=1e-8)  # the square of the step, and 1e-16 over it


def test_an_activation_without_an_entry_has_no_theory() -> None:
    assert theory.pair(S.GELU()) is None


def test_a_wide_random_network_does_as_theory_says() -> None:
    """Monte-Carlo: variances up and squared gradients down through five layers of 600 tanh units, over 40 networks."""
    rng, width, depth, weight, bias = np.random.default_rng(1), 600, 5, 1.5, 0.1
    function, derivative = theory.pair(S.Tanh())  # type: ignore[misc]
    ups, downs = [], []
    for _ in range(40):
        h, x, slopes, ws = [], rng.normal(size=width), [], []
        for _ in range(depth):
            ws.append(rng.normal(size=(width, width)) * math.sqrt(weight / width))
            h.append(ws[-1] @ x + rng.normal(size=width) * math.sqrt(bias))
            x = np.tanh(h[-1])
            slopes.append(1 - x * x)
        g = rng.normal(size=width)
        start = (g * g).mean()
        for w, slope in zip(reversed(ws[1:]), reversed(slopes[1:]), strict=True):
            g = w.T @ (slope * g)
        ups.append((h[-1] ** 2).mean())
        downs.append((g * g).mean() / start)
    q, chi = [weight + bias], 1.0
    for _ in range(depth - 1):
        q.append(theory.next_variance(function, q[-1], weight, bias))
        chi *= theory.shrinkage(derivative, q[-1], weight)[0]
    for drawn, expected in ((ups, q[-1]), (downs, chi)):
        # five standard errors over the 40 networks, and as much of the mean as a width of 600 is short of infinite
        assert abs(np.mean(drawn) - expected) < 5 * np.std(drawn) / math.sqrt(40) + expected / width * depth


def test_the_scatter_of_a_gradient_is_that_of_random_layers() -> None:
    rng, width = np.random.default_rng(2), 50
    derivative = relu()[1]
    mean, relative = theory.shrinkage(derivative, 1.0, 2.0)
    gains = []
    for _ in range(20_000):
        # one layer: Σ over inputs of (Σ_i w·φ'_i·g_i)² is (σw²/n)·Σ φ'_i²·g_i² for many inputs
        g, h = rng.normal(size=width), rng.normal(size=width)
        gains.append(2.0 / width * ((h > 0) * g * g).sum())
    assert np.mean(gains) == pytest.approx(mean, abs=5 * np.std(gains) / math.sqrt(20_000))  # five standard errors
    assert np.var(gains) / mean**2 * width == pytest.approx(relative, rel=0.08)  # a variance of 20,000, its tail heavy


# Which networks theory is for


def theory_of(net: S.Spec, top: float = 1.0) -> tuple[list[float], list[float]]:
    steps = [step for step in net.graph.leaves() if isinstance(step.layer, vary.KINDS)]
    return experiment._theory(net, steps, feed(net, dtype="float64", limit=20), top)


def chain(*middle: S.Layer, start: S.Initializer | None = None, bias: S.Initializer | None = None) -> S.Spec:
    own: dict[str, Any] = {"weight_init": start or S.XavierNormal(), "bias_init": bias or S.Zeros()}
    layers = S.Linear(30, **own), S.Tanh(), *middle, S.Linear(30, **own), S.Tanh(), S.Linear(30, **own), S.ELU()
    return S.Spec("chain", S.Sequential(S.Flatten(), *layers, S.Linear(10)), (1, 28, 28), data=S.Data("digits"))


def test_theory_goes_layer_by_layer_by_each_ones_own_activation_and_bias() -> None:
    net = chain(bias=S.Normal(0.0, 0.3))
    found, spread = theory_of(net, top=2.0)
    images = feed(net, dtype="float64", limit=20).train.inputs["input"].reshape(20, -1)
    first, second = 2 / (784 + 30), 2 / 60
    q = [first * (images**2).sum(axis=1).mean() + 0.09]
    tanh, elu = theory.pair(S.Tanh()), theory.pair(S.ELU())
    assert tanh and elu
    q += [theory.next_variance(tanh[0], q[0], second * 30, 0.09)]
    q += [theory.next_variance(tanh[0], q[1], second * 30, 0.09)]
    top, (chi, scatter) = 2.0, theory.shrinkage(elu[1], q[2], second * 30)
    expected = top * math.sqrt(chi) * math.exp(-scatter / 120)
    assert found[2] == pytest.approx(2.0)
    assert found[1] == pytest.approx(expected, rel=1e-9)  # a logarithm and back
    assert spread[1] == pytest.approx(0.5 * math.sqrt(scatter / 30))
    assert 0.0 == spread[2] < spread[1] < spread[0]


@pytest.mark.parametrize(
    "net",
    [
        chain(S.BatchNorm1d()),
        chain(S.Dropout(0.5)),
        chain(start=S.Uniform(0.0, 0.1)),
        chain(bias=S.Constant(0.1)),
        vary.with_activation(chain(start=S.Zeros()), "relu"),  # of nothing but zeros, whose slope is zero
        vary.with_activation(chain(), "gelu"),
        zoo.load("fashion_cnn"),
        S.Spec("c", S.Sequential(*[S.Conv2d(3, 3), S.ReLU()] * 2, S.Flatten(), S.Linear(10)), (1, 28, 28)),
        S.Spec(
            "n", S.Sequential(S.Flatten(), S.Linear(9), S.ReLU(), S.BatchNorm1d(), S.ReLU(), S.Linear(10)), (1, 28, 28)
        ),
    ],
    ids=["norm", "dropout", "mean", "bias", "zeros", "gelu", "cnn", "convolutions", "norm alone"],
)
def test_theory_is_silent_where_it_does_not_apply(net: S.Spec) -> None:
    assert theory_of(replace(net, data=S.Data("digits"))) == ([], [])


# What is measured


def step_of(layer: S.Layer) -> Any:
    return next(iter(S.Spec("s", S.Sequential(replace(layer, name="act")), (4,)).graph.leaves()))


def test_a_layers_figures_are_those_of_loops() -> None:
    rng = np.random.default_rng(0)
    values, slopes = np.tanh(rng.normal(0, 2, (30, 4, 3, 2))), rng.normal(size=(30, 4, 3, 2))
    values[:29, 0, 0, 0] = 0.95  # one unit of 24 that is flat on 29 examples of 30: over 95 %
    found = measure(step_of(S.Tanh()), values, slopes)
    flat = [1 - abs(value) < 0.1 for value in values.ravel()]
    units = values.reshape(30, -1).T
    dead = [sum(1 - abs(value) < 0.1 for value in unit) / 30 >= 0.95 for unit in units]
    assert sum(dead) == 1
    assert found.saturated == pytest.approx(sum(flat) / len(flat))
    assert found.dead == pytest.approx(1 / 24)
    assert found.gradient == pytest.approx(math.sqrt(sum((30 * s) ** 2 for s in slopes.ravel()) / slopes.size))
    assert (found.mean, found.std) == pytest.approx((values.mean(), values.std()))


@pytest.mark.parametrize(
    ("layer", "flat", "steep", "saturates"),
    [
        (S.Sigmoid(), (0.01, 0.999), (0.06, 0.94), True),
        (S.Tanh(), (-0.95, 0.91), (-0.89, 0.5), True),
        (S.ReLU(), (0.0,), (1e-9,), False),
        (S.ReLU(0.5), (-0.5,), (-0.49,), False),
        (S.ELU(0.4), (-0.39,), (-0.37, 3.0), False),
        (S.LeakyReLU(), (), (-1.0, 0.0, 1.0), False),
        (S.GELU(), (), (0.0, 1.0), False),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, S.Layer) else "",
)
def test_where_an_activation_is_flat(layer: S.Layer, flat: Any, steep: Any, saturates: bool) -> None:
    for values, expected in ((flat, 1.0), (steep, 0.0)):
        if values:
            output = np.array([values] * 20)
            found = measure(step_of(layer), output, np.ones_like(output))
            assert found.dead == expected
            assert found.saturated == (expected if saturates else 0.0)


def layer(path: str, gradient: float, dead: float = 0.0, std: float = 1.0) -> LayerSignal:
    return LayerSignal(path, 0.0, std, 0.0, dead, gradient)


def profile(*gradients: float) -> list[LayerSignal]:
    return [layer(f"l{at}", gradient) for at, gradient in enumerate(gradients)]


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (profile(0.5, 0.8, 1.0), "healthy: gradients lie between 0.5 and 1 of the top hidden layer's (0.001 to 1000)"),
        (profile(2e-3, 500.0, 1.0), "healthy: gradients lie between 0.002 and 5e+02"),
        (profile(1e-8, 2e-5, 0.1, 1.0), "vanishing from l1 down: its gradient is 2e-05 of the top hidden layer's; the"),
        (profile(1.0, 1e-4, 1.0), "vanishing from l1 down: its gradient is 1e-04 of"),
        (profile(0.0, 1.0), "vanishing from l0 down: its gradient is 0e+00 of"),
        (
            profile(1e9, 5e6, 10.0, 1.0),
            "exploding from l1 down: its gradient is 5e+06 times the top hidden layer's; the",
        ),
        (profile(1.0, 4e3, 1.0), "exploding from l1 down: its gradient is 4e+03 times"),
        (profile(1.0, math.nan, 1.0), "not finite from l1 on: its activations or gradients are NaN or infinite"),
        ([layer("a", 1.0), layer("b", 1.0, std=math.inf)], "not finite from b on"),
        (profile(0.0, 0.0), "no gradient at all reaches even the top hidden layer"),
        ([layer("a", 1.0, 0.5), layer("b", 1.0, 0.8), layer("c", 1.0)], "dying at b: 80% of its units are flat on 95%"),
    ],
)
def test_profiles_in_words(layers: list[LayerSignal], words: str) -> None:
    assert verdict(layers).startswith(words)


def test_the_first_layer_that_is_not_finite() -> None:
    outputs = {"b": np.array([1.0, math.inf]), "a": np.ones(2), "c": np.array([math.nan])}
    assert first_not_finite(outputs, ["a", "b", "c"]) == "b"
    assert first_not_finite(outputs, ["a", "missing", "c", "b"]) == "c"
    assert first_not_finite(outputs, ["a"]) == ""


# Curves


def history(
    train: list[float], held: list[float | None], accuracy: float = 0.5, ahead: float = 0.0, part: str = "test"
) -> list[Epoch]:
    return [
        Epoch(at, loss, accuracy + ahead, **{f"{part}_accuracy": accuracy, f"{part}_loss": other})
        for at, (loss, other) in enumerate(zip(train, held, strict=True), 1)
    ]


@pytest.mark.parametrize(
    ("epochs", "words"),
    [
        (history([1.0], [1.0]), "one epoch says nothing of over- or underfitting"),
        (history([], []), "one epoch says nothing"),
        (history([1.0, 0.9], [None, None]), "no loss was taken on held-out data, so fitting is not judged"),
        (
            history([1.0, 0.5, 0.3, 0.2], [1.0, 0.8, 0.82, 0.9]),
            "overfitting from epoch 3 on: the test loss has risen by 12% from its lowest, in epoch 2, while the "
            "training loss still falls (the rule is over 3%)",
        ),
        (
            history([1.0, 0.5], [0.5, 0.7], part="validation"),
            "overfitting from epoch 2 on: the validation loss has risen",
        ),
        (
            history([1.0, 0.99], [1.0, 0.99], ahead=0.06),
            "overfitting: training accuracy is 6.0 points above test accuracy",
        ),
        (
            history([1.0, 0.9], [1.0, 0.9]),
            "underfitting: the last epoch still lowered the training loss by 10% (the rule",
        ),
        (history([1.0, 0.99], [1.0, 0.99]), "neither over- nor underfitting: the test loss ends 0% above its lowest"),
        (history([1.0, 1.0], [1.0, 1.02]), "neither over- nor underfitting: the test loss ends 2% above its lowest"),
        # the held-out loss rises with the training loss: no overfitting
        (history([0.5, 0.9], [0.5, 0.9]), "neither over- nor underfitting: the test loss ends 80% above its lowest"),
        (history([2.3, math.nan], [2.3, math.nan]), "diverged: the loss is not finite from epoch 2 on"),
        (history([math.inf, math.inf], [1.0, 1.0]), "diverged: the loss is not finite from epoch 1 on"),
        (history([2.3, 2.0], [2.3, math.nan]), "diverged: the loss is not finite from epoch 2 on"),
        (history([0.0, 0.0], [0.0, 0.0]), "neither over- nor underfitting: the test loss ends 0% above its lowest"),
        (history([0.1, 0.0], [0.0, 0.1]), "overfitting from epoch 2 on: the test loss has risen by inf%"),
    ],
)
def test_curves_in_words(epochs: list[Epoch], words: str) -> None:
    assert diagnosis(epochs).startswith(words)


def test_an_autoencoder_is_judged_by_its_losses() -> None:
    epochs = [Epoch(1, 1.0, None, test_loss=1.0), Epoch(2, 0.5, None, test_loss=1.2)]
    assert diagnosis(epochs).startswith("overfitting from epoch 2 on: the test loss has risen by 20%")
