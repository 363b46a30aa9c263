"""Training: the same batches on every side, histories that add up, and checkpoints to go on from bit by bit."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dualnet import specs as S
from dualnet import store
from dualnet.backends import Backend
from dualnet.data import epoch_order
from dualnet.errors import SpecError, WeightsError
from dualnet.run import train as training
from dualnet.run.feed import Feed, feed
from dualnet.run.hosts import Here
from dualnet.run.plan import Epoch, Settings
from dualnet.run.train import CHUNK, Trained, accuracy, final_gap, train, train_session
from dualnet.specs import text, zoo

# A handful of steps, each a sum of 784 products in two orders: 2^-24 and 2^-53 with three digits to spare.
CLOSE = {"float32": 1e-5, "float64": 1e-12}
DIGITS = S.Data(set="digits", normalise="standard")


def spec(name: str, **changes: Any) -> S.Spec:
    """Return a spec of the zoo that is fed digits, which need no network."""
    return text.with_fields(zoo.load(name), data=DIGITS, **changes)


@pytest.fixture(scope="module")
def fed() -> Feed:
    return feed(spec("fashion_mlp"), limit=300)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_backends_see_the_same_batches_and_lose_the_same(both: tuple[Backend, Backend], dtype: str) -> None:
    wanted = spec("fashion_mlp", epochs=2, batch_size=64)
    names = [backend.name for backend in both]
    left, right = train(Here(), names, wanted, feed(wanted, dtype=dtype, limit=300), Settings(dtype=dtype)).values()
    assert len(left.losses) == 2 * 5  # 4 batches of 64 and one of 44
    np.testing.assert_allclose(left.losses, right.losses, rtol=CLOSE[dtype])
    for one, other in zip(left.history, right.history, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=CLOSE[dtype])
        assert (one.epoch, one.train_accuracy, one.test_accuracy) == (
            other.epoch,
            other.train_accuracy,
            other.test_accuracy,
        )
    weights = right.session.weights()
    for name, array in left.session.weights().items():
        np.testing.assert_allclose(array, weights[name], rtol=0, atol=CLOSE[dtype])


def test_a_history_adds_up(backend: Backend, fed: Feed) -> None:
    wanted = spec("fashion_mlp", epochs=2, batch_size=128)
    trained = train(Here(), [backend.name], wanted, fed, Settings())[backend.name]
    plain = training.summary({backend.name: trained})[backend.name]
    assert [list(each) for each in plain] == [
        [
            *("epoch", "loss", "train_accuracy", "validation_accuracy", "test_accuracy", "seconds"),
            *("validation_loss", "test_loss"),
        ]
    ] * 2
    assert [each.epoch for each in trained.history] == [1, 2]
    sizes = np.array([128, 128, 44])  # the mean over examples, not over batches
    for each, losses in zip(trained.history, np.split(np.array(trained.losses), 2), strict=True):
        assert each.loss == pytest.approx(float((losses * sizes).sum() / 300), rel=1e-12)  # one sum in two orders
        assert each.train_accuracy is not None
        assert each.train_accuracy * 300 == pytest.approx(round(each.train_accuracy * 300))
        assert each.seconds > 0
    assert trained.history[-1].test_accuracy == accuracy(trained.session.predict("test"), fed.test.labels)
    assert trained.history[1].loss < trained.history[0].loss
    json.dumps(plain)


def test_a_validation_part_is_scored_and_an_autoencoder_is_not(backend: Backend) -> None:
    wanted = replace(spec("fashion_mlp", epochs=1), data=replace(DIGITS, split=(0.6, 0.2, 0.2)))
    (epoch,) = train(Here(), [backend.name], wanted, feed(wanted, limit=100), Settings())[backend.name].history
    assert epoch.validation_accuracy is not None
    (epoch,) = train(Here(), [backend.name], wanted, feed(wanted, limit=100), Settings(evaluate=False))[
        backend.name
    ].history
    assert (epoch.validation_accuracy, epoch.test_accuracy) == (None, None)
    other = replace(zoo.load("autoencoder"), data=S.Data(set="digits"))
    other = text.with_fields(other, epochs=1)
    (epoch,) = train(Here(), [backend.name], other, feed(other, limit=100), Settings())[backend.name].history
    assert (epoch.train_accuracy, epoch.validation_accuracy, epoch.test_accuracy) == (None, None, None)
    assert epoch.loss > 0


class Recorder:
    """A session that trains nothing and remembers what it was asked."""

    def __init__(self) -> None:
        self.batches: list[Any] = []
        self.rates: list[float] = []
        self.state = np.zeros(2)

    def hold(self, *arguments: Any) -> None: ...

    def prepare(self, *arguments: Any) -> None: ...

    def steps(self, data: str, indices: Any, rates: Any) -> dict[str, Any]:
        assert data == "train"
        assert len(indices) == len(rates) <= CHUNK
        self.batches += [list(row) for row in indices]
        self.rates += list(rates)
        self.state = self.state + len(indices)
        return {"loss": np.full(len(indices), 0.5), "correct": np.full(len(indices), 1)}

    def predict(self, name: str) -> Any:
        return np.eye(10)[np.zeros(300, int)]

    def loss(self, *arguments: Any) -> float:
        return 0.25

    def weights(self) -> dict[str, Any]:
        return {"w": self.state}

    def slots(self) -> dict[str, Any]:
        return {"step": np.array(self.state[0])}

    def load(self, weights: Any) -> None:
        self.state = weights["w"]

    def load_slots(self, slots: Any) -> None:
        assert slots["step"] == self.state[0]


def recorded(fed: Feed, settings: Settings, wanted: S.Spec, show: Any = training.silent) -> tuple[Any, Trained]:
    session: Any = Recorder()
    return session, train_session("side", session, wanted, fed, settings, show)


def test_every_step_has_its_batch_and_its_learning_rate(fed: Feed) -> None:
    wanted = spec("fashion_mlp", epochs=2, batch_size=4, schedule=S.StepDecay(60, 0.5), optimizer=S.SGD(1.0))
    session, _ = recorded(fed, Settings(seed=5), wanted)
    assert CHUNK < 300 // 4  # so an epoch is sent in several pieces
    for epoch in (0, 1):
        asked = np.concatenate(session.batches[75 * epoch : 75 * (epoch + 1)])
        np.testing.assert_array_equal(asked, epoch_order(300, 5, epoch))
    assert session.rates == [0.5 ** (step // 60) for step in range(150)]


def test_progress_goes_up_to_the_end(fed: Feed) -> None:
    calls: list[tuple[str, int, int, str]] = []
    wanted = spec("fashion_mlp", epochs=2, batch_size=64)
    recorded(fed, Settings(), wanted, lambda *call: calls.append(call))
    assert [call[1] for call in calls] == [0, 4, 5, 5, 9, 10]
    assert {(call[0], call[2]) for call in calls} == {("side", 10)}
    assert [call[3] for call in calls] == ["epoch 1"] * 3 + ["epoch 2"] * 3


def test_a_finished_run_resumes_to_the_same_history(fed: Feed, tmp_path: Path) -> None:
    wanted, settings = spec("fashion_mlp", epochs=2), Settings(out=tmp_path)
    _, first = recorded(fed, settings, wanted)
    session, again = recorded(fed, replace(settings, resume=True), wanted)
    assert again.history == first.history
    assert session.batches == []
    session, _ = recorded(fed, settings, wanted)  # without resume it starts anew
    assert len(session.batches) == 6


OTHERS: dict[str, tuple[Callable[[S.Spec], S.Spec], dict[str, Any], int, str]] = {
    "seed": (lambda wanted: wanted, {"seed": 1}, 300, r"this run's seed is not the checkpoint's \(0\)"),
    "dtype": (
        lambda wanted: wanted,
        {"dtype": "float64"},
        300,
        r"this run's dtype is not the checkpoint's \(float32\)",
    ),
    "spec": (lambda wanted: replace(wanted, name="other"), {}, 300, "this run's spec is not the checkpoint's"),
    "rate": (lambda wanted: text.with_fields(wanted, batch_size=7), {}, 300, "this run's spec is not the checkpoint's"),
    "data": (lambda wanted: wanted, {}, 299, "this run's data is not the checkpoint's"),
    "epochs": (lambda wanted: text.with_fields(wanted, epochs=1), {}, 300, "it has 2 epochs already, of 1 asked for"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_runs_checkpoint_is_refused_and_left_alone(other: str, fed: Feed, tmp_path: Path) -> None:
    wanted, settings = spec("fashion_mlp", epochs=2), Settings(out=tmp_path)
    recorded(fed, settings, wanted)
    before = (tmp_path / "side.safetensors").read_bytes()
    change, options, limit, message = OTHERS[other]
    with pytest.raises(WeightsError, match=message):
        recorded(feed(wanted, limit=limit), replace(settings, resume=True, **options), change(wanted))
    assert (tmp_path / "side.safetensors").read_bytes() == before


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_corrupt_checkpoint_is_refused(damage: str, fed: Feed, tmp_path: Path) -> None:
    wanted, path = spec("fashion_mlp", epochs=1), tmp_path / "side.safetensors"
    recorded(fed, Settings(out=tmp_path), wanted)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3] if damage == "cut" else whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(WeightsError, match=r"side\.safetensors: expected"):
        recorded(fed, Settings(out=tmp_path, resume=True), wanted)


def test_a_checkpoint_stays_whole_when_the_next_cannot_be_saved(fed: Feed, tmp_path: Path, monkeypatch) -> None:
    wanted = spec("fashion_mlp", epochs=1)
    recorded(fed, Settings(out=tmp_path), wanted)
    before = (tmp_path / "side.safetensors").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        WeightsError, match=r"side\.safetensors: the checkpoint cannot be written: No space left on device"
    ):
        recorded(fed, Settings(out=tmp_path, resume=True), text.with_fields(wanted, epochs=2))
    assert [path.name for path in tmp_path.iterdir()] == ["side.safetensors"]
    assert (tmp_path / "side.safetensors").read_bytes() == before


def test_the_gap_is_the_largest_of_any_epoch_and_none_where_there_is_nothing_to_compare() -> None:
    def side(*accuracies: float | None) -> Trained:
        epochs = [Epoch(at, 1.0, value, None, None, 0.1) for at, value in enumerate(accuracies, 1)]
        return Trained(epochs, session=None)  # type: ignore[arg-type]

    assert final_gap({"torch": side(0.5, 0.75), "keras": side(0.75, 0.625)}) == 0.25
    assert final_gap({"torch": side(0.5)}) is None
    assert final_gap({"torch": side(None), "keras": side(None)}) is None  # an autoencoder has no accuracy to differ in


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Return the command that trains a net with BatchNorm and dropout, on digits."""
    (tmp_path / "cnn.toml").write_text(text.dumps(spec("fashion_cnn", batch_size=64)))
    words = ["-m", "dualnet", "train", str(tmp_path / "cnn.toml"), "--limit", "150", "--quiet"]
    return [sys.executable, *words, "--out", str(tmp_path / "out")]


