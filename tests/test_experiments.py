"""Experiments that look at networks: figures worked out anew, planted faults, one clear line for bad input."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from dualnet import specs as S
from dualnet import store
from dualnet.backends import Backend
from dualnet.data import load_dataset
from dualnet.diagnose.signal import LayerSignal
from dualnet.errors import SpecError, WeightsError
from dualnet.experiments.bench import Bench
from dualnet.experiments.explanation import explain
from dualnet.experiments.forecast import announcement, spoken
from dualnet.experiments.given import each, samples_of, some, within
from dualnet.experiments.initialisation import init
from dualnet.experiments.prediction import predict
from dualnet.experiments.signals import Profile, signal
from dualnet.experiments.statistics import difference, mean, relative_gap
from dualnet.experiments.summaries import summary
from dualnet.experiments.trained import weights_of
from dualnet.experiments.training import train
from dualnet.report.exhibits import Histogram, Lines, Pictures, Table
from dualnet.report.result import Result
from dualnet.run.feed import feed
from dualnet.specs import text, zoo
from tests.benches import CNN, IDLE, MLP, Planted, table_of, telling, whole

# Float64 sums of up to 784 products in two orders: 2^-53 with three digits to spare.
CLOSE = 1e-11


# What experiments are given


def test_words_between_commas() -> None:
    assert each(" 0.1, 2 ,", float, "rates") == (0.1, 2.0)
    assert each([1, 2], int, "widths") == (1, 2)
    assert each("", str, "names") == ()
    assert some("a,b", str, "names") == ("a", "b")
    assert samples_of("3") == (3,)
    assert samples_of("0,4,7") == (0, 4, 7)
    assert samples_of("2..5") == (2, 3, 4, 5)
    assert samples_of([8]) == (8,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: each("1,x", float, "rates"), "rates must be numbers between commas. Received: 'x'"),
        (lambda: each("1.5", int, "widths"), "widths must be whole numbers between commas. Received: '1.5'"),
        (lambda: some(" , ", float, "rates"), "rates must be numbers between commas, at least one. Received: ' , '"),
        (lambda: some([], str, "methods"), "methods must be names between commas, at least one. Received: []"),
        (
            lambda: samples_of("5..2"),
            "Samples must be numbers between commas, or a range such as 0..9. Received: '5..2'",
        ),
        (lambda: samples_of("..2"), "or a range such as 0..9. Received: '..2'"),
        (lambda: samples_of("one"), "samples must be whole numbers between commas. Received: 'one'"),
        (lambda: within((0, 9), 9), "Samples must be from 0 to 8. Received: 0, 9"),
        (lambda: within((-1,), 9), "Samples must be from 0 to 8. Received: -1"),
        (lambda: within((), 9), "Samples must be from 0 to 8. Received: none"),
    ],
)
def test_bad_lists_are_refused(call: Any, message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        call()


def test_durations_as_one_says_them() -> None:
    assert [spoken(s) for s in (1, 31, 89, 91, 600, 5399, 5400)] == [
        *("10 seconds", "30 seconds", "90 seconds", "2 minutes", "10 minutes", "90 minutes", "1.5 hours"),
    ]
    assert announcement("work", 18.0) == "work; about 30 seconds"


# Statistics


def test_intervals_are_scipys() -> None:
    a, b = [0.81, 0.83, 0.78, 0.85], [0.80, 0.84, 0.75, 0.79]
    found = mean(a)
    low, high = stats.t.interval(0.95, 3, np.mean(a), stats.sem(a))
    assert (found.value, found.low, found.high, found.count) == pytest.approx((np.mean(a), low, high, 4))
    paired = stats.ttest_rel(a, b).confidence_interval(0.95)
    gain = difference(a, b)
    assert (gain.value, gain.low, gain.high) == pytest.approx((np.mean(a) - np.mean(b), paired.low, paired.high))
    assert found.percent() == f"{100 * np.mean(a):.2f} ± {100 * (high - low) / 2:.2f}"
    assert gain.points() == f"{100 * gain.value:+.2f} [{100 * paired.low:+.2f}, {100 * paired.high:+.2f}]"
    lone = mean([0.5])
    assert (lone.low, lone.high, lone.percent(), lone.points()) == (0.5, 0.5, "50.00", "+50.00")
    with pytest.raises(ValueError, match="shorter"):
        difference([1.0, 2.0], [1.0])


# init


@pytest.fixture(scope="module")
def drawn(both: tuple[Backend, Backend]) -> tuple[Result, list[str]]:
    said: list[str] = []
    return init(MLP, "torch_default,keras_default,xavier_normal", 4, bench=telling(said, seed=7)), said


def test_init_shows_what_each_framework_draws(drawn: Any, both: tuple[Backend, Backend]) -> None:
    found, said = drawn
    whole(found)
    assert said == ["mlp: 3 initializers, 4 seeds each; about 10 seconds"]
    assert found.verdict == "equal"
    assert "none did" in found.says[0]
    assert found.says[-1].startswith("the frameworks' own defaults differ: torch's first weights have a standard dev")
    own = found.data["xavier_normal"]
    assert list(own) == ["hidden.weight", "second.weight", "logits.weight"]  # biases are zeros
    assert "hidden.bias" in found.data["torch_default"]
    assert own["hidden.weight"]["theory"]["variance"] == pytest.approx(2 / (784 + 12))
    assert own["second.weight"]["fan_in"] == 12
    bound = math.sqrt(6 / (784 + 12))
    assert found.data["keras_default"]["hidden.weight"]["theory"]["bounds"] == pytest.approx([-bound, bound])
    values = []
    for backend in both:
        session = backend.session(S.Spec(MLP.name, S.initialised(MLP.model, S.XavierNormal(), S.Zeros()), MLP.inputs))
        taken = []
        for seed in (7, 8, 9, 10):
            session.draw(seed)
            taken.append(session.weights()["second.weight"].ravel().astype(np.float64))
        values.append(np.concatenate(taken))
        assert own["second.weight"][backend.name]["variance"] == pytest.approx(values[-1].var(), rel=1e-12)
    same = stats.ks_2samp(*values, method="asymp").pvalue
    assert own["second.weight"]["tests"]["torch against keras"] == pytest.approx(same, rel=1e-9)
    z = values[0].mean() / math.sqrt(2 / 20 / len(values[0]))
    p = 2 * stats.norm.sf(abs(z))
    assert own["second.weight"]["tests"]["torch mean against theory"] == pytest.approx(p, rel=1e-9)
    assert "XavierNormal" not in found.table()


def test_histograms_of_draws_lie_over_a_density_that_is_one(drawn: Any) -> None:
    charts = [each for each in drawn[0].exhibits if isinstance(each, Histogram)]
    assert len(charts) == 9
    for chart in charts:
        widths = np.diff(chart.edges)
        for group in chart.groups:
            assert (np.array(group.values) * widths).sum() == pytest.approx(1.0, rel=1e-6)  # nine digits are kept
        area = (np.array(chart.curve) * widths).sum()
        assert 0.97 < area < 1.02  # theory's, between the smallest and the largest draw of a few hundred


def scaled(session: Any, answer: Any) -> None:
    session.load({name: array * 1.15 for name, array in session.weights().items()})


def test_a_draw_that_is_off_is_divergent_and_named(both: Any) -> None:
    found = init(MLP, ["kaiming_uniform"], 6, bench=Bench(host=Planted("draw", scaled)))
    assert found.verdict == "divergent"
    assert any(re.match(r"kaiming_uniform, hidden\.weight: keras variance against theory, p = ", s) for s in found.says)
    assert not any("torch variance" in line for line in found.says[1:])


def test_init_refuses_what_cannot_be() -> None:
    with pytest.raises(SpecError, match=r"There is no initializer 'xavier'\. Did you mean"):
        init(MLP, "xavier", bench=IDLE)
    with pytest.raises(SpecError, match="initializers must be names between commas, at least one"):
        init(MLP, ",", bench=IDLE)
    with pytest.raises(SpecError, match=r"seeds must be at least 1\. Received: 0"):
        init(MLP, seeds=0, bench=IDLE)
    with pytest.raises(SpecError, match="bare: it has no Linear and no convolution whose start could be drawn"):
        init(S.Spec("bare", S.Sequential(S.LayerNorm()), (4,)), bench=IDLE)
    with pytest.raises(SpecError, match="There is no spec 'nowhere'"):
        init("nowhere", bench=IDLE)


# signal


def by_hand(weights: Any, images: Any, labels: Any) -> list[tuple[float, float, float]]:
    """Return (mean, std, gradient) of both tanh layers by NumPy: forward, and backward from the cross entropy."""
    x = images.reshape(len(images), -1)
    one = np.tanh(x @ weights["hidden.weight"].T + weights["hidden.bias"])
    two = np.tanh(one @ weights["second.weight"].T + weights["second.bias"])
    logits = two @ weights["logits.weight"].T + weights["logits.bias"]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    slope = (p - np.eye(10)[labels]) @ weights["logits.weight"]
    below = (slope * (1 - two**2)) @ weights["second.weight"]
    return [(a.mean(), a.std(), math.sqrt((g**2).mean())) for a, g in ((one, below), (two, slope))]


def test_signal_measures_what_numpy_does(backend: Backend) -> None:
    said: list[str] = []
    found = signal(MLP, limit=90, bench=telling(said, backends=(backend.name,), seed=3))
    whole(found)
    assert said == ["mlp: 1 kinds of activation, layer by layer; about 10 seconds"]
    fed = feed(MLP, dtype="float64", limit=90)
    weights = backend.session(MLP, dtype="float64", seed=3).weights()
    expected = by_hand(weights, fed.train.inputs["input"], fed.train.labels)
    layers = found.data["as given"][backend.name]
    assert [each["path"] for each in layers] == ["tanh", "top"]
    made = [(each["mean"], each["std"], each["gradient"]) for each in layers]
    np.testing.assert_allclose(made, expected, rtol=CLOSE)
    assert found.verdict == ""  # nothing was compared
    assert found.says[0].startswith(f"as given, {backend.name}: healthy")


DEEP = text.with_fields(
    MLP,
    name="deep",
    model=S.Sequential(S.Flatten(), *[S.Linear(40), S.Tanh()] * 3, S.Linear(10)),
)


def test_signal_tells_activations_apart_on_both_sides(both: Any) -> None:
    found = signal(DEEP, "sigmoid,relu", 8, limit=60, bench=Bench())
    whole(found)
    assert found.verdict == "equal"
    words = dict(line.split(": ", 1) for line in found.says if "torch and keras" in line)
    assert words["sigmoid, torch and keras"].startswith("vanishing from ")
    assert not words["relu, torch and keras"].startswith(("vanishing", "exploding"))
    assert len(found.data["sigmoid"]["keras"]) == 8
    predicted = found.data["theory"]["relu"]
    measured = [each["gradient"] for each in found.data["relu"]["torch"]]
    off = np.abs(np.log(measured) - np.log(predicted["gradient"]))[:-1] / np.array(predicted["spread"])[:-1]
    (line,) = [line for line in found.says if line.startswith("relu: measured gradients lie within")]
    assert f"within {off.max():.1f} standard deviations" in line
    assert off.max() < 4  # of seven layers that hang together, one may be three deviations off
    chart = next(each for each in found.exhibits if isinstance(each, Lines))
    assert [s.name for s in chart.series] == [
        f"{name}, {what}" for name in ("sigmoid", "relu") for what in ("torch", "keras", "theory")
    ]


def test_deep_nets_are_shown_in_part_and_kept_whole(both: Any) -> None:
    found = signal(DEEP, depth=30, limit=20, bench=Bench(backends=("torch",)))
    (shown,) = [each for each in found.exhibits if isinstance(each, Table)]
    assert len(shown.rows) == 10
    assert (shown.rows[0][0], shown.rows[-1][0]) == ("activation1", "activation30")
    assert len(found.data["as given"]["torch"]) == 30


@pytest.mark.parametrize(("factor", "verdict"), [(1 + 1e-6, "divergent"), (math.nan, "divergent"), (1.0, "equal")])
def test_gradients_that_differ_are_divergent(factor: float, verdict: str, both: Any) -> None:
    def change(session: Any, answer: Any) -> Any:
        return answer | {"layers": {path: array * factor for path, array in answer["layers"].items()}}

    assert signal(MLP, limit=20, bench=Bench(host=Planted("gradients", change))).verdict == verdict


def test_a_net_without_any_gradient_is_told_so(both: Any) -> None:
    zeros = replace(MLP, model=S.initialised(MLP.model, S.Zeros(), S.Zeros()))
    found = signal(zeros, ["relu"], limit=20)
    assert found.verdict == "equal"
    assert found.says[0] == "relu, torch and keras: no gradient at all reaches even the top hidden layer"
    whole(found)


def test_the_gap_of_profiles() -> None:
    def profile(left: list[float], right: list[float]) -> Profile:
        sides = {"torch": left, "keras": right}
        layers = {name: [LayerSignal("l", 0.0, 1.0, 0.0, 0.0, g) for g in each] for name, each in sides.items()}
        return Profile("p", layers, [], [])

    assert profile([1.0, 2.0], [1.0, 1.5]).gap() == 0.25
    assert profile([0.0, 2.0], [0.0, 2.0]).gap() == 0.0
    assert profile([0.0], [1e-9]).gap() == 1.0
    assert profile([math.inf, 1.0], [math.inf, 0.5]).gap() == 0.5
    assert profile([1.0], [math.nan]).gap() == math.inf
    assert math.isnan(profile([math.nan], [math.nan]).gap())


def test_signal_refuses_what_cannot_be() -> None:
    with pytest.raises(SpecError, match=r"cnn: signals are followed through activations, and it has 1\. Give it two"):
        signal(CNN, bench=IDLE)
    with pytest.raises(SpecError, match=r"There is no activation 'tahn'\. Did you mean 'tanh'"):
        signal(MLP, "tahn", bench=IDLE)
    with pytest.raises(SpecError, match="cnn: --depth repeats like pairs"):
        signal(CNN, depth=3, bench=IDLE)
    with pytest.raises(SpecError, match="siamese: the data set 'fashion_mnist' gives one image"):
        signal("siamese", "relu", bench=IDLE)


# explain and predict


@pytest.fixture(scope="module")
def kept(both: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training: a checkpoint of each backend."""
    folder: Path = tmp_path_factory.mktemp("run")
    train(CNN, limit=100, out=folder, bench=Bench())
    return folder


