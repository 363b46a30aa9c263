"""Recordings say, without a framework, what the live models say; each is made where the other framework is not."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

from torch import nn  # noqa: E402

import dualnet  # noqa: E402
from dualnet.cli import main  # noqa: E402
from dualnet.errors import DataError, SpecError, UnsupportedError, WeightsError  # noqa: E402
from dualnet.run.recording import Recording, load  # noqa: E402
from dualnet.run.replay import Replay  # noqa: E402
from dualnet.specs.draw import uniform  # noqa: E402
from tests.test_certify import Deep, Net, TorchPair, Turned, keras_pair  # noqa: E402

K = keras.layers
ROOT = Path(__file__).parents[1]


def array(*shape: int, key: str = "x") -> Any:
    return (2 * uniform(int(np.prod(shape)), key).reshape(shape) - 1).astype("float32")


def torch_net(rate=0.3, norm=True) -> nn.Module:
    torch.manual_seed(0)
    middle = [nn.BatchNorm2d(4)] if norm else []
    return nn.Sequential(nn.Conv2d(3, 4, 3), *middle, nn.ReLU(), nn.Dropout(rate), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(4, 2))  # fmt: skip


def keras_net(rate=0.3, eps=1e-5, norm=True) -> Any:
    from dualnet.backends.keras.bridges import UnbiasedBatchNormalization

    middle = [UnbiasedBatchNormalization(epsilon=eps, momentum=0.9)] if norm else []
    return keras.Sequential([K.Input((8, 7, 3)), K.Conv2D(4, 3), *middle, K.ReLU(), K.Dropout(rate),
                             K.GlobalAveragePooling2D(), K.Dense(2)])  # fmt: skip


class Own(nn.Module):
    """Draws of its own in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(4, 3)

    def forward(self, x):
        noise = torch.from_numpy(np.random.default_rng().normal(size=(1, 3))).to(x) if self.training else 0.0
        return self.line(x) + noise