def test_a_killed_run_goes_on_to_the_same_bits(
    both: tuple[Backend, Backend], command: list[str], tmp_path: Path
) -> None:
    checkpoints = [tmp_path / "out" / f"{backend.name}.safetensors" for backend in both]
    process = subprocess.Popen([*command, "--epochs", "1000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not all(path.exists() for path in checkpoints) and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = [len(json.loads(store.load(path)[1]["history"])) for path in checkpoints]
    epochs = max(done) + 1
    assert min(done) >= 1
    subprocess.run([*command, "--epochs", str(epochs), "--resume"], check=True, timeout=120, capture_output=True)
    wanted = spec("fashion_cnn", batch_size=64, epochs=epochs)
    straight = train(
        Here(), [backend.name for backend in both], wanted, feed(wanted, limit=150), Settings(out=tmp_path)
    )
    for path in checkpoints:
        resumed, metadata = store.load(path)
        whole, _ = store.load(tmp_path / path.name)
        assert sorted(resumed) == sorted(whole)
        for name, array in whole.items():
            np.testing.assert_array_equal(resumed[name], array, strict=True, err_msg=f"{path.stem}: {name}")
        histories = [json.loads(metadata["history"]), training.summary(straight)[path.stem]]
        for one, other in zip(*histories, strict=True):
            assert {**one, "seconds": 0} == {**other, "seconds": 0}


def test_a_batch_of_one_example_under_batch_norm_is_refused_before_it_is_met() -> None:
    layers = (S.Flatten(), S.Linear(6), S.BatchNorm1d(name="norm"), S.Linear(10))
    single = S.Spec("single", S.Sequential(*layers), (1, 28, 28), data=S.Data("digits"))
    single = replace(single, training=S.Training(batch_size=32, epochs=1))
    with pytest.raises(
        SpecError, match="norm cannot normalise a batch of one example, and batches of 32 leave one of 65"
    ):
        train(Here(), ["torch"], single, feed(single, limit=65), Settings())
    train(Here(), ["torch"], single, feed(single, limit=66), Settings())


def test_a_model_without_parameters_is_not_trained() -> None:
    bare = S.Spec("bare", S.Sequential(S.AdaptiveAvgPool2d((2, 5)), S.Flatten()), (1, 28, 28), data=S.Data("digits"))
    for name in ("torch", "keras"):
        with pytest.raises(SpecError, match="bare: it has no parameters to train"):
            train(Here(), [name], bare, feed(bare, limit=64), Settings())