def test_explain_shows_the_same_maps_of_the_same_weights(kept: Path) -> None:
    said: list[str] = []
    found = explain(CNN, (0, 3), weights=kept, limit=50, bench=telling(said))
    whole(found)
    assert said == ["cnn: saliency, smoothgrad, cam, gradcam of 2 test images; about 10 seconds"]
    assert found.verdict == "equal"
    assert set(found.data["gap"]) == {"saliency", "smoothgrad", "cam", "gradcam"}
    assert all(value <= 1e-8 for value in found.data["gap"].values())  # the experiment's own bound
    assert found.data["samples"] == [0, 3]
    assert "the same weights, trained on torch" in found.title
    (grid,) = [each for each in found.exhibits if isinstance(each, Pictures)]
    labels = load_dataset("digits").test_labels
    assert grid.rows == (f"0: {labels[0]}", f"3: {labels[3]}")
    assert len(grid.columns) == len(grid.cells[0]) == 1 + 4 * 3
    truth = explain(CNN, (0, 3), "saliency", weights=kept, label=True, limit=50)
    assert truth.data["classes"] == labels[[0, 3]].tolist()


def test_maps_that_differ_are_divergent_and_each_its_own_training_is_no_verdict(kept: Path) -> None:
    def change(session: Any, answer: Any) -> Any:
        return answer | {"inputs": {name: array * (1 + 1e-6) for name, array in answer["inputs"].items()}}

    host = Planted("gradients", change)
    found = explain(CNN, (1,), ("saliency", "cam"), weights=kept, limit=50, bench=Bench(host=host))
    assert found.verdict == "divergent"
    assert found.data["gap"]["saliency"] == pytest.approx(1e-6, rel=1e-3)
    assert found.data["gap"]["cam"] <= 1e-8  # it takes no gradients
    own = explain(CNN, (1,), "saliency", weights=kept, by="each", limit=50)
    assert own.verdict == ""
    assert "each its own training" in own.title