class Many(nn.Module):
    """Nested inputs by place and keyword, and outputs of many kinds."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.embed = nn.Embedding(9, 4)

    def forward(self, ids, pair, *, mask, scale=1.0):
        x = self.embed(ids) * mask[..., None] * scale + pair[0][:, None] - pair[1][:, None]
        return {"x": x, "more": (x > 0, x.argmax(-1), {"half": x.half(), "wave": torch.fft.fft(x)})}


IMAGES, ROWS = array(5, 3, 8, 7), array(5, 4)
MANY = {0: np.array([[1, 2, 8], [0, 3, 3]]), 1: (array(2, 4, key="a"), array(2, 4, key="b")),
        "mask": np.array([[True, True, False], [True, False, True]]), "scale": 2.0}  # fmt: skip
PAIRS: dict[str, Any] = {
    "torch and keras": (torch_net, keras_net, IMAGES),
    "another rate": (torch_net, lambda: keras_net(rate=0.2), IMAGES),
    "another epsilon": (torch_net, lambda: keras_net(eps=1e-3), IMAGES),
    "keras and torch": (keras_net, torch_net, IMAGES.transpose(0, 2, 3, 1)),
    "two inputs": (TorchPair, keras_pair, (array(7, 6, key="a"), array(7, 4, key="b"))),
    "one framework": (Net, lambda: Net(slope=0.2), array(6, 3, 8, 8)),
    "chaos": (Deep, Turned, array(3, 4)),
    "fails in training mode": (lambda: nn.BatchNorm1d(4), lambda: nn.BatchNorm1d(4), array(1, 4)),
    "draws of its own": (lambda: nn.Sequential(nn.Linear(4, 3)), Own, ROWS),
    "many kinds": (Many, Many, MANY),
    "no weights": (nn.Tanh, nn.Tanh, ROWS),
}


def findings(report: Any) -> dict[str, Any]:
    """Return what a report found, with all its numbers, and what it could not say."""
    found: dict[str, Any] = {
        stage.name: [(f.name, f.verdict, repr(f.gap32), repr(f.gap64), f.note) for f in stage.findings]
        for stage in report.stages
    }
    places = [(stage.name, stage.where, stage.cause) for stage in report.stages]
    return {**found, "places": places, "sides": report.sides, "unchecked": sorted(report.not_checked)}


def recorded(pair: str, tmp_path: Path) -> tuple[Recording, Recording]:
    left, right, inputs = models(pair)
    return saved(left, right, inputs, tmp_path)


def models(pair: str) -> Any:
    left, right, inputs = PAIRS[pair]
    torch.manual_seed(0)
    keras.utils.set_random_seed(0)
    return left(), right(), inputs


def saved(left: Any, right: Any, inputs: Any, tmp_path: Path) -> tuple[Recording, Recording]:
    first = dualnet.record(left, inputs).save(tmp_path / "left.trace")
    second = dualnet.record(right, like=first).save(tmp_path / "right.trace")
    return load(first), load(second)


def is_slow(params: dict[str, Any]) -> bool:
    return params.get("pair") == "chaos"


@pytest.mark.parametrize("pair", PAIRS)
def test_recordings_say_what_the_models_say(pair: str, tmp_path: Path) -> None:
    left, right, inputs = models(pair)
    live = dualnet.check(left, right, inputs, weights_from="left")
    recordings = saved(left, right, inputs, tmp_path)
    kept = dualnet.check(*recordings)
    assert findings(kept) == findings(live)
    assert kept.verdict == live.verdict
    assert dualnet.check(*recordings[::-1]).verdict in (live.verdict, "unstable")
    assert re.search(r"torch \d|keras \d", kept.source)


def test_a_weight_left_over_is_told(tmp_path: Path) -> None:
    """Its constant start is moved, as every weight's is: when the first is recorded, nobody knows of the second."""
    left, right = nn.Sequential(nn.Linear(4, 3), nn.PReLU()), nn.Sequential(nn.Linear(4, 3))
    live, kept = (
        dualnet.check(left, right, ROWS, weights_from="left"),
        dualnet.check(*saved(left, right, ROWS, tmp_path)),
    )
    assert kept.verdict == live.verdict == "divergent"
    assert kept.not_checked == live.not_checked
    stage = live.stage("structure")
    assert (stage.where, stage.cause.partition(";")[0]) == (
        "1.weight",
        "layer missing: 1.weight trains in torch (left) only",
    )
    assert kept.stage("structure").cause == stage.cause


def test_what_was_recorded_of_the_faults_is_found(tmp_path: Path) -> None:
    """The table above holds both sorts; here they are told by name."""
    report = dualnet.check(*recorded("another rate", tmp_path))
    assert re.search(r"0\.3.*0\.2", report.stage("train mode").cause), report.stage("train mode").cause
    report = dualnet.check(*recorded("another epsilon", tmp_path))
    assert (report.verdict, report.stage("forward").verdict) == ("divergent", "divergent")
    report = dualnet.check(*recorded("draws of its own", tmp_path))
    assert "numbers that differ when it is run twice" in report.not_checked["train mode"]
    assert report.stage("forward").verdict == "equal"
    report = dualnet.check(*recorded("fails in training mode", tmp_path))
    assert "Expected more than 1 value per channel" in report.not_checked["train mode"]


def test_a_recording_and_a_live_model(tmp_path: Path) -> None:
    first = dualnet.record(torch_net(), IMAGES)
    report = dualnet.check(first, keras_net())
    assert report.agrees, report
    assert findings(report) == findings(dualnet.check(torch_net(), keras_net(), IMAGES, weights_from="left"))
    assert dualnet.check(first, keras_net(rate=0.1), stages="quick").agrees


@pytest.mark.parametrize("same", [True, False])
def test_sides_as_they_are(same: bool) -> None:
    first = dualnet.record(torch_net(), IMAGES, as_is=True)
    model = torch_net()
    with torch.no_grad():
        model[0].bias += 0.0 if same else 0.5
    report = dualnet.check(first, dualnet.record(model, like=first))
    assert report.agrees == same
    assert report.stage("weights").note == "8 weights, each its own"
    live = dualnet.check(torch_net(), model, IMAGES)
    assert findings(report) == findings(live)


