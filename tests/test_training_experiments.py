"""Experiments that train: curves, clipping against explosions, starts, distillation, function fitting, both sides."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends import backend as backend_named
from dualnet.data import epoch_order
from dualnet.errors import SpecError
from dualnet.experiments import exhibits as show
from dualnet.experiments.bench import Bench
from dualnet.experiments.clipping import Run, clip
from dualnet.experiments.distillation import distill
from dualnet.experiments.distilled import Side, _agreement, _equivalent, _gains
from dualnet.experiments.fitting import TARGETS, fit
from dualnet.experiments.starting import starts
from dualnet.experiments.training import train
from dualnet.report.exhibits import Bars, Histogram, Lines, Matrix
from dualnet.report.result import Result
from dualnet.run.distil import soft_decisions
from dualnet.run.feed import feed
from dualnet.specs import text, vary
from dualnet.specs.augment import Flip
from dualnet.specs.optimizers import SGD, Clip
from tests.benches import DIGITS, IDLE, MLP, Planted, table_of, telling, whole

# A dozen steps in float64, each a sum of 784 products in two orders: 2^-53 with four digits to spare.
CLOSE = 1e-11


# train


@pytest.fixture(scope="module")
def run(both: tuple[Backend, Backend]) -> tuple[Result, list[str]]:
    said: list[str] = []
    return train(MLP, limit=120, bench=telling(said, seed=2)), said


def test_training_is_shown_whole(run: tuple[Result, list[str]]) -> None:
    found, said = run
    whole(found)
    assert said == ["mlp: 6 steps on each backend; about 10 seconds"]
    assert (found.name, found.verdict) == ("train", "")
    assert [line.partition(":")[0] for line in found.says[:2]] == ["torch", "keras"]
    last = [found.data["history"][side] for side in ("torch", "keras")]
    gaps = [abs(one["train_accuracy"] - other["train_accuracy"]) for one, other in zip(*last, strict=True)]
    assert found.says[2].endswith(f"training accuracies: {100 * max(gaps):.3f} points")
    losses = [each for each in found.exhibits if isinstance(each, Lines) and each.title == "Loss of every step"]
    assert [(s.name, len(s.y), s.dashed) for s in losses[0].series] == [("torch", 6, False), ("keras", 6, True)]
    assert losses[0].log == "y"


def test_confusions_count_every_test_image(run: tuple[Result, list[str]]) -> None:
    found, _ = run
    matrices = {each.title: np.array(each.values) for each in found.exhibits if isinstance(each, Matrix)}
    assert list(matrices) == ["Confusion matrix, torch", "Confusion matrix, keras"]
    labels = feed(MLP, limit=120).test.labels
    for side in ("torch", "keras"):
        counts = matrices[f"Confusion matrix, {side}"]
        np.testing.assert_array_equal(counts.sum(axis=1), np.bincount(labels, minlength=10))
        share = np.trace(counts) / 120
        assert share == pytest.approx(found.data["history"][side][-1]["test_accuracy"])
    off = matrices["Confusion matrix, torch"] * (1 - np.eye(10))
    rows = table_of(found, "Most often confused").rows
    worst = [(int(true), int(taken), float(count)) for true, taken, count, _ in rows]
    assert [count for *_, count in worst] == sorted(off.ravel(), reverse=True)[:5]
    assert all(off[true, taken] == count for true, taken, count in worst)


def test_weights_after_training_are_densities(run: tuple[Result, list[str]]) -> None:
    charts = [each for each in run[0].exhibits if isinstance(each, Histogram)]
    assert [each.title for each in charts] == [f"{n}.weight after training" for n in ("hidden", "second", "logits")]
    for chart in charts:
        for group in chart.groups:
            assert (np.array(group.values) * np.diff(chart.edges)).sum() == pytest.approx(1, rel=1e-6)  # nine digits


def test_histograms_of_odd_weights() -> None:
    nan = np.full(4, np.nan)
    held = {"a": {"w": nan}, "b": {"w": np.array([1.0, np.nan, 3.0, np.inf])}}
    chart = show.weights(held, "w", "t")
    assert set(chart.groups[0].values) == {0.0}
    assert (np.array(chart.groups[1].values) * np.diff(chart.edges)).sum() == pytest.approx(1.0, rel=1e-6)
    flat = show.weights({"a": {"w": np.zeros(3)}}, "w", "t")
    assert (flat.edges[0], flat.edges[-1]) == (-0.5, 0.5)


def test_an_autoencoder_and_a_burst_run_are_shown_too(both: Any) -> None:
    coder = S.Spec(
        "coder",
        S.Sequential(S.Flatten(), S.Linear(5), S.Linear(784), S.Reshape((1, 28, 28))),
        (1, 28, 28),
        data=DIGITS,
        training=S.Training(S.MeanSquaredError(target="input"), S.SGD(1e30), 50, 2),
    )
    found = train(coder, limit=100, bench=Bench(backends=("torch",)))
    whole(found)
    assert found.says == ["torch: diverged: the loss is not finite from epoch 1 on"]
    assert not any(isinstance(each, Matrix) for each in found.exhibits)
    assert found.data["history"]["torch"][0]["train_accuracy"] is None


def test_a_run_goes_on_from_its_folder(tmp_path: Path, both: Any) -> None:
    bench = Bench(backends=("torch",))
    straight = train(MLP, limit=60, bench=bench)
    train(text.with_fields(MLP, epochs=1), limit=60, out=tmp_path, bench=bench)
    rest = train(MLP, limit=60, out=tmp_path, resume=True, bench=bench)
    assert rest.data["losses"] == straight.data["losses"]


# clip


STEEP = text.with_fields(MLP, name="steep", model=vary.with_activation(MLP, "relu").model, batch_size=20)


def replayed(backend: Backend, net: S.Spec, rate: float, how: Clip | None, steps: int) -> tuple[list[float], int, str]:
    """Train one step at a time; return the losses, and the first step (1 is the first) and layer not finite."""
    fed = feed(net, limit=steps * 20)
    session = backend.session(net)
    fed.give(session, net.training.loss)
    session.prepare(net.training.loss, SGD(rate), how)
    order = epoch_order(len(fed.train.labels), 0, 0)
    losses: list[float] = []
    for step in range(steps):
        rows = order[20 * step : 20 * (step + 1)]
        outputs = session.forward({"input": fed.train.inputs["input"][rows]}, training=True, step=step)["layers"]
        losses.append(float(session.steps("train", rows[None], np.array([rate]))["loss"][0]))
        if not math.isfinite(losses[-1]):
            broken = [leaf.path for leaf in net.graph.leaves() if not np.isfinite(outputs[leaf.path]).all()]
            return losses, step + 1, broken[0] if broken else "the loss"
    return losses, 0, ""


@pytest.fixture(scope="module")
def clipped(both: tuple[Backend, Backend]) -> tuple[Result, list[str]]:
    said: list[str] = []
    return clip(STEEP, "0.05,1e7", norms=(0.5,), values="0.001", steps=8, bench=telling(said)), said


def test_an_explosion_is_named_by_step_and_layer_as_a_slow_replay_finds_it(clipped: Any, backend: Backend) -> None:
    found, said = clipped
    whole(found)
    assert said == ["steep: 6 trainings of 8 steps on each backend; about 10 seconds"]
    runs = {(each["rate"], each["clip"]): each for each in found.data[backend.name]}
    assert [how for rate, how in runs if rate == 1e7] == [
        "no clipping",
        "norm clipped to 0.5",
        "value clipped to 0.001",
    ]
    for (rate, name), made in runs.items():
        how = {"n": None, "v": Clip("value", 0.001)}.get(name[0]) if name[:4] != "norm" else Clip("global_norm", 0.5)
        losses, step, layer = replayed(backend, STEEP, rate, how, 8)
        finite = step - 1 if step else 8
        # eight steps at once or one by one: float32, whose sums the compiler may order anew
        np.testing.assert_allclose(made["losses"][:finite], losses[:finite], rtol=1e-4)
        assert (made["step"], made["layer"]) == (step, layer)
    burst = runs[1e7, "no clipping"]
    assert burst["step"] > 1
    (told,) = [line for line in found.says if line.startswith(f"{backend.name}, rate 1e+07: explodes")]
    assert f"explodes at step {burst['step']}, first in {burst['layer']}" in told
    assert not any("rate 0.05" in line for line in found.says)
    cell = table_of(found, "Learning rate against clipping").rows[3][2 + (backend.name == "keras")]
    assert cell == f"NaN at step {burst['step']}, first in {burst['layer']}"


def test_a_cure_is_a_clipping_with_which_it_learns() -> None:
    fell, rose = [2.0] + [1.0] * 30, [2.0] + [3.0] * 30
    assert Run(1.0, "x", fell).learns()
    assert not Run(1.0, "x", rose).learns()
    assert not Run(1.0, "x", fell, step=3, layer="a").learns()
    assert Run(1.0, "x", fell).told() == "1.0000"
    assert Run(1.0, "x", [1.0] * 10 + [2.0] * 20).told() == "2.0000"  # the mean of the last twenty


def test_quiet_rates_are_said_to_be_quiet_and_clipping_binds_the_step(both: Any) -> None:
    found = clip(STEEP, (0.01,), norms="", values=(1e-12,), steps=3, depth=None, bench=Bench(backends=("torch",)))
    assert found.says == ["no run explodes at these learning rates"]
    plain, bound = found.data["torch"]
    assert plain["losses"][0] == bound["losses"][0]
    assert len({f"{loss:.3f}" for loss in plain["losses"]}) > 1
    # entries of 1e-12 at a rate of 0.01 move no float32 weight: the losses are those of the start
    fed = feed(STEEP, limit=60)
    order = epoch_order(60, 0, 0)
    session = backend_named("torch").session(STEEP)
    for step, loss in enumerate(bound["losses"]):
        rows = order[20 * step : 20 * (step + 1)]
        outputs = session.forward({"input": fed.train.inputs["input"][rows]})["outputs"][0]
        assert loss == pytest.approx(session.loss(STEEP.training.loss, outputs, fed.train.labels[rows]), rel=1e-6)


def test_a_layer_that_bursts_is_the_first_in_graph_order(both: Any) -> None:
    def change(session: Any, answer: Any) -> Any:
        return answer | {"layers": answer["layers"] | {"second": answer["layers"]["second"] * np.nan}}

    bench = Bench(backends=("keras",), host=Planted("forward", change))
    found = clip(STEEP, (1e7,), norms=(), values=(), steps=8, bench=bench)
    (line,) = found.says
    assert line.endswith("first in second; with no clipping here does it learn")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rates": ""}, "learning rates must be numbers between commas, at least one. Received: ''"),
        ({"learning_rates": "0.1,fast"}, "learning rates must be numbers between commas. Received: 'fast'"),
        ({"learning_rates": "-1"}, "learning_rate must be"),
        ({"learning_rates": "nan"}, "learning_rate must be"),
        ({"norms": "0"}, "limit must be"),
        ({"values": "x"}, "values must be numbers between commas. Received: 'x'"),
        ({"activation": "rely"}, "There is no activation 'rely'. Did you mean 'relu'?"),
        ({"initializer": "he"}, "There is no initializer 'he'."),
        ({"depth": 3}, "steep: --depth repeats like pairs"),
        ({"steps": 0}, "steps must be at least 1. Received: 0"),
    ],
)
def test_clip_refuses_what_cannot_be(options: Any, message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        clip(STEEP, **options, bench=IDLE)


# starts


def test_starts_lead_where_they_lead(both: Any) -> None:
    said: list[str] = []
    net = text.with_fields(MLP, epochs=3)
    found = starts(net, "zeros,xavier_normal,lsuv", limit=150, bench=telling(said))
    whole(found)
    assert said == ["mlp: trained from 3 starts on each backend; about 10 seconds"]
    told = dict(line.split(": ", 1) for line in found.says)
    assert told["zeros"].startswith("it does not learn; test accuracy torch")
    assert told["zeros"].endswith("hence the sides part")
    assert told["xavier_normal"].startswith("loss 2.")
    for side in ("torch", "keras"):
        first, *_, last = found.data[side]["lsuv"]
        assert last["loss"] < first["loss"]
        scores = found.data[side]["xavier_normal"][-1]["test_accuracy"]
        assert f"{side} {100 * scores:.2f} %" in told["xavier_normal"]
    before = next(g for c in found.exhibits if isinstance(c, Histogram) and c.title[:5] == "zeros" for g in c.groups)
    assert before.name == "torch, after"
    assert [c.title.partition(":")[0] for c in found.exhibits if isinstance(c, Histogram)] == list(told)


def test_one_epoch_is_no_verdict_on_learning(both: Any) -> None:
    found = starts(text.with_fields(MLP, epochs=1), ["xavier_normal"], limit=60, bench=Bench(backends=("torch",)))
    assert re.match(r"xavier_normal: loss 2\.\d+ in its one epoch; test accuracy torch", found.says[0])


def test_starts_refuse_what_cannot_be() -> None:
    with pytest.raises(SpecError, match=r"There is no initializer 'lsuvv'"):
        starts(MLP, "lsuvv", bench=IDLE)
    with pytest.raises(SpecError, match="initializers must be names between commas, at least one"):
        starts(MLP, "", bench=IDLE)


# distill


STUDENT = replace(
    MLP,
    name="student",
    model=S.Sequential(
        S.Flatten(), S.Linear(6, name="low"), S.ReLU(name="mid"), S.Linear(6), S.ReLU(), S.Linear(10, name="out")
    ),
)


@pytest.fixture(scope="module")
def distilled(
    both: tuple[Backend, Backend], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Result, list[str], Path]:
    said: list[str] = []
    out = tmp_path_factory.mktemp("distilled")
    bench = telling(said, dtype="float64", seed=5)
    found = distill(
        MLP,
        STUDENT,
        temperatures="2,8",
        alphas=(0.3,),
        seeds=2,
        sample=4,
        limit=100,
        taught_by="torch",
        out=out,
        bench=bench,
    )
    return found, said, out


ROLES = ["student alone", "response, T=2, alpha=0.3", "response, T=8, alpha=0.3"]


def test_distillation_over_a_grid_and_seeds(distilled: Any) -> None:
    found, said, out = distilled
    whole(found)
    assert said == ["mlp into student by response: 1 teacher and 6 students on each backend; about 10 seconds"]
    labels = feed(MLP, limit=100).test.labels
    assert found.data["torch"]["teacher"] == found.data["keras"]["teacher"]  # torch's teaches both
    for side in found.data.values():
        assert list(side["test_accuracy"]) == ROLES
        for role in ROLES:
            ends = [history[-1]["test_accuracy"] for history in side["history"][role]]
            assert side["test_accuracy"][role] == ends
            assert len(ends) == 2
    left, right = (found.data[side]["history"] for side in ("torch", "keras"))
    for role in ROLES:  # one teacher, the same starts, in float64: both sides' students learn the same
        for one, other in zip(left[role], right[role], strict=True):
            np.testing.assert_allclose([e["loss"] for e in one], [e["loss"] for e in other], rtol=CLOSE)
    folders = {path.parent.name for path in out.rglob("*.safetensors")}
    assert folders == {
        "teacher",
        *(re.sub(r"[^\w.=]+", "_", f"{role}, seed {seed}") for role in ROLES for seed in (5, 6)),
    }
    assert [path.name for path in (out / "teacher").iterdir()] == ["torch.safetensors"]
    soft = next(each for each in found.exhibits if isinstance(each, Bars) and "test example 4" in each.title)
    assert soft.marked == labels[4]
    by_name = {group.name: np.array(group.values) for group in soft.groups}
    assert list(by_name) == [f"T={t}, {side}" for t in (1, 2, 8) for side in ("torch", "keras")]
    assert all(values.sum() == pytest.approx(1.0, abs=1e-8) for values in by_name.values())  # nine digits of each
    logits = np.log(by_name["T=1, torch"])
    np.testing.assert_allclose(soft_decisions(logits, (8.0,))[8.0], by_name["T=8, torch"], atol=1e-7)


def test_gains_and_intervals_are_scipys(distilled: Any) -> None:
    found = distilled[0]
    for side in ("torch", "keras"):
        scores = found.data[side]["test_accuracy"]
        for role in ROLES[1:]:
            off = np.array(scores[role]) - np.array(scores["student alone"])
            low, high = stats.t.interval(0.95, 1, off.mean(), stats.sem(off)) if off.std() > 0 else (off[0], off[0])
            told = f"{side} {100 * off.mean():+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"
            (line,) = (line for line in found.says if line.startswith(f"{role}: "))
            assert told in line


def side(**scores: list[float]) -> Side:
    teacher: Any = None
    names = {"alone": "student alone", "taught": "taught"}
    return Side(teacher, {}, {names[key]: values for key, values in scores.items()})


def test_the_verdict_on_both_sides_accuracies() -> None:
    alone = [0.80, 0.81, 0.82, 0.80, 0.81, 0.80]
    near = [value + off for value, off in zip(alone, [0.001, -0.001, 0.0, 0.001, -0.001, 0.0], strict=True)]
    far = [value + 0.05 + off for value, off in zip(alone, [1e-4, -1e-4, 0, 1e-4, -1e-4, 0], strict=True)]
    loose = [value + off for value, off in zip(alone, [0.03, -0.03, 0.02, -0.02, 0.01, 0.0], strict=True)]
    words = {}
    for name, other in {"equal": near, "divergent": far, "not checked": loose}.items():
        same = _equivalent({"torch": side(alone=alone, taught=alone), "keras": side(alone=alone, taught=other)})
        assert same["taught"].verdict == name
        assert same["student alone"].verdict == "equal"
        words[name] = _agreement(same)[1]
    assert words["equal"].startswith("taught, both sides: equivalent within 0.5 points (+0.00 points, 90 % interval [")
    assert words["divergent"].startswith("taught, both sides: further apart than 0.5 points (+5.00 points")
    assert "not shown to be equivalent within 0.5 points by so few seeds" in words["not checked"]
    assert _equivalent({"torch": side(alone=[0.5]), "keras": side(alone=[0.6])}) == {}
    assert _equivalent({"torch": side(alone=alone)}) == {}


@pytest.mark.parametrize(
    ("taught", "words"),
    [
        ([0.90, 0.91, 0.92], "torch +10.00 [+10.00, +10.00] points against the student alone; teaching helps"),
        ([0.70, 0.71, 0.72], "torch -10.00 [-10.00, -10.00] points against the student alone; teaching harms"),
        (
            [0.81, 0.80, 0.82],
            "[-2.48, +2.48] points against the student alone; no difference that these seeds show",
        ),
        ([0.83, 0.80, 0.82], "points against the student alone; no difference that these seeds show"),
        ([0.77, 0.82, 0.82], "points against the student alone; no difference that these seeds show"),
    ],
)
def test_whether_teaching_helps(taught: list[float], words: str) -> None:
    cells: Any = {"taught": None}
    (line,) = _gains(cells, {"torch": side(alone=[0.80, 0.81, 0.82], taught=taught)})
    assert words in line
    (line,) = _gains(cells, {"torch": side(alone=[0.80], taught=[0.85])})
    assert line == "taught: torch +5.00 points against the student alone"
    sides = {"torch": side(alone=[0.80, 0.81], taught=[0.90, 0.91]), "keras": side(alone=[0.8, 0.9], taught=[0.9, 0.8])}
    (line,) = _gains(cells, sides)
    assert line.endswith("; teaching helps on torch; no difference that these seeds show on keras")


def test_hints_teach_the_lower_half_first_across_frameworks(both: Any) -> None:
    bench = Bench(backends=("torch", "keras"), dtype="float64")
    found = distill(
        MLP, STUDENT, method="hints", taught_by="keras", guide="tanh", hint="mid", hint_epochs=2, limit=100, bench=bench
    )
    whole(found)
    assert list(found.data["torch"]["test_accuracy"]) == ["student alone", "hints, T=10, alpha=0.1"]
    taught = [found.data[name]["history"]["hints, T=10, alpha=0.1"][0] for name in ("torch", "keras")]
    np.testing.assert_allclose(*([e["loss"] for e in each] for each in taught), rtol=CLOSE)
    plain = distill(MLP, STUDENT, taught_by="keras", limit=100, bench=replace(bench, backends=("keras",)))
    other = plain.data["keras"]["history"]["response, T=10, alpha=0.1"][0]
    assert abs(other[0]["loss"] - taught[1][0]["loss"]) > 1e-4  # the hints led elsewhere
    alone, again = (each.data["keras"]["history"]["student alone"][0] for each in (found, plain))
    assert [e["loss"] for e in alone] == [e["loss"] for e in again]  # and left the student alone alone


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "feature"}, "The method must be one of response, hints. Received: 'feature'"),
        ({"temperatures": "0"}, "temperature must be a finite number above 0"),
        ({"temperatures": "hot"}, "temperatures must be numbers between commas. Received: 'hot'"),
        ({"temperatures": ""}, "temperatures must be numbers between commas, at least one. Received: ''"),
        ({"alphas": "1.5"}, "alpha must be"),
        ({"alphas": []}, "alphas must be numbers between commas, at least one. Received: []"),
        ({"reduction": "sum"}, "reduction must be"),
        ({"taught_by": "jax"}, "The teacher's backend must be one of torch, keras. Received: 'jax'"),
        ({"seeds": 0}, "seeds must be at least 1. Received: 0"),
        ({"sample": 100, "limit": 100}, "The sample must be from 0 to 99. Received: 100"),
        ({"sample": -1, "limit": 100}, "The sample must be from 0 to 99. Received: -1"),
        ({"method": "hints", "hint": "midd"}, "student: there is no layer 'midd'. Did you mean 'mid'?"),
        ({"method": "hints", "guide": "flat.x"}, "mlp: there is no layer 'flat.x'."),
        ({"method": "hints", "hint_epochs": 0}, "epochs must be"),
    ],
)
def test_distill_refuses_what_cannot_be_before_any_work(options: Any, message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        distill(MLP, STUDENT, **options, bench=IDLE)


def test_distill_refuses_augmentation_and_another_input_before_any_work() -> None:
    varied = [replace(each, data=replace(DIGITS, augment=(Flip(),))) for each in (MLP, STUDENT)]
    with pytest.raises(
        SpecError, match="mlp: a teacher's soft targets are of the plain images, so teacher and student"
    ):
        distill(*varied, bench=IDLE)
    with pytest.raises(SpecError, match="student must read what its teacher mlp reads"):
        distill(MLP, varied[1], bench=IDLE)


# fit


@pytest.fixture(scope="module")
def fitted(both: tuple[Backend, Backend]) -> tuple[Result, list[str]]:
    said: list[str] = []
    return fit("sine", "12", epochs=4, bench=telling(said, dtype="float64")), said


def test_a_curve_is_fitted_the_same_on_both_sides(fitted: Any) -> None:
    found, said = fitted
    whole(found)
    assert said == ["sine by 1-12-1, 80 steps; about 10 seconds"]
    x = np.linspace(0, 1, 401)
    np.testing.assert_allclose(found.data["x"], x, rtol=0, atol=1e-15)
    np.testing.assert_allclose(found.data["target"], np.sin(2 * np.pi * x), atol=1e-15)
    # 80 steps in float64 on weights of up to 30
    np.testing.assert_allclose(found.data["torch"], found.data["keras"], rtol=0, atol=1e-8)
    error = np.array(found.data["torch"]) - found.data["target"]
    rms = math.sqrt((error**2).mean())
    assert rms < 0.5  # better than the constant that is best, 0.71
    assert f"torch: off by {rms:.1e} (root mean square)" in found.says
    row = table_of(found, "How well it fits").rows[0]
    assert row[:3] == ("torch", f"{rms:.2e}", f"{np.abs(error).max():.2e}")


def test_the_curves_are_what_they_are_called() -> None:
    x = np.array([0.0, 0.25, 0.5, 1.0])
    nielsen = [0.2 + 0.4 * v * v + 0.3 * v * math.sin(15 * v) + 0.05 * math.cos(50 * v) for v in x]
    np.testing.assert_allclose(TARGETS["nielsen"](x), nielsen, rtol=1e-14)
    np.testing.assert_allclose(TARGETS["sine"](x), [0, 1, 0, 0], atol=1e-15)
    assert TARGETS["step"](x).tolist() == [0, 0, 1, 1]


def test_dropout_and_other_activations_fit_too(both: Any) -> None:
    found = fit("step", (6, 5), activation="relu", dropout=0.2, epochs=1, bench=Bench(backends=("torch",)))
    whole(found)
    assert found.title == "step by 1-6-5-1, dropout 0.2"
    assert found.says[-1].startswith("dropout of 0.2 was on in training")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "sinus"}, "There is no curve 'sinus'. Did you mean 'sine'?"),
        ({"target": "q"}, "There is no curve 'q'. Known: nielsen, sine, step."),
        ({"hidden": "8,x"}, "hidden must be whole numbers between commas. Received: 'x'"),
        ({"hidden": "0"}, "features must be"),
        ({"activation": "tahn"}, "There is no activation 'tahn'. Did you mean 'tanh'?"),
        ({"dropout": 1.0}, "rate must be"),
        ({"epochs": 0}, "must be"),
        ({"learning_rate": -1.0}, "learning_rate must be"),
    ],
)
def test_fit_refuses_what_cannot_be(options: Any, message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        fit(**options, bench=IDLE)
