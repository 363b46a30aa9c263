"""Check the checker: each planted fault is found, in the right stage, at the right layer; correct pairs pass."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import dualnet
from dualnet import specs as S
from dualnet.backends.protocol import Session
from dualnet.compare.ladder import Climb, climb
from dualnet.compare.pair import Pair, Side
from dualnet.run.hosts import Here
from tests.faults import FAULTS, Fault, network

LOOKED_AT = ("structure", "forward", "loss", "gradients", "step", "state")
SPEC = network()
pytestmark = pytest.mark.usefixtures("eagerly")


def is_slow(case: dict[str, Any]) -> bool:
    """Return whether a test is for `make test-all`: of every second fault."""
    return case.get("fault") in FAULTS[1::2]


class Remembering(Here):
    """Sessions here, opened once for all faults that leave the model as it is."""

    def __init__(self) -> None:
        self.sessions: dict[tuple[str, str], Session] = {}

    def open(self, name: str, spec: S.Spec, **options: Any) -> Session:
        if spec.model != SPEC.model or not options:
            return super().open(name, spec, **options)
        key = (name, options["dtype"])
        if key not in self.sessions:
            self.sessions[key] = super().open(name, SPEC, **options)
        return self.sessions[key]


@pytest.fixture(scope="module")
def host() -> Iterator[Here]:
    yield Remembering()


def pair(host: Here, right: S.Spec) -> Pair:
    return Pair(Side("torch", "torch", SPEC), Side("keras", "keras", right), host=host)


def test_the_unharmed_pair_agrees(host: Here) -> None:
    report = climb(pair(host, SPEC), Climb(LOOKED_AT, steps=5))
    assert report.agrees, report.to_json()
    assert set(report.not_checked) == {"init", "explanation", "training", "accuracy", "distillation"}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found_and_located(fault: Fault, host: Here) -> None:
    stages = {"step": ("step",), "state": ("forward", "state")}.get(fault.stage, ("forward", fault.stage))
    report = climb(pair(host, fault.plant(SPEC)), Climb(stages, steps=3))
    first = next(stage for stage in report.stages if stage.verdict == "divergent" and stage.name != "structure")
    assert (first.name, fault.where in first.where) == (fault.stage, True), (first.name, first.where)


SETTINGS = {"norm": "epsilon 1e-05 and 0.001", "leaky": "slope 0.1 and 0.3", "elu": "alpha 1.3 and 1"}


@pytest.mark.parametrize(("name", "cause"), SETTINGS.items())
def test_the_cause_is_read_from_the_live_layers(name: str, cause: str, host: Here) -> None:
    fault = next(each for each in FAULTS if each.where == name)
    report = climb(pair(host, fault.plant(SPEC)), Climb(("structure", "forward")))
    stage = report.stage("forward")
    assert stage.cause == cause
    assert stage.origin.startswith("originates here")
    assert report.stage("structure").verdict == "divergent"


class Tampered(Here):
    """A right side whose weights are changed on their way in, as a wrong port would."""

    def __init__(self, name: str, change: Any) -> None:
        self.name, self.change = name, change

    def open(self, name: str, spec: S.Spec, **options: Any) -> Session:
        session = super().open(name, spec, **options)
        if name == "keras":
            load = session.load
            wrong = lambda weights: load({**weights, self.name: self.change(np.asarray(weights[self.name]))})  # noqa: E731
            session.load = wrong  # type: ignore[method-assign]
        return session


def other_order(weight: Any) -> Any:
    image = SPEC.graph.steps[8].in_shapes[0]
    assert SPEC.graph.steps[8].name == "flatten"
    return weight.reshape(-1, *image).transpose(0, 2, 3, 1).reshape(weight.shape)


CHANGES = {
    "a square kernel transposed": ("square2.weight", np.transpose, "square2"),
    "a convolution kernel flipped": ("grouped.weight", lambda w: w[:, :, ::-1, ::-1], "grouped"),
    "flattened in the other order": ("square.weight", other_order, "square"),
    "a bias dropped": ("head.bias", np.zeros_like, "head"),
    "a bias off by a ten-millionth": ("head.bias", lambda b: b * (1 + 1e-7), "head"),
    "a running mean not carried over": ("norm.running_mean", np.zeros_like, "norm"),
    "scale and shift of a norm mixed up": ("group.weight", lambda w: w[::-1], "group"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_tampered_weight_is_found_and_located(change: str) -> None:
    name, tamper, where = CHANGES[change]
    report = climb(pair(Tampered(name, tamper), SPEC), Climb(("forward",)))
    stage = report.stage("forward")
    assert stage.verdict == "divergent"
    assert stage.where.startswith(f"{where} ")
    assert stage.origin.startswith("originates here")


def test_what_comes_in_from_above_is_not_blamed_on_the_layer() -> None:
    """Two heads side by side: the second differs only because its input does."""
    right = replace(SPEC, model=replace(SPEC.model, layers=(*SPEC.model.layers[:-1], S.Linear(4, name="other"))))
    report = climb(pair(Here(), right), Climb(("structure", "forward")))
    assert report.stage("structure").verdict == "divergent"
    assert "forward" in report.not_checked


def test_nothing_compared_is_never_green() -> None:
    report = dualnet.check(SPEC, stages="state", host=Here())
    assert report.verdict in ("equal", "rounding")
    without = S.Spec("plain", S.Linear(3), (4,))
    empty = dualnet.check(without, stages="state", host=Here())
    assert (empty.verdict, empty.agrees) == ("not checked", False)
    assert empty.not_checked["state"] == "the model has no buffers"


class Crooked(Here):
    """A right side whose sessions are changed as they are opened."""

    def __init__(self, change: Callable[[Session, str], None]) -> None:
        self.change = change

    def open(self, name: str, spec: S.Spec, **options: Any) -> Session:
        session = super().open(name, spec, **options)
        if name == "keras":
            self.change(session, options.get("dtype", "float32"))
        return session


def wrong_in_float32(session: Session, dtype: str) -> None:
    """Make every layer's output 1 % too large, in float32 only, as a kernel of low precision would."""
    forward = session.forward

    def wrong(*arguments: Any, **options: Any) -> Any:
        made = forward(*arguments, **options)
        return made | {"layers": {path: array * 1.01 for path, array in made["layers"].items()}}

    if dtype == "float32":
        session.forward = wrong  # type: ignore[method-assign]


