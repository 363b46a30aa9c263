"""Odd models get a verdict or one clear error: never a hang, never "equal" where they differ."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

from torch import nn  # noqa: E402

import dualnet  # noqa: E402
from dualnet.errors import DualnetError, SpecError  # noqa: E402

K, ops = keras.layers, keras.ops
ROOT = Path(__file__).parents[1]
X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


class TorchOdd(nn.Module):
    """A linear layer, and something odd that is done with what it gives."""

    def __init__(self, odd: Callable[..., Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.line, self.odd, self.calls = nn.Linear(3, 2), odd, 0

    def forward(self, *args, **kwargs):
        self.calls += 1
        return self.odd(self.line, self, *args, **kwargs)


class KerasOdd(keras.Model):
    """The same."""

    def __init__(self, odd: Callable[..., Any]) -> None:
        super().__init__()
        self.line, self.odd, self.calls = K.Dense(2), odd, 0

    def call(self, x, training=False):
        self.calls += 1
        return self.odd(self.line, self, x)


def pair(ours: Any, theirs: Any, inputs: Any = X, **options: Any) -> Any:
    return dualnet.check(TorchOdd(ours), KerasOdd(theirs), inputs, weights_from="left", **options)


def fails(line, model, x):
    msg = "this model is broken"
    raise ValueError(msg)


def in_training(line, model, x):
    if model.training:
        msg = "no training here"
        raise ValueError(msg)
    return line(x)


def noise(line, model, x):
    return line(x) + float(np.random.default_rng().normal())


def nan(line, model, x):
    return line(x) * float("nan")


def nothing(line, model, x):
    line(x)


def line_of(line, model, x):
    return line(x)


# What is done on either side, with the verdict of the pair.
VERDICTS: dict[str, tuple[Any, Any, str]] = {
    "nothing odd": (line_of, line_of, "agrees"),
    "a dictionary": (lambda m, _, x: {"b": m(x), "a": -m(x)}, lambda m, _, x: {"a": -m(x), "b": m(x)}, "agrees"),
    "a swapped dictionary": (
        lambda m, _, x: {"b": m(x), "a": -m(x)},
        lambda m, _, x: {"b": -m(x), "a": m(x)},
        "divergent",
    ),
    "nested tuples": (lambda m, _, x: (m(x), (m(x) * 2, [m(x)])), lambda m, _, x: (m(x), (m(x) * 2, [m(x)])), "agrees"),
    "one output fewer": (lambda m, _, x: (m(x), m(x) * 2), lambda m, _, x: m(x), "divergent"),
    "one output more": (lambda m, _, x: m(x), lambda m, _, x: (m(x), m(x) * 2), "divergent"),
    "a word on one side": (lambda m, _, x: "a", line_of, "divergent"),
    "bool": (lambda m, _, x: (m(x), m(x) > 0), lambda m, _, x: (m(x), m(x) > 0), "agrees"),
    "another bool": (lambda m, _, x: (m(x), m(x) > 0), lambda m, _, x: (m(x), m(x) <= 0), "divergent"),
    "whole numbers": (
        lambda m, _, x: (m(x), (m(x) * 1000).to(torch.int32)),
        lambda m, _, x: (m(x), ops.cast(m(x) * 1000, "int32")),
        "agrees",
    ),
    "large whole numbers": (
        lambda m, _, x: (m(x), torch.tensor([2**53 + 1])),
        lambda m, _, x: (m(x), ops.convert_to_tensor(np.array([2**53]))),
        "divergent",
    ),
    "half": (lambda m, _, x: m(x).half(), lambda m, _, x: ops.cast(m(x), "float16"), "agrees"),
    "another half": (lambda m, _, x: m(x).half(), lambda m, _, x: ops.cast(m(x) * 1.01, "float16"), "divergent"),
    "complex": (lambda m, _, x: torch.complex(m(x), -m(x)), lambda m, _, x: wave(m(x), -m(x)), "agrees"),
    "another imaginary part": (
        lambda m, _, x: torch.complex(m(x), m(x)),
        lambda m, _, x: wave(m(x), -m(x)),
        "divergent",
    ),
    "NaN on both sides": (nan, nan, "unstable"),
    "NaN on one side": (nan, line_of, "divergent"),
    "some NaN on both": (
        lambda m, _, x: torch.where(x[:, :1] > 0, m(x), float("nan")),
        lambda m, _, x: ops.where(x[:, :1] > 0, m(x), float("nan")),
        "agrees",
    ),
    "NaN in other places": (
        lambda m, _, x: torch.where(x[:, :1] > 0, m(x), float("nan")),
        lambda m, _, x: ops.where(x[:, :1] > 0.5, m(x), float("nan")),
        "divergent",
    ),
    "noise of its own": (noise, line_of, "unstable"),
    "noise of both": (noise, noise, "unstable"),
    "a state that moves": (lambda m, own, x: m(x) * own.calls, line_of, "unstable"),
    "fails in training": (in_training, line_of, "agrees"),
}


def wave(real: Any, imaginary: Any) -> Any:
    import tensorflow as tf

    return tf.complex(real, imaginary)


@pytest.mark.parametrize("case", VERDICTS)
def test_odd_models_get_a_verdict(case: str) -> None:
    ours, theirs, verdict = VERDICTS[case]
    report = pair(ours, theirs, stages="structure,weights,forward,gradients")
    assert report.verdict == verdict or (verdict == "agrees" and report.agrees), report


def test_what_fails_in_training_alone_is_not_checked_there() -> None:
    report = pair(in_training, line_of)
    assert report.agrees
    assert {"train mode", "step", "state"} <= report.not_checked.keys()
    assert "no training here" in report.not_checked["train mode"]


ERRORS: dict[str, tuple[Any, Any, Any, str]] = {
    "the left one raises": (fails, line_of, X, "cannot be run on these inputs: .*this model is broken"),
    "the right one raises": (line_of, fails, X, "cannot be run on these inputs: .*this model is broken"),
    "nothing comes back": (nothing, nothing, X, "cannot be run on these inputs: no tensor"),
    "wrong shape": (line_of, line_of, np.ones((4, 5), "float32"), "cannot be run on these inputs"),
    "no array": (line_of, line_of, object(), "inputs"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_cannot_be_run_is_one_clear_error(case: str) -> None:
    ours, theirs, inputs, message = ERRORS[case]
    with pytest.raises(DualnetError, match=message) as caught:
        pair(ours, theirs, inputs)
    assert "\n" not in str(caught.value)


def test_inputs_by_keyword_and_of_whole_numbers() -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(9, 3)

        def forward(self, ids, *, keep):
            return self.embed(ids) * keep[..., None]

    class KerasWords(keras.Model):
        def __init__(self, off=0.0) -> None:
            super().__init__()
            self.embed, self.off = K.Embedding(9, 3), off

        def call(self, ids, keep):
            return self.embed(ids) * ops.cast(keep, "float32")[..., None] + self.off

    inputs = {"ids": np.array([[1, 8, 0], [3, 3, 4]]), "keep": np.array([[True, False, True], [True, True, False]])}
    assert dualnet.check(Words(), KerasWords(), inputs, weights_from="left").agrees
    assert dualnet.check(Words(), KerasWords(off=0.1), inputs, weights_from="left").verdict == "divergent"


def test_what_models_print_does_not_reach_the_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    from dualnet.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "loud.py").write_text(
        "from torch import nn\nprint('loaded')\n\n\nclass Net(nn.Linear):\n    def __init__(self):\n"
        "        super().__init__(3, 2)\n\n    def forward(self, x):\n        print('forward')\n"
        "        return super().forward(x)\n"
    )
    words = ["check", "loud.py:Net", "loud.py:Net", "--input", "3", "--weights-from", "left", "--json", "found.json"]
    assert main(words) == 0
    assert json.loads((tmp_path / "found.json").read_text())["verdict"] in ("equal", "rounding")


def test_an_interrupt_leaves_no_part_of_a_report(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\nfrom pathlib import Path\nfrom torch import nn\n\n\nclass Net(nn.Linear):\n"
        "    def __init__(self):\n        super().__init__(3, 2)\n        self.count = 0\n\n"
        "    def forward(self, x):\n        self.count += 1\n        if self.training:\n"
        "            Path('begun').touch()\n            time.sleep(60)\n        return super().forward(x)\n"
    )
    words = ["slow.py:Net", "slow.py:Net", "--input", "3", "--weights-from", "left"]
    kept = ["--json", "found.json", "--out", "page", "--save-table", "pairs.json"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "dualnet", "check", *words, *kept]
    run = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    end = time.monotonic() + 100
    while not (tmp_path / "begun").exists() and time.monotonic() < end:
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=100)
    assert run.returncode == 130, said
    assert said.endswith("dualnet: interrupted\n")
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if "__pycache__" not in str(path)}
    assert left == {"slow.py", "begun", "page"}


def test_a_stage_that_is_not_there_is_refused_before_anything_runs() -> None:
    with pytest.raises(SpecError, match="There is no stage 'fits'"):
        pair(fails, fails, stages="fits")
