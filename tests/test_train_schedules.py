"""Schedules per epoch and plateaus over a whole training, interrupted or not, and what an average leaves behind."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.errors import SpecError
from dualnet.run import train as training
from dualnet.run.feed import Feed, feed
from dualnet.run.hosts import Here
from dualnet.run.plan import Settings
from dualnet.run.train import Trained, averaged, train

SETTINGS = Settings(seed=3, dtype="float64")
DATA = S.Data("digits", [0.6, 0.2, 0.2])
STEPS = 5  # an epoch: 300 examples by 60


def spec(**changes: Any) -> S.Spec:
    layers = S.Sequential(S.Flatten(), S.Linear(12), S.Tanh(), S.Linear(10))
    return S.Spec("small", layers, (1, 28, 28), data=DATA, training=S.Training(batch_size=60, **changes))


@pytest.fixture(scope="module")
def fed() -> Feed:
    return feed(spec(), dtype="float64", limit=300)


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list of the rate of every step that training asks for."""
    seen: list[float] = []
    asked = training.learning_rates

    def noted(*arguments: Any) -> Any:
        found = asked(*arguments)
        seen.extend(found.tolist())
        return found

    monkeypatch.setattr(training, "learning_rates", noted)
    return seen


def run(backend: Backend, wanted: S.Spec, fed: Feed, settings: Settings = SETTINGS) -> Trained:
    return train(Here(), [backend.name], wanted, fed, settings)[backend.name]


def test_a_schedule_per_epoch_holds_for_each(backend: Backend, fed: Feed, rates: list[float]) -> None:
    run(backend, spec(epochs=3, optimizer=S.SGD(0.1), schedule=S.StepDecay(2, 0.5, per="epoch")), fed)
    assert rates == [0.1] * 2 * STEPS + [0.05] * STEPS


STALLED = S.Plateau(factor=0.5, patience=1, threshold=1e9, threshold_mode="absolute")  # nothing improves on the first


def test_a_plateau_lowers_the_rate_and_goes_on_when_resumed(
    backend: Backend, fed: Feed, rates: list[float], tmp_path: Path
) -> None:
    wanted = spec(epochs=6, optimizer=S.SGD(0.1, 0.9), schedule=STALLED)
    whole = run(backend, wanted, fed)
    assert rates == [0.1] * 3 * STEPS + [0.05] * 2 * STEPS + [0.025] * STEPS
    rates.clear()
    kept = replace(SETTINGS, out=tmp_path)
    run(backend, replace(wanted, training=replace(wanted.training, epochs=4)), fed, kept)
    resumed = run(backend, wanted, fed, replace(kept, resume=True))
    assert rates == [0.1] * 3 * STEPS + [0.05] * 2 * STEPS + [0.025] * STEPS
    assert [each.loss for each in resumed.history] == [each.loss for each in whole.history]


def test_a_plateau_that_watches_nothing_is_refused(fed: Feed, backend: Backend) -> None:
    unsplit = replace(spec(epochs=2, schedule=STALLED), data=S.Data("digits"))
    with pytest.raises(SpecError, match=r"Plateau: validation_loss is not taken in this run\. Watch 'loss', or"):
        run(backend, unsplit, feed(unsplit, dtype="float64", limit=300))


@pytest.mark.parametrize("finish", ["weights", "average"])
def test_training_ends_with_the_weights_or_their_average(backend: Backend, fed: Feed, finish: Any) -> None:
    wanted = spec(epochs=2, optimizer=S.SGD(0.1, average=S.WeightAverage(0.8, finish=finish)))
    session = run(backend, wanted, fed).session
    means = averaged(session)
    apart = max(np.abs(means[name] - array).max() for name, array in session.weights().items())
    assert bool(apart == 0) is (finish == "average")
    assert sorted(means) == sorted(session.weights())