def test_a_table_says_which_weight_is_which() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.randn(4, 4))

        def forward(self, x):
            return x @ self.w

    first = dualnet.record(Odd(), ROWS)
    model = keras.Sequential([K.Input((4,)), K.Dense(4, use_bias=False)])
    assert dualnet.check(first, model, table={"w": "layers.0.kernel"}).agrees
    assert "w (torch)" in dualnet.check(first, model).not_checked["unpaired"]


def test_more_arrays_may_be_added_by_name(tmp_path: Path) -> None:
    made = dualnet.record(torch_net(), IMAGES)
    made.arrays["start/float64/eval/layers/0"] = array(5, 4, 6, 5)
    replay = Replay(load(made.save(tmp_path / "more.trace")), "float64")
    run: Any = replay.run({}, training=False, layers=True)
    assert np.array_equal(run["layers"]["0"], array(5, 4, 6, 5))
    assert [each.shape for each in run["outputs"]] == [(5, 2)]


def test_a_recording_answers_nothing_that_was_not_asked() -> None:
    made = dualnet.record(torch_net(), IMAGES)
    replay = Replay(made, "float32")
    with pytest.raises(WeightsError, match=r"of Sequential holds no run on these weights\. Record both sides anew"):
        replay.load({"0.bias": np.full(4, 7.0)})
    with pytest.raises(WeightsError, match=r"holds no weight '9\.bias'"):
        replay.load({"9.bias": np.zeros(4)})
    replay.descend(0.1, 0.9)
    replay.descend(0.1, 0.9)
    with pytest.raises(UnsupportedError, match="no weights after 2 updates"):
        replay.weights()


