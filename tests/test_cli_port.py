"""``dualnet port`` and ``dualnet emit``: what they write, how they end, and one message for each kind of bad input."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dualnet.cli import main

NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, padding=1)
        self.fc = nn.Linear(width * 36, 3)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).flatten(1))


def words(rows=20):
    return nn.Sequential(nn.Embedding(rows, 4), nn.Flatten(), nn.Linear(20, 2))


class Two(nn.Module):
    def forward(self, x, mask):
        return (x * mask).sum(1)


instance = Net()
nothing = 3


def broken():
    raise RuntimeError("no such thing")


class Chooses(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x
"""


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "cli_net.py"
    path.write_text(NET)
    return path


def run(*words: str) -> int:
    return main(["port", *words, "--to", "torch", "--quiet"])


def test_a_port_writes_source_weights_and_certificate(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cli_net.py:Net", "--input", "1x6x6", "-o", "out.py", "--json", "result.json") == 0
    printed = capsys.readouterr().out
    assert "verdict: equal" in printed
    assert "transposes left: 0" in printed
    assert "written: out.py, out.safetensors, out.report.json" in printed
    report = json.loads(Path("out.report.json").read_text())
    assert report == json.loads(Path("result.json").read_text())
    assert [stage["name"] for stage in report["report"]["stages"]][-1] == "alone"
    assert {row["source"] for row in report["weights"]} == {"conv.weight", "conv.bias", "fc.weight", "fc.bias"}
    assert "class Net(nn.Module):" in Path("out.py").read_text()


def test_a_function_with_arguments_and_weights(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scope: dict[str, object] = {}
    exec(NET, scope)
    model = scope["Net"](width=2)  # type: ignore[operator]
    save_file(model.state_dict(), "state.safetensors")
    words = ("cli_net.py:Net", "--kwargs", '{"width": 2}', "--weights", "state.safetensors", "--input", "1x6x6")
    assert run(*words, "-o", "out.py", "--no-check") == 0
    from dualnet import store

    arrays, _ = store.load(Path("out.safetensors"))
    assert torch.equal(torch.from_numpy(arrays["conv.weight"]), model.state_dict()["conv.weight"])


def test_an_instance_the_default_name_and_a_vocabulary_that_is_found(net: Path) -> None:
    assert run("cli_net.py:instance", "--input", "1x6x6", "--no-check") == 0
    assert Path("cli_net_torch.py").exists()
    assert run("cli_net.py:words", "--input", "5:int64", "-o", "words.py", "--no-check") == 0


def test_several_inputs_by_name(net: Path) -> None:
    words = ("--input", "mask=5:bool", "--input", "x=5", "-o", "two.py", "--no-check")
    assert run("cli_net.py:Two", *words) == 0
    assert "def forward(self, mask, x):" in Path("two.py").read_text()


def test_a_shape_with_its_batch_axis_is_taken_as_it_stands(net: Path) -> None:
    assert run("cli_net.py:Net", "--input", "2x1x6x6", "-o", "out.py", "--no-check") == 0


SHAPE = ("--input", "1x6x6")
BAD = {
    "no name": (("cli_net.py",), r"file\.py:name, such as mynet\.py:Net. Received: 'cli_net\.py'"),
    "no file": (("nowhere.py:Net",), r"nowhere\.py: there is no such file"),
    "a near name": (("cli_net.py:Nett",), r"there is no 'Nett' in it\. Did you mean 'Net'\?"),
    "no model": (("cli_net.py:nothing",), r"Expected a torch\.nn\.Module or a keras\.Model\. Received: int"),
    "raises": (("cli_net.py:broken",), r"cli_net\.py:broken\(\) failed: RuntimeError: no such thing"),
    "kwargs": (("cli_net.py:Net", "--kwargs", "{width", *SHAPE), r"--kwargs must be a JSON object"),
    "wrong kwargs": (("cli_net.py:Net", "--kwargs", '{"wide": 2}', *SHAPE), r"Net\(wide=2\) failed: TypeError.*'wide'"),
    "no input": (("cli_net.py:Net",), r"say what it takes by --input"),
    "bad input": (("cli_net.py:Net", "--input", "1,6,6"), r"--input must be a shape .* Received: '1,6,6'"),
    "bad type": (("cli_net.py:Net", "--input", "6:text"), r"--input must be a shape .* Received: '6:text'"),
    "half named": (("cli_net.py:Two", "--input", "x=5", "--input", "5"), r"name all inputs or none"),
    "wrong shape": (("cli_net.py:Net", "--input", "1x7x7"), r"cannot be called with inputs of shape \[4, 1, 7, 7\]"),
    "a pickle": (("cli_net.py:Net", *SHAPE, "--weights", "w.pt"), r"w\.pt: a pickle can run code.*safetensors"),
    "no weights": (("cli_net.py:Net", *SHAPE, "--weights", "w.safetensors"), r"w\.safetensors: there is no such"),
    "other weights": (
        ("cli_net.py:Net", *SHAPE, "--weights", "other.safetensors"),
        r"other\.safetensors does not fit the model\. in the file, .*: head\.weight; in the model, .*: conv\.weight",
    ),
    "corrupt": (
        ("cli_net.py:Net", *SHAPE, "--weights", "corrupt.safetensors"),
        r"corrupt\.safetensors: expected a whole",
    ),
    "no page": (("cli_net.py:Net", *SHAPE, "-o", "out.txt"), r"-o must name a \.py file"),
    "itself": (("cli_net.py:Net", *SHAPE, "-o", "cli_net.py"), r"would be overwritten"),
    "no folder": (("cli_net.py:Net", *SHAPE, "-o", "nowhere/out.py"), r"there is no folder nowhere"),
    "values": (("cli_net.py:Chooses", "--input", "5"), r"cli_net\.py:\d+"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_one_message_and_nothing_written(
    case: str, net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file({"head.weight": torch.zeros(2)}, "other.safetensors")
    Path("corrupt.safetensors").write_bytes(b"not a weight file")
    before = {path.name for path in net.parent.iterdir() if path.name != "__pycache__"}
    words, message = BAD[case]
    assert run(*words) == 2
    printed = capsys.readouterr()
    assert re.search(message, printed.err, re.DOTALL), printed.err
    assert printed.err.startswith("dualnet: ")
    assert "Traceback" not in printed.err
    assert {path.name for path in net.parent.iterdir() if path.name != "__pycache__"} == before
    assert net.read_text() == NET


def test_emit_prints_or_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emit", "fashion_mlp", "--to", "torch"]) == 0
    printed = capsys.readouterr().out
    assert "class FashionMlp(nn.Module):" in printed
    assert main(["emit", "fashion_mlp", "--to", "torch", "-o", str(tmp_path / "mlp.py")]) == 0
    assert (tmp_path / "mlp.py").read_text() == printed


def test_what_is_there_is_not_overwritten_unasked(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("out.safetensors").write_bytes(b"mine")
    words = ("cli_net.py:Net", "--input", "1x6x6", "-o", "out.py", "--no-check")
    assert run(*words) == 2
    assert "out.safetensors would be overwritten. Add --force" in capsys.readouterr().err
    assert Path("out.safetensors").read_bytes() == b"mine"
    assert run(*words, "--force") == 0
    assert run("cli_net.py:Net", "--input", "1x6x6", "-o", "out.py", "--weights", "out.safetensors", "--force") == 2
    assert "own weights" in capsys.readouterr().err