def wrong_loss(session: Session, dtype: str) -> None:
    """Report another loss than the one that is trained on."""
    steps = session.steps
    wrong = lambda *a, **o: steps(*a, **o) | {"loss": steps(*a, **o)["loss"] * 1.5}  # noqa: E731
    session.steps = wrong  # type: ignore[method-assign]


def wrong_prediction(session: Session, dtype: str) -> None:
    """Predict the negative of what the model gives."""
    predict = session.predict
    session.predict = lambda *a, **o: -predict(*a, **o)  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("change", "stage"),
    [(wrong_in_float32, "forward"), (wrong_prediction, "forward"), (wrong_loss, "step")],
    ids=["float32 only", "prediction", "reported loss"],
)
def test_what_only_one_call_gets_wrong_is_found(change: Callable[[Session, str], None], stage: str) -> None:
    assert climb(pair(Crooked(change), SPEC), Climb((stage,), steps=3)).verdict == "divergent"


SETTINGS_APART = {
    "training.loss.target": (S.Training(S.MeanSquaredError()), S.Training(S.MeanSquaredError(target="input"))),
    "training.schedule": (S.Training(), S.Training(schedule=S.StepDecay(20, 0.001))),
    "training.batch_size": (S.Training(), S.Training(batch_size=7)),
}


@pytest.mark.parametrize("name", SETTINGS_APART)
def test_settings_that_no_stage_exercises_are_compared_by_name(name: str) -> None:
    left, right = (S.Spec("small", S.Linear(6), (6,), training=training) for training in SETTINGS_APART[name])
    stage = dualnet.check(left, right, stages="structure").stage("structure")
    assert (stage.verdict, stage.where) == ("divergent", name)


def test_each_side_is_given_the_targets_of_its_own_loss() -> None:
    left, right = (S.Spec("small", S.Linear(6), (6,), training=each) for each in SETTINGS_APART["training.loss.target"])
    report = dualnet.check(left, right, stages=("gradients", "step"))
    assert [report.stage(name).verdict for name in ("gradients", "step")] == ["divergent", "divergent"]


def test_class_weights_of_every_class_are_looked_at() -> None:
    weights = [1.0] * 20
    left = S.Spec("many", S.Linear(20), (6,), training=S.Training(S.CrossEntropy(class_weights=weights)))
    for index in range(20):
        heavier = S.CrossEntropy(class_weights=[w + 99 * (i == index) for i, w in enumerate(weights)])
        right = replace(left, training=S.Training(heavier))
        assert dualnet.check(left, right, stages="loss").verdict == "divergent", index


NANS = [S.Constant(1e30), S.Constant(1e30), S.Constant(1e-30), S.Constant(1e-30)]


def test_overflow_on_both_sides_hides_nothing() -> None:
    def net(slope: float) -> S.Spec:
        first, second, third, last = (S.Linear(5, weight_init=start, bias_init=S.Zeros()) for start in NANS)
        return S.Spec("loud", S.Sequential(first, second, S.LeakyReLU(slope), third, last), (5,))

    assert dualnet.check(net(0.01), net(0.5), stages="forward").verdict == "divergent"
    assert dualnet.check(net(0.01), stages="forward").verdict == "rounding"


SOUND = {
    "BatchNorm upon BatchNorm": (S.Linear(6), S.BatchNorm1d(epsilon=1e-8), S.BatchNorm1d(epsilon=1e-8), S.Linear(3)),
    "one feature, normalised": (S.Linear(1), S.LayerNorm(), S.Linear(3)),
    "an output that reads no parameter": (S.Tanh(),),
    "a nearly constant start": (S.Linear(4, weight_init=S.Normal(1.0, 1e-9)),),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_pair_on_the_brink_is_not_blamed(name: str) -> None:
    report = dualnet.check(S.Spec("brink", S.Sequential(*SOUND[name]), (6,)))
    assert report.verdict in ("equal", "rounding"), report.to_json()


def test_a_stage_that_fails_is_never_green() -> None:
    def broken(session: Session, dtype: str) -> None:
        def fail(*arguments: Any, **options: Any) -> Any:
            msg = "kernel not found\nat line 3"
            raise RuntimeError(msg)

        session.gradients = fail  # type: ignore[method-assign]

    report = climb(pair(Crooked(broken), SPEC), Climb(("structure", "gradients", "state")))
    assert report.verdict == "unstable"
    assert report.stage("state").verdict in ("equal", "rounding")
    assert report.stage("gradients").note == "failed: RuntimeError: kernel not found"