def test_the_gap_of_maps() -> None:
    left, right = np.array([[[1.0, -4.0]]]), np.array([[[1.5, -4.0]]])
    assert relative_gap(left, right) == 0.125
    assert relative_gap(left * 0, left * 0) == 0.0
    assert math.isnan(relative_gap(left, left * math.nan))


def test_a_method_that_a_net_is_not_built_for_is_left_out(both: Any) -> None:
    short = text.with_fields(MLP, epochs=1)
    found = explain(short, "2", ["saliency", "cam", "gradcam"], limit=50, bench=Bench(backends=("keras",)))
    whole(found)
    assert found.settings["methods"] == ["saliency"]
    assert "the same weights, trained on keras" in found.title  # the first, where torch is not asked for
    assert [line.partition(":")[0] for line in found.says] == ["cam left out", "gradcam left out"]
    with pytest.raises(SpecError, match="cam left out: mlp: CAM needs a net that ends in global average pooling"):
        explain(short, "2", "cam", limit=50, bench=Bench(backends=("torch",)))


def test_predict_is_softmax_of_the_logits(kept: Path, both: tuple[Backend, Backend]) -> None:
    found = predict(CNN, "0..2", temperature=2.5, weights=kept, limit=50)
    whole(found)
    fed = feed(CNN, limit=50)
    for backend in both:
        session = backend.session(CNN)
        arrays, _ = store.load(kept / f"{backend.name}.safetensors")
        session.load({name: arrays[f"weights/{name}"] for name in CNN.parameters})
        logits = session.forward({"input": fed.test.inputs["input"][:3]})["outputs"][0].astype(np.float64) / 2.5
        for at in range(3):
            powers = [math.exp(value) for value in logits[at]]
            expected = [power / sum(powers) for power in powers]
            np.testing.assert_allclose(found.data[backend.name][str(at)], expected, rtol=1e-12)
            hard = int(np.argmax(expected))
            assert f"{backend.name} {hard} ({max(expected):.1%})" in found.says[at]
            table = table_of(found, f"Test image {at}")
            column = table.heads.index(backend.name)
            assert [row[column].endswith("*") for row in table.rows].index(True) == hard
            assert [row[0].endswith("<- label") for row in table.rows].index(True) == fed.test.labels[at]
    assert " at T=2.5" in found.title