REFUSED: dict[str, Any] = {
    "no inputs": (lambda first, second: dualnet.record(torch_net()), SpecError, "a first recording needs inputs"),
    "inputs twice": (
        lambda first, second: dualnet.record(torch_net(), IMAGES, like=first),
        SpecError,
        "takes that one's inputs and start",
    ),
    "of a second": (
        lambda first, second: dualnet.record(torch_net(), like=second),
        SpecError,
        "was itself made like that of Sequential. Give that one",
    ),
    "strangers": (
        lambda first, second: dualnet.check(dualnet.record(torch_net(), IMAGES + 1), second),
        DataError,
        "share neither inputs nor weights. Record one like the other: dualnet record",
    ),
    "wrong inputs": (
        lambda first, second: dualnet.record(torch_net(), ROWS),
        SpecError,
        "Sequential cannot be run on these inputs: RuntimeError: Expected 3D",
    ),
    "no plain input": (
        lambda first, second: dualnet.record(Many(), {**MANY, "scale": object()}),
        DataError,
        "inputs of arrays and plain values. Received: object",
    ),
    "inputs of a check": (lambda first, second: dualnet.check(first, second, IMAGES), SpecError, "Leave out: inputs"),
    "no such file": (
        lambda first, second: dualnet.check("no.trace", second),
        DataError,
        r"no\.trace\. Received: no such",
    ),
    "another suffix": (lambda first, second: first.save("left.safetensors"), DataError, r"named \*\.trace"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str) -> None:
    call, error, message = REFUSED[case]
    first = dualnet.record(torch_net(), IMAGES)
    with pytest.raises(error, match=message):
        call(first, dualnet.record(torch_net(), like=first))


LEFT = """
from torch import nn


def net(width=4):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Dropout(0.3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(width, 2))
"""
RIGHT = """
import keras

K = keras.layers


def net(rate=0.3):
    layers = [K.Conv2D(4, 3, activation="relu"), K.Dropout(rate), K.GlobalAveragePooling2D(), K.Dense(2)]
    return keras.Sequential([K.Input((8, 7, 3)), *layers])
"""
WITHOUT = (
    "import sys; sys.modules.update(dict.fromkeys({names!r})); from dualnet.cli import main; sys.exit(main({words!r}))"
)


def run_without(names: tuple[str, ...], *words: str) -> str:
    """Return what a command prints where these packages cannot be imported."""
    code = WITHOUT.format(names=names, words=list(words))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_recordings_are_compared_where_neither_framework_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("left.py").write_text(LEFT)
    Path("right.py").write_text(RIGHT)
    assert main(["record", "left.py:net", "--input", "3x8x7", "--out", "left.trace", "--quiet"]) == 0
    assert main(["record", "right.py:net", "--from", "left.trace", "--out", "right.trace", "--quiet"]) == 0
    capsys.readouterr()
    told = run_without(("torch", "keras", "tensorflow"), "check", "left.trace", "right.trace", "--json", "found.json")
    assert re.search(r"^verdict: (equal|rounding) ", told, re.MULTILINE)
    report = json.loads(Path("found.json").read_text())
    assert report["stages"][0]["figures"]["matching"]["0.weight"].endswith("/kernel")
    assert main(["check", "left.trace", "right.py:net", "--kwargs-right", '{"rate": 0.2}', "--quiet"]) == 1
    assert re.search(r"likely cause: .*0\.3.*0\.2", capsys.readouterr().out)


@pytest.mark.slow
def test_each_side_is_recorded_where_the_other_framework_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("left.py").write_text(LEFT)
    Path("right.py").write_text(RIGHT)
    told = run_without(("keras", "tensorflow"), "record", "left.py:net", "--input", "3x8x7", "--out", "left.trace")
    assert told.startswith("Sequential (torch): 6 passes, 5 updates")
    told = run_without(("torch",), "record", "right.py:net", "--from", "left.trace", "--out", "right.trace")
    assert told.startswith("Sequential (keras) like Sequential, matched 4 by kind and order: 6 passes")
    told = run_without(("torch", "keras", "tensorflow"), "check", "left.trace", "right.trace")
    assert re.search(r"^verdict: (equal|rounding) ", told, re.MULTILINE)


BAD = {
    "no out": (("record", "left.py:net", "--input", "3x8x7", "--out", "left.json"), r"record takes a model, and --out"),
    "no input": (("record", "left.py:net", "--out", "l.trace"), r"say what it takes by --input"),
    "input twice": (
        ("record", "left.py:net", "--from", "a.trace", "--input", "3", "--out", "l.trace"),
        r"Leave out: --i",
    ),
    "table alone": (
        ("record", "left.py:net", "--table", "t.json", "--input", "3", "--out", "l.trace"),
        r"Give --from too",
    ),
    "no file": (
        ("record", "left.py:net", "--from", "a.trace", "--out", "l.trace"),
        r"a\.trace\. Received: no such file",
    ),
    "shape": (("record", "left.py:net", "--input", "4x8x7", "--out", "l.trace"), r"cannot be called with inputs of sh"),
    "right first": (("check", "left.py:net", "a.trace"), r"name the recording first"),
    "input": (("check", "a.trace", "b.trace", "--input", "3x8x7"), r"--input is not for recordings"),
    "table": (("check", "a.trace", "b.trace", "--table", "t.json"), r"--table is not for|cannot be read"),
    "gone": (("check", "a.trace", "b.trace"), r"a\.trace\. Received: no such file"),
    "weights": (
        ("check", "w.trace", "w.trace"),
        r"w\.trace: this is no recording of dualnet, though its arrays are whole",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_one_message(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dualnet import store

    monkeypatch.chdir(tmp_path)
    Path("left.py").write_text(LEFT)
    store.save(Path("w.trace"), {"x": np.zeros(2)})
    words, message = BAD[case]
    assert main([*words, "--quiet"]) == 2
    printed = capsys.readouterr()
    assert re.search(message, printed.err), printed.err
    assert printed.err.startswith("dualnet: ")
    assert {path.name for path in tmp_path.iterdir()} <= {"left.py", "w.trace", "__pycache__"}
