"""TensorBoard: event files read back by tensorboardX's own protobufs: the same tags on both sides, the run's values."""

import math
import struct
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dualnet import specs as S
from dualnet.errors import DataError
from dualnet.report.tensorboard import TensorBoard
from dualnet.run.feed import feed
from dualnet.run.hosts import Here
from dualnet.run.plan import Settings
from dualnet.run.train import train
from dualnet.specs import text

event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")

NET = S.Spec(
    "net",
    S.Sequential(S.Flatten(), S.Linear(6, name="hidden"), S.ReLU(), S.Linear(10, name="out")),
    (1, 28, 28),
    data=S.Data(set="digits", split=(0.6, 0.2, 0.2)),
    training=S.Training(optimizer=S.SGD(0.1), batch_size=40, epochs=2),
)


def events(folder: Path) -> tuple[dict[str, dict[int, float]], dict[str, dict[int, Any]]]:
    """Return scalars and histograms by tag and step, from TFRecords: length, its CRC, the event, its CRC."""
    scalars: dict[str, dict[int, float]] = defaultdict(dict)
    histograms: dict[str, dict[int, Any]] = defaultdict(dict)
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            event = event_pb2.Event()
            event.ParseFromString(content[12 : 12 + length])
            content = content[16 + length :]
            for value in event.summary.value:
                if value.HasField("histo"):
                    histograms[value.tag][event.step] = value.histo
                else:
                    assert event.step not in scalars[value.tag]  # nothing is written twice
                    scalars[value.tag][event.step] = value.simple_value
    return dict(scalars), dict(histograms)


def run(folder: Path, net: S.Spec = NET, **settings: Any) -> Any:
    board = TensorBoard(folder)
    found = train(Here(), ["torch", "keras"], net, feed(net, limit=100), Settings(**settings), watch=board)
    board.close()
    return found


SCALARS = {
    "loss/step",
    *(f"{what}/{part}" for what in ("loss", "accuracy") for part in ("train", "validation", "test")),
}


def test_both_sides_have_the_same_tags_and_the_values_of_their_history(both: Any, tmp_path: Path) -> None:
    trained = run(tmp_path / "logs")
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["keras", "torch"]
    for side, made in trained.items():
        scalars, histograms = events(tmp_path / "logs" / side)
        assert set(scalars) == SCALARS
        assert set(histograms) == {f"weights/{name}" for name in NET.parameters}
        # what TensorBoard stores is float32
        steps = {at: float(np.float32(loss)) for at, loss in enumerate(made.losses, 1)}
        assert scalars["loss/step"] == steps
        assert len(steps) == 6
        for part in ("train", "validation", "test"):
            losses = [epoch.loss if part == "train" else getattr(epoch, f"{part}_loss") for epoch in made.history]
            assert scalars[f"loss/{part}"] == {at: float(np.float32(loss)) for at, loss in enumerate(losses, 1)}
            scores = [getattr(epoch, f"{part}_accuracy") for epoch in made.history]
            assert scalars[f"accuracy/{part}"] == {at: float(np.float32(score)) for at, score in enumerate(scores, 1)}
        for name, array in made.session.weights().items():
            assert list(histograms[f"weights/{name}"]) == [1, 2]
            last = histograms[f"weights/{name}"][2]
            assert last.num == array.size
            assert last.min == array.min()
            assert last.max == array.max()
            assert last.sum == pytest.approx(array.sum(dtype=np.float64), rel=1e-5)  # a float32 sum of thousands


def test_a_resumed_run_writes_every_epoch(both: Any, tmp_path: Path) -> None:
    run(tmp_path / "first", text.with_fields(NET, epochs=1), out=tmp_path / "run")
    trained = run(tmp_path / "rest", out=tmp_path / "run", resume=True)
    scalars, _ = events(tmp_path / "rest" / "keras")
    assert list(scalars["loss/train"]) == [1, 2]
    assert len(scalars["loss/step"]) == len(trained["keras"].losses) == 6


def test_a_run_that_bursts_is_logged_too(both: Any, tmp_path: Path) -> None:
    burst = text.with_fields(NET, optimizer=S.SGD(1e30))
    trained = run(tmp_path / "logs", burst)
    assert not math.isfinite(trained["torch"].losses[-1])
    scalars, _ = events(tmp_path / "logs" / "torch")
    assert not math.isfinite(scalars["loss/step"][6])


def test_what_cannot_be_written_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file/logs: the logs cannot be written: Not a directory"):
        TensorBoard(tmp_path / "file" / "logs")
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(DataError, match=r"--tensorboard needs tensorboardX: pip install 'dualnet\[tensorboard\]'\."):
        TensorBoard(tmp_path / "logs")
    assert not (tmp_path / "logs").exists()