def test_each_side_has_its_own_weights_or_both_those_of_one(kept: Path, tmp_path: Path, both: Any) -> None:
    """Of two steps from one start both checkpoints may be the same to the bit: keras's is made another."""
    fed, held = feed(CNN, limit=50), {}
    for name, factor in (("torch", 1.0), ("keras", 1.5)):
        arrays, metadata = store.load(kept / f"{name}.safetensors")
        held[name] = {key: array * factor for key, array in arrays.items()}
        store.save(tmp_path / f"{name}.safetensors", held[name], metadata)
    for by, whose in {"each": ("torch", "keras"), "torch": ("torch", "torch"), "keras": ("keras", "keras")}.items():
        found = weights_of(CNN, fed, Bench(), by, tmp_path)
        assert list(found) == ["torch", "keras"]
        for weights, name in zip(found.values(), whose, strict=True):
            np.testing.assert_array_equal(weights["head.weight"], held[name]["weights/head.weight"])


def test_one_file_of_weights_serves_both_sides(kept: Path, both: Any) -> None:
    found = predict(CNN, (0,), weights=kept / "torch.safetensors", limit=50, bench=Bench(dtype="float64"))
    np.testing.assert_allclose(found.data["torch"]["0"], found.data["keras"]["0"], rtol=CLOSE)
    whose = predict(CNN, (0,), weights=kept, by="keras", limit=50, bench=Bench(backends=("torch", "keras")))
    np.testing.assert_allclose(whose.data["torch"]["0"], whose.data["keras"]["0"], rtol=1e-4)  # float32


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "method": (
        lambda b: explain(CNN, methods="salience", bench=b),
        SpecError,
        "There is no method 'salience'. Did you",
    ),
    "no method": (lambda b: explain(CNN, methods=",", bench=b), SpecError, "methods must be names between commas, at"),
    "sample": (
        lambda b: explain(CNN, (50,), limit=50, bench=b),
        SpecError,
        "Samples must be from 0 to 49. Received: 50",
    ),
    "negative": (
        lambda b: predict(CNN, "-1", limit=50, bench=b),
        SpecError,
        "Samples must be from 0 to 49. Received: -1",
    ),
    "by": (
        lambda b: explain(CNN, by="jax", limit=50, bench=b),
        SpecError,
        "Weights can be those of torch, keras, or of",
    ),
    "temperature": (lambda b: predict(CNN, temperature=0, bench=b), SpecError, "The temperature must be above 0"),
    "nan": (lambda b: predict(CNN, temperature=math.nan, bench=b), SpecError, "The temperature must be above 0"),
    "classes": (lambda b: predict("autoencoder", bench=b), SpecError, "autoencoder: its loss knows no classes"),
    "folder": (
        lambda b: predict(CNN, weights=Path(__file__).parent, limit=50, bench=b),
        WeightsError,
        "it holds no checkpoint torch.safetensors of a run. `dualnet train --out` writes one.",
    ),
    "file": (
        lambda b: predict(CNN, weights=Path("/nowhere.st"), limit=50, bench=b),
        WeightsError,
        "Expected a safetensors file at /nowhere.st. Received: no such file.",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_looked_at_is_refused_before_any_work(case: str) -> None:
    call, kind, message = BAD[case]
    with pytest.raises(kind, match=re.escape(message)):
        call(IDLE)


def test_weights_of_another_net_are_refused(kept: Path) -> None:
    with pytest.raises(WeightsError, match="mlp"):
        predict(MLP, weights=kept, limit=50)


# summary


# One example's outputs, as each framework holds them.
SHAPES = {
    "torch": [(6, 12, 12), (6, 12, 12), (6, 1, 1), (6,), (10,)],
    "keras": [(12, 12, 6), (12, 12, 6), (1, 1, 6), (6,), (10,)],
}


def test_a_summary_counts_live_layers(both: Any) -> None:
    found = summary(CNN)
    whole(found)
    for name, side in found.data["layers"].items():
        assert [each["path"] for each in side] == ["conv", "relu", "pool", "flatten", "head"]
        assert [each["multiply_adds"] for each in side] == [12 * 12 * 6 * 25, 0, 0, 0, 60]
        assert [each["parameters"] for each in side] == [156, 0, 0, 0, 70]
        assert [tuple(each["shape"]) for each in side] == SHAPES[name]
    rows = {row[0]: row[1:] for row in table_of(found, "In all").rows}
    activations = 2 * 6 * 144 + 6 + 6 + 10
    assert rows["torch"] == rows["keras"]
    assert rows["torch"] == ("226", f"{226 * 4 / 1e6:.3f}", "0.000", f"{activations * 4 / 1e6:.3f}", "21,660")
    shared = summary(zoo.load("siamese"), bench=Bench(backends=("torch",)))
    whole(shared)
