"""Check the checker: each planted fault is found, in the right stage, at the right layer; correct pairs pass."""

from collections.abc import Iterator
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


class Remembering(Here):
    """Sessions here, those of the unharmed left side opened once for all faults."""

    def __init__(self) -> None:
        self.sessions: dict[tuple[str, str], Session] = {}

    def open(self, name: str, spec: S.Spec, **options: Any) -> Session:
        if spec != SPEC or not options:
            return super().open(name, spec, **options)
        key = (name, options["dtype"])
        if key not in self.sessions:
            self.sessions[key] = super().open(name, spec, **options)
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
    before = LOOKED_AT[: LOOKED_AT.index(fault.stage) + 1] if fault.stage != "state" else ("forward", "state")
    report = climb(pair(host, fault.plant(SPEC)), Climb(before, steps=5))
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
