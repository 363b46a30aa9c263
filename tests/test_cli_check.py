"""``dualnet check``: two live models out of files, their matching kept and given back, one message for bad input."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

from dualnet.cli import main
from dualnet.run import pairing

LEFT = """
from torch import nn


class Net(nn.Module):
    def __init__(self, width=4, rate=0.3):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.drop = nn.Dropout(rate)
        self.fc = nn.Linear(width, 2)

    def forward(self, x):
        return self.fc(self.drop(self.conv(x).relu()).mean((2, 3)))
"""
RIGHT = """
import keras

K = keras.layers


def build(width=4, rate=0.3, pool=True):
    middle = K.GlobalAveragePooling2D() if pool else K.Flatten()
    conv = K.Conv2D(width, 3, padding="same", activation="relu", name="first")
    return keras.Sequential([K.Input((6, 5, 3)), conv, K.Dropout(rate), middle, K.Dense(2, name="last")])


class Late(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = K.Conv2D(4, 3, padding="same", activation="relu"), K.Dense(2)

    def call(self, x):
        return self.fc(keras.ops.mean(self.conv(x), (1, 2)))
"""
BOTH = ("left_net.py:Net", "right_net.py:build")
SHAPE = ("--input", "3x6x5")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "left_net.py").write_text(LEFT)
    (tmp_path / "right_net.py").write_text(RIGHT)
    return tmp_path


def run(*words: str) -> int:
    return main(["check", *words, "--quiet"])


def test_two_files_agree_and_the_matching_comes_back(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = ("--save-table", "pairs.toml", "--matching", "--json", "found.json", "--out", "page")
    assert run(*BOTH, *SHAPE, "--weights-from", "left", *kept) == 0
    printed = capsys.readouterr().out
    assert "the float64 gap is the smallest tolerance with which a stage would pass" in printed
    assert re.search(r"^conv\.weight +\S*first/kernel$", printed, re.MULTILINE)
    table = pairing.read(Path("pairs.toml"))
    assert list(table) == ["conv.weight", "conv.bias", "fc.weight", "fc.bias"]
    assert table["fc.weight"].endswith("last/kernel")
    report = json.loads(Path("found.json").read_text())
    assert report["verdict"] in ("equal", "rounding")
    assert "first divergence" not in Path("page/report.html").read_text().lower()
    assert json.loads(Path("page/check.json").read_text())["data"]["stages"][2]["name"] == "forward"
    assert run(*BOTH, *SHAPE, "--weights-from", "left", "--table", "pairs.toml") == 0
    assert "matched 4 by the table" in capsys.readouterr().out


def test_a_swapped_table_diverges(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--kwargs-left", '{"width": 2}', "--kwargs-right", '{"width": 2}', "--weights-from", "left")
    Path("pairs.json").write_text(json.dumps({"conv.bias": "layers.3.bias", "fc.bias": "layers.0.bias"}))
    assert run(*BOTH, *SHAPE, *options) == 0
    assert run(*BOTH, *SHAPE, *options, "--table", "pairs.json") == 1
    assert "verdict: divergent" in capsys.readouterr().out


def test_stages_asked_for_alone_decide(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (*BOTH, *SHAPE, "--weights-from", "left", "--kwargs-right", '{"rate": 0.2}')
    assert run(*words, "--stages", "quick") == 0
    assert "not checked: train mode, gradients, loss, step, state: not asked for" in capsys.readouterr().out
    assert run(*words, "--stages", "forward,train_mode") == 1
    printed = capsys.readouterr().out
    assert re.search(r"likely cause: .*0\.3.*0\.2", printed)
    assert "not checked: structure, weights, gradients, loss, step, state: not asked for" in printed


def test_models_with_their_own_weights_are_two(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*BOTH, *SHAPE, "--stages", "quick") == 1
    assert "weights: first at conv.weight" in capsys.readouterr().out


@pytest.mark.parametrize("shape", ["3x6x5", "2x3x6x5"])
def test_a_shape_with_or_without_its_batch(shape: str, files: Path) -> None:
    assert run(*BOTH, "--input", shape, "--weights-from", "right", "--stages", "quick") == 0


@pytest.mark.parametrize("left", ["build", "Late"])
@pytest.mark.parametrize("shape", ["6x5x3", "2x6x5x3"])
def test_a_keras_model_on_the_left(left: str, shape: str, files: Path) -> None:
    assert run(f"right_net.py:{left}", BOTH[0], "--input", shape, "--weights-from", "left", "--stages", "quick") == 0


def test_two_of_one_framework(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(BOTH[0], BOTH[0], *SHAPE, "--weights-from", "right", "--stages", "quick") == 0
    assert "Net: torch (left) and torch (right)" in capsys.readouterr().out


def test_a_table_of_what_reads_a_flattened_image_is_one_that_was_found(files: Path) -> None:
    """A saved matching given back means the same order of axes, not the shape's own."""
    import numpy as np

    import dualnet
    from dualnet.compare.match import check
    from dualnet.run.source import model_of

    model = model_of(BOTH[1], '{"pool": false}')
    x = np.random.default_rng(0).normal(size=(3, 6, 5, 3)).astype("float32")
    ported = dualnet.port(model, x, certificate=False).model
    first = check(model, ported, x)
    table = first.stage("structure").figures["matching"]
    assert "1 by value" in first.stage("structure").note
    assert first.agrees, first
    again = check(model, ported, x, table=table)
    assert "4 by the table" in again.stage("structure").note
    assert again.agrees, again


BAD = {
    "no file": (("nowhere.py:Net", BOTH[1], *SHAPE), r"nowhere\.py: there is no such file"),
    "no model": ((BOTH[0], "right_net.py:K", *SHAPE), r"Expected a torch\.nn\.Module or a keras\.Model"),
    "kwargs": ((*BOTH, *SHAPE, "--kwargs-right", "{width"), r"--kwargs-right must be a JSON object"),
    "wrong kwargs": ((*BOTH, *SHAPE, "--kwargs-left", '{"wide": 2}'), r"Give its arguments by --kwargs-left"),
    "no input": (BOTH, r"left_net\.py:Net: say what it takes by --input"),
    "no input of keras": (BOTH[::-1], r"right_net\.py:build: say what it takes by --input"),
    "wrong shape": ((*BOTH, "--input", "4x6x5"), r"cannot be called with inputs of shape \[4, 4, 6, 5\]"),
    "wrong for keras": ((*BOTH[::-1], "--input", "6x5"), r"cannot be called .* declares an input of shape"),
    "no fit": ((*BOTH, "--input", "3x7x7"), r"the models cannot be run on these inputs|declares"),
    "stage": ((*BOTH, *SHAPE, "--stages", "forwrd"), r"There is no stage 'forwrd'\. Did you mean 'forward'"),
    "no table": ((*BOTH, *SHAPE, "--table", "no.json"), r"no\.json: the table cannot be read: No such file"),
    "no page": ((*BOTH, *SHAPE, "--table", "left_net.py"), r"a table of weights is a \.json or \.toml file"),
    "no json": ((*BOTH, *SHAPE, "--table", "bad.json"), r"bad\.json: this is no JSON"),
    "no toml": ((*BOTH, *SHAPE, "--table", "bad.toml"), r"bad\.toml: this is no TOML"),
    "deep": ((*BOTH, *SHAPE, "--table", "deep.json"), r"deep\.json: this is no JSON: .*recursion"),
    "a list": ((*BOTH, *SHAPE, "--table", "list.json"), r"list\.json: a table pairs names .* Received: \['conv"),
    "numbers": ((*BOTH, *SHAPE, "--table", "numbers.json"), r"Received: \{'conv\.weight': 3\}"),
    "unknown there": ((*BOTH, *SHAPE, "--table", "there.json"), r"The table names 'layers\.9\.kernel', which is not"),
    "unknown": ((*BOTH, *SHAPE, "--table", "unknown.json"), r"The table names 'conv\.weigh', .* mean 'conv\.weight'"),
    "saved as": ((*BOTH, *SHAPE, "--save-table", "pairs.txt"), r"pairs\.txt: a table of weights is"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_one_message(case: str, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.json").write_text("{conv")
    Path("bad.toml").write_text("conv = [")
    Path("deep.json").write_text("[" * 100_000)
    Path("list.json").write_text('["conv.weight"]')
    Path("numbers.json").write_text('{"conv.weight": 3}')
    Path("unknown.json").write_text('{"conv.weigh": "layers.0.kernel"}')
    Path("there.json").write_text('{"conv.weight": "layers.9.kernel"}')
    before = {path.name for path in files.iterdir() if path.name != "__pycache__"}
    words, message = BAD[case]
    assert run(*words) == 2
    printed = capsys.readouterr()
    assert re.search(message, printed.err, re.DOTALL), printed.err
    assert printed.err.startswith("dualnet: ")
    assert {path.name for path in files.iterdir() if path.name != "__pycache__"} == before


def test_a_table_comes_back_whatever_its_names(tmp_path: Path) -> None:
    table = {'a"b': "c\\d", "é.weight": "x\x7fy", "line\nfeed": "tab\t", "": "😀"}
    for name in ("t.json", "t.toml"):
        pairing.write(tmp_path / name, table)
        assert pairing.read(tmp_path / name) == table
