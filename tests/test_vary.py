"""Variants of a spec: other starts, activations and depths, cut off at a layer; what each costs and how it is drawn."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.errors import SpecError
from dualnet.run.feed import Part
from dualnet.specs import cost, text, vary, zoo
from dualnet.specs import initializers as I
from dualnet.specs.draw import draw
from dualnet.specs.graph import Step
from dualnet.specs.losses import classifies
from dualnet.specs.moments import bounds, density, moments
from dualnet.specs.parameter import Parameter
from dualnet.specs.starts import STARTS, start

MLP = S.Spec(
    "mlp",
    S.Sequential(
        S.Flatten(name="flat"),
        S.Linear(9, name="one"),
        S.Tanh(name="act"),
        S.Block((S.Linear(9, name="inner", weight_init=S.Ones()), S.LeakyReLU(0.3, name="leaky")), name="block"),
        S.Dropout(0.5, name="drop"),
        S.Linear(10, name="out"),
    ),
    (1, 28, 28),
    data=S.Data(set="digits"),
)


def kinds(spec: S.Spec) -> list[str]:
    return [type(step.layer).__name__ for step in spec.graph.leaves()]


# Starts


def test_every_name_is_an_initializer_and_both_frameworks_words_are_known() -> None:
    assert {"xavier_normal", "glorot_normal", "kaiming_uniform", "he_uniform", "lecun_normal"} <= set(STARTS)
    assert all(start(name) == made for name, made in STARTS.items())
    assert start("glorot_uniform") == start("xavier_uniform") == S.XavierUniform()
    assert start("he_normal") == S.KaimingNormal(truncated=True) != start("kaiming_normal")
    assert start("normal:0.01") == S.Normal(0.0, 0.01)
    assert start("uniform:0.1") == S.Uniform(-0.1, 0.1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("xavier_norml", r"There is no initializer 'xavier_norml'\. Did you mean 'xavier_normal'\?"),
        ("qqq", r"There is no initializer 'qqq'\. Known: zeros, .*, torch_default, keras_default\."),
        ("normal:x", "Expected normal:STD or uniform:BOUND with a number above 0. Received: 'normal:x'"),
        ("normal:-1", "with a number above 0. Received: 'normal:-1'"),
        ("uniform:nan", "with a number above 0. Received: 'uniform:nan'"),
        ("ones:2", "Expected normal:STD or uniform:BOUND"),
        ("normal:inf", "std must be"),
    ],
)
def test_what_is_no_start_is_refused(name: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        start(name)


# Variants


def test_started_starts_every_layer_alike_and_biases_at_zero() -> None:
    made = vary.started(MLP, "he_normal")
    starts = {name: parameter.initializer for name, parameter in made.parameters.items()}
    assert set(starts) == {f"{path}.{own}" for path in ("one", "block.inner", "out") for own in ("weight", "bias")}
    assert all(each == (S.Zeros() if n.endswith("bias") else start("he_normal")) for n, each in starts.items())
    assert kinds(made) == kinds(MLP)


@pytest.mark.parametrize("preset", I.PRESETS)
def test_a_frameworks_own_rule_reaches_weights_and_biases(preset: str) -> None:
    made = vary.started(MLP, preset)
    for name, parameter in made.parameters.items():
        assert parameter.initializer == I.PRESETS[preset][name.rpartition(".")[2]]


def test_activations_change_everywhere_and_keep_their_names_and_wires() -> None:
    made = vary.with_activation(MLP, "elu")
    assert kinds(made) == ["Flatten", "Linear", "ELU", "Linear", "ELU", "Dropout", "Linear"]
    assert [step.path for step in made.graph.leaves()] == [step.path for step in MLP.graph.leaves()]
    assert vary.with_activation(MLP, "shifted_relu").graph.steps[2].layer == S.ReLU(0.5, name="act")
    branched = S.Spec("b", S.Block((S.Linear(3, name="a"), S.ReLU(name="r", inputs=("input",)))), (3,))
    assert vary.with_activation(branched, "tanh").graph.steps[1].inputs == ("input",)


def test_what_cannot_be_varied_is_refused() -> None:
    bare = S.Spec("bare", S.Sequential(S.Linear(3)), (3,))
    with pytest.raises(SpecError, match="bare: it has no activation to replace by relu"):
        vary.with_activation(bare, "relu")
    with pytest.raises(SpecError, match=r"There is no activation 'rely'\. Did you mean 'relu'\?"):
        vary.with_activation(MLP, "rely")
    with pytest.raises(SpecError, match="mlp: --depth repeats like pairs of Linear and activation, and it has no two"):
        vary.with_depth(MLP, 3)


DEEP = S.Spec(
    "deep",
    S.Sequential(
        S.Flatten(),
        S.Linear(20),
        S.Tanh(),
        *(layer for _ in range(4) for layer in (S.Linear(7), S.Tanh())),
        S.Dropout(0.1),
        S.Linear(10, name="out"),
    ),
    (1, 28, 28),
)


@pytest.mark.parametrize("depth", [1, 3, 4, 9])
def test_depth_repeats_or_cuts_the_longest_run_of_like_pairs(depth: int) -> None:
    made = vary.with_depth(DEEP, depth)
    assert kinds(made) == ["Flatten", "Linear", "Tanh", *["Linear", "Tanh"] * depth, "Dropout", "Linear"]
    widths = [shape[0] for name, parameter in made.parameters.items() if len(shape := parameter.shape) == 2]
    assert widths == [20, *[7] * depth, 10]
    assert "out.weight" in made.parameters


def test_a_run_that_is_broken_is_no_run() -> None:
    layers = [S.Linear(7), S.Tanh(), S.Dropout(0.1), S.Linear(7), S.Tanh(), S.Linear(10)]
    with pytest.raises(SpecError, match="no two in a row"):
        vary.with_depth(S.Spec("broken", S.Sequential(*layers), (7,)), 3)


def test_a_spec_cut_off_at_a_layer_gives_that_layers_values(backend: Backend) -> None:
    x = {"input": np.random.default_rng(1).normal(size=(3, 1, 28, 28))}
    whole = backend.session(MLP, dtype="float64", seed=2)
    layers = whole.forward(x)["layers"]
    for path in ("one", "act", "block.inner", "block.leaky", "out"):
        cut = vary.upto(MLP, path)
        assert cut.training.loss == S.MeanSquaredError(target="given")
        assert list(cut.graph.leaves())[-1].path == path
        session = backend.session(cut, dtype="float64", seed=2)  # draws go by name: the same start
        np.testing.assert_array_equal(session.forward(x)["outputs"][0], layers[path])
    with pytest.raises(SpecError, match=r"mlp: there is no layer 'block\.leeky'\. Did you mean 'block\.leaky'\?"):
        vary.upto(MLP, "block.leeky")


def test_every_variant_of_the_zoo_is_a_spec_that_round_trips() -> None:
    for name in ("fashion_mlp", "fashion_cnn", "fashion_resnet"):
        spec = zoo.load(name)
        path = list(spec.graph.leaves())[-2].path
        for made in (vary.started(spec, "orthogonal"), vary.with_activation(spec, "silu"), vary.upto(spec, path)):
            assert text.loads(text.dumps(made)) == made


# Given targets


def test_targets_can_be_given_with_the_data(backend: Backend) -> None:
    rng = np.random.default_rng(3)
    part = Part({"x": rng.normal(size=(6, 4))}, np.zeros(6, np.int64), rng.normal(size=(6, 2)))
    loss = S.MeanSquaredError(target="given")
    assert part.targets(loss, 10) is part.given
    assert not classifies(loss)
    assert classifies(S.MeanSquaredError())
    spec = S.Spec("given", S.Sequential(S.Linear(2)), {"x": (4,)}, training=S.Training(loss=loss))
    assert text.loads(text.dumps(spec)) == spec
    session = backend.session(spec, dtype="float64")
    session.hold("train", part.inputs, part.targets(loss, 10))
    session.prepare(loss, S.SGD(0.1))
    w = session.weights()
    first = next(name for name in w if name.endswith("weight"))
    residue = part.inputs["x"] @ w[first].T + w[first.replace("weight", "bias")] - part.given
    found = session.steps("train", np.arange(6)[None], np.array([0.1]))
    assert found["loss"][0] == pytest.approx((residue**2).mean(), rel=1e-13)  # one sum of 12 squares
    step = w[first] - 0.1 * 2 * residue.T @ part.inputs["x"] / residue.size
    np.testing.assert_allclose(session.weights()[first], step, rtol=0, atol=1e-13)  # as little


# Cost


def counted(step: Step) -> int:
    """Count multiply-adds one by one, with loops over outputs and over what each of them reads.

    A transposed convolution is counted the other way round: over what it reads, and over what each of that adds to.
    """
    layer, count = step.layer, 0
    if isinstance(layer, S.ConvTranspose2d):
        for _ in np.ndindex(step.in_shapes[0]):
            count += sum(1 for _ in np.ndindex(layer.channels // layer.groups, *layer.kernel))
        return count
    for _ in np.ndindex(step.out_shapes[0]):
        if isinstance(layer, (S.Conv1d, S.Conv2d, S.Conv3d)):
            count += sum(1 for _ in np.ndindex(step.in_shapes[0][0] // layer.groups, *layer.kernel))
        else:
            count += step.in_shapes[0][-1] if isinstance(layer, S.Linear) else 0
    return count


COSTS = {
    "conv": S.Conv2d(6, (3, 2), stride=2, padding=1, bias=False),
    "grouped": S.Conv2d(6, 3, groups=3),
    "depthwise": S.Conv2d(3, 3, groups=3, dilation=2),
    "linear": S.Linear(5),
    "signal": S.Conv1d(4, 3, groups=2),
    "volume": S.Conv3d(4, (3, 1, 2), stride=2),
    "transposed": S.ConvTranspose2d(6, (3, 2), groups=3, stride=2),
}
SHAPES = {"linear": (6, 8), "signal": (4, 7), "volume": (3, 4, 5, 3)}


@pytest.mark.parametrize("name", COSTS)
def test_multiply_adds_are_those_counted_one_by_one(name: str) -> None:
    spec = S.Spec("c", S.Sequential(COSTS[name]), SHAPES.get(name, (3, 7, 8)))
    (step,) = spec.graph.leaves()
    assert cost.multiply_adds(step) == counted(step) == cost.total(spec)


def test_what_has_no_weights_costs_nothing_and_a_net_is_the_sum_of_its_layers() -> None:
    rest = S.Sequential(S.BatchNorm2d(), S.ReLU(), S.MaxPool2d(2), S.Flatten(), S.Dropout(0.5))
    assert cost.total(S.Spec("r", rest, (3, 8, 8))) == 0
    assert cost.total(zoo.load("fashion_mlp")) == 784 * 128 + 128 * 10
    standard = cost.total(S.Spec("s", S.Sequential(S.Conv2d(64, 3, padding=1, bias=False)), (32, 14, 14)))
    layers = S.Conv2d(32, 3, padding=1, groups=32, bias=False), S.Conv2d(64, 1, bias=False)
    separable = cost.total(S.Spec("d", S.Sequential(*layers), (32, 14, 14)))
    assert separable / standard == pytest.approx(1 / 64 + 1 / 9)  # Howard et al. 2017


# Theory of draws

CONTINUOUS: dict[str, I.Initializer] = {
    **{name: made for name, made in STARTS.items() if name not in ("zeros", "ones", "orthogonal")},
    "keras truncated": I.TruncatedNormal(0.0, 0.05, -0.1, 0.1),
    "skew truncated": I.TruncatedNormal(0.5, 2.0, -1.0, 3.0),
    "far truncated": I.TruncatedNormal(0.0, 1.0, 1.0, 4.0),
    "shifted": I.Uniform(-0.5, 2.0),
    "fan_out": I.KaimingNormal(mode="fan_out", nonlinearity="tanh"),
    "fan_in_uniform": I.FanInUniform(),
    "gain": I.XavierUniform(3.0),
}


def parameter(initializer: I.Initializer) -> Parameter:
    return Parameter("weight", (60, 40), initializer, 40, 60)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_a_density_integrates_to_one_and_has_the_moments_and_bounds(name: str) -> None:
    p = parameter(CONTINUOUS[name])
    found = moments(p)
    assert found is not None
    mean, variance = found
    low, high = bounds(p)
    reach = 9 * math.sqrt(variance)
    first, last = max(low, mean - reach), min(high, mean + reach)
    nodes, weights = np.polynomial.legendre.leggauss(100)
    x = (first + last) / 2 + nodes * (last - first) / 2
    y = np.array([density(p, each) for each in x]) * weights * (last - first) / 2

    def integral(power: int) -> float:
        return float((y * (x - mean) ** power).sum())

    # what a hundred nodes leave, and the second moment that a normal has beyond 9 standard deviations: 1e-17
    assert integral(0) == pytest.approx(1.0, rel=1e-8)
    assert integral(1) == pytest.approx(0.0, abs=1e-8 * math.sqrt(variance))
    assert integral(2) == pytest.approx(variance, rel=1e-8)
    if math.isfinite(high):
        edge = 1e-9 * (high - low)
        assert density(p, low - edge) == density(p, high + edge) == 0.0
        assert (density(p, low + edge) or 0) > 0 < (density(p, high - edge) or 0)


@pytest.mark.parametrize("name", [*CONTINUOUS, "orthogonal", "zeros", "ones"])
def test_what_is_drawn_lies_within_the_bounds_and_has_the_moments(name: str) -> None:
    p = parameter({**CONTINUOUS, **STARTS}[name])
    found, (low, high) = moments(p), bounds(p)
    assert found is not None
    values = draw(p, 0, "weight").ravel()
    assert low <= values.min() <= values.max() <= high
    # five standard errors; a variance's is at most √2 of it per value, and orthonormal ones scatter less
    error = 5 * math.sqrt(found[1] / values.size)
    assert abs(values.mean() - found[0]) <= error
    assert abs(values.var() - found[1]) <= 5 * math.sqrt(2 / values.size) * found[1]
    if math.isfinite(high) and "normal" not in name and name not in ("zeros", "ones", "orthogonal"):
        assert values.max() > low + 0.9 * (high - low)  # the bounds are no wider than need be


def test_densities_are_scipys() -> None:
    for name, judge in {
        "normal": stats.norm(),
        "uniform": stats.uniform(),
        "skew truncated": stats.truncnorm(-0.75, 1.25, 0.5, 2.0),
        "kaiming_normal": stats.norm(scale=math.sqrt(2 / 40)),
        "he_normal": stats.truncnorm(-2, 2, scale=math.sqrt(2 / 40) / stats.truncnorm(-2, 2).std()),
    }.items():
        p = parameter(CONTINUOUS[name])
        for x in np.linspace(-1.21, 1.22, 25):
            assert density(p, x) == pytest.approx(judge.pdf(x), rel=1e-9, abs=1e-300)  # two ways to write erf


@pytest.mark.parametrize("made", [I.Zeros(), I.Constant(3.0), I.Orthogonal(), I.Normal(1.0, 0.0), I.Eye(), I.Dirac()])
def test_what_has_no_density_says_so(made: I.Initializer) -> None:
    assert density(parameter(made), 0.1) is None
    low, high = bounds(parameter(made))
    assert low <= high


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 900), st.integers(1, 900), st.sampled_from(sorted(CONTINUOUS)))
def test_any_fans_make_bounds_about_the_mean(fan_in: int, fan_out: int, name: str) -> None:
    p = replace(parameter(CONTINUOUS[name]), fan_in=fan_in, fan_out=fan_out)
    found: Any = moments(p)
    low, high = bounds(p)
    assert low < found[0] < high
    assert (density(p, found[0]) or 0) > 0
    assert density(p, math.nan) in (0.0, None)
