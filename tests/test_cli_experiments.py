"""The verbs that are experiments: what they print, write and announce, how they end, and what they say of bad input."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dualnet.backends import Backend
from dualnet.cli import common, early, main
from dualnet.experiments.topics import pictures
from dualnet.report.result import load
from dualnet.specs import text
from dualnet.specs.spec import Spec
from tests.benches import CNN, MLP, Changed, Inside


@pytest.fixture
def inside(both: tuple[Backend, Backend], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "Workers", lambda pythons, threads: Inside())
    monkeypatch.setattr(early, "orders", lambda arguments: [])
    monkeypatch.setattr(pictures, "SET", "digits")


@pytest.fixture
def nets(tmp_path: Path) -> dict[str, str]:
    """Return the files of small specs by name."""
    found = {}
    for spec in (MLP, CNN, text.with_fields(MLP, name="student")):
        path = tmp_path / f"{spec.name}.toml"
        path.write_text(text.dumps(spec))
        found[spec.name] = str(path)
    return found


def words_of(line: str, nets: dict[str, str], tmp: Path) -> list[str]:
    return line.format(**nets, tmp=tmp).split()


# What each verb is given, how its result is called, what it announces, and a line of what it prints.
VERBS = {
    "init": ("init {mlp} --seeds 2 --initializers he_normal", "init", "mlp: 1 initializers, 2 seeds each", "he_normal"),
    "init train": (
        "init {mlp} --train --epochs 1 --limit 50 --initializers zeros",
        "starts",
        "mlp: trained from 1 starts on each backend",
        "in its one epoch",
    ),
    "signal": (
        "signal {mlp} --activation tanh,relu --limit 20",
        "signal",
        "mlp: 2 kinds of activation",
        "relu: layer by",
    ),
    "clip": (
        "clip {mlp} --learning-rate 0.1 --clip-norm 1,2 --clip-value= --steps 2 --initializer normal:0.1",
        "clip",
        "mlp: 3 trainings of 2 steps on each backend",
        "norm clipped to 2",
    ),
    "train": (
        "train {mlp} --epochs 1 --limit 60 --augment flip,crop:1 --clip-norm 1 --tensorboard {tmp}/logs",
        "train",
        "mlp: 2 steps on each backend",
        "logs, one run for each backend; see it by: tensorboard --logdir DIR",
    ),
    "distill": (
        "distill {mlp} {student} --method hints --hint top --guide top --epochs 1 --limit 50 --teacher-backend torch",
        "distill",
        "mlp into student by hints: 1 teacher and 2 students on each backend",
        "student alone",
    ),
    "explain": (
        "explain {cnn} --sample 0..1 --limit 50 --epochs 1 --method saliency,cam --label",
        "explain",
        "cnn: saliency, cam of 2 test images",
        "saliency: the two sides' maps differ by",
    ),
    "predict": (
        "predict {cnn} --sample 3 --limit 50 --temperature 4 --trained-by torch",
        "predict",
        "cnn: decisions on 1 test images",
        "soft and hard decisions at T=4",
    ),
    "fit": ("fit sine --hidden 4 --epochs 1 --dropout", "fit", "sine by 1-4-1, 20 steps", "dropout of 0.1 was on"),
    "blocks": ("blocks shapes", "blocks_shapes", "45 convolutions of an image", "none off the formula"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_announces_prints_and_writes(
    verb: str, inside: Any, nets: dict[str, str], tmp_path: Path, capsys
) -> None:
    line, name, announced, printed = VERBS[verb]
    out = tmp_path / "out"
    words = [*words_of(line, nets, tmp_path), "--out", str(out), "--json", str(tmp_path / "r.json"), "--seed", "1"]
    assert main(words) == 0
    shown = capsys.readouterr()
    first = shown.err.splitlines()[0]
    assert first.startswith(announced)
    assert "; about " in first
    assert printed in shown.out
    assert f"written: {out}/{name}.json, {name}.png, report.html" in shown.out
    result = load(out / f"{name}.json")
    assert result.title in shown.out
    assert (out / f"{name}.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert result.title.split(":")[0] in (out / "report.html").read_text()
    assert (out / f"{name}.json").read_text() == (tmp_path / "r.json").read_text()
    assert {"torch", "keras", "python", "date"} <= set(result.environment)
    assert result.settings.get("seed", 1) == 1
    others = {path.name for path in out.iterdir()} - {f"{name}.json", f"{name}.png", "report.html"}
    assert all(path.endswith(".safetensors") or (out / path).is_dir() for path in others)


def test_quiet_says_nothing_beside_the_result_and_one_backend_is_enough(inside, nets, tmp_path: Path, capsys) -> None:
    words = words_of("signal {mlp} --limit 10 --quiet --backend keras --json {tmp}/s.json", nets, tmp_path)
    assert main(words) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "as given, keras: " in shown.out
    assert list(json.loads((tmp_path / "s.json").read_text())["data"]["as given"]) == ["keras"]
    assert main(words_of("explain {cnn} --backend keras --limit 20 --method cam --quiet", nets, tmp_path)) == 0
    assert "the same weights, trained on keras" in capsys.readouterr().out


def test_a_divergent_pair_exits_1_and_is_written_all_the_same(
    inside: Any, nets: dict[str, str], tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off(session: Any, answer: Any) -> Any:
        return answer | {"layers": {name: array * 1.001 for name, array in answer["layers"].items()}}

    class Faulty(Inside):
        def open(self, name: str, spec: Spec, **options: Any) -> Any:
            session = super().open(name, spec, **options)
            return Changed(session, "gradients", off) if name == "keras" else session

    monkeypatch.setattr(common, "Workers", lambda pythons, threads: Faulty())
    assert main(words_of("signal {mlp} --limit 10 --out {tmp}/out", nets, tmp_path)) == 1
    assert load(tmp_path / "out" / "signal.json").verdict == "divergent"
    assert "verdict: divergent" in capsys.readouterr().out


def test_results_of_several_verbs_share_a_page(inside, nets, tmp_path: Path, capsys) -> None:
    for line in ("signal {mlp} --limit 10", "fit step --hidden 3 --epochs 1"):
        assert main([*words_of(line, nets, tmp_path), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "mlp: signal through 2 layers" in page
    assert "step by 1-3-1" in page


def test_training_resumes_from_where_it_was_and_explain_reads_it(inside, nets, tmp_path: Path, capsys) -> None:
    words = words_of("train {cnn} --limit 50 --quiet --backend torch --out {tmp}/run", nets, tmp_path)
    assert main([*words, "--epochs", "1"]) == 0
    assert main([*words, "--epochs", "2"]) == 2
    assert "run holds checkpoints of an earlier run. Add --resume to go on" in capsys.readouterr().err
    assert main([*words, "--epochs", "2", "--resume"]) == 0
    assert len(load(tmp_path / "run" / "train.json").data["losses"]["torch"]) == 2
    line = "explain {cnn} --limit 50 --backend torch --weights {tmp}/run --trained-by each --method saliency --quiet"
    assert main(words_of(line, nets, tmp_path)) == 0
    assert "each its own training" in capsys.readouterr().out


WRONG = {
    "init name": ("init {mlp} --initializers xavier", "There is no initializer 'xavier'. Did you mean"),
    "init none": ("init {mlp} --initializers ,", "initializers must be names between commas, at least one."),
    "start name": ("init {mlp} --train --initializers normal:x", "Expected normal:STD or uniform:BOUND"),
    "signal name": ("signal {mlp} --activation reelu", "There is no activation 'reelu'. Did you mean 'relu'?"),
    "signal one": ("signal {cnn}", "cnn: signals are followed through activations, and it has 1. Give it two or more."),
    "signal depth": ("signal {cnn} --depth 3", "cnn: --depth repeats like pairs"),
    "clip rate": ("clip {mlp} --learning-rate 0.1,x", "learning rates must be numbers between commas. Received: 'x'"),
    "clip none": ("clip {mlp} --learning-rate ,", "learning rates must be numbers between commas, at least one."),
    "clip norm": ("clip {mlp} --clip-norm 0", "limit must be"),
    "clip sign": ("clip {mlp} --learning-rate=-1", "learning_rate must be"),
    "train both": ("train {mlp} --clip-norm 1 --clip-value 1", "Give --clip-norm or --clip-value, not both"),
    "train augment": ("train {mlp} --augment flop", "There is no augmentation 'flop'. Did you mean 'flip'?"),
    "train logs": (
        "train {mlp} --tensorboard {tmp}/file/logs",
        "file/logs: the logs cannot be written: Not a directory.",
    ),
    "distill method": (
        "distill {mlp} {student} --method feature",
        "The method must be one of response, hints. Received",
    ),
    "distill side": (
        "distill {mlp} {student} --teacher-backend jax",
        "The teacher's backend must be one of torch, keras.",
    ),
    "distill hint": (
        "distill {mlp} {student} --method hints --hint tob",
        "there is no layer 'tob'. Did you mean 'top'?",
    ),
    "explain method": ("explain {cnn} --method cams", "There is no method 'cams'. Did you mean 'cam'?"),
    "explain none": ("explain {cnn} --method ,", "methods must be names between commas, at least one."),
    "explain sample": ("explain {cnn} --sample 50 --limit 50 --quiet", "Samples must be from 0 to 49. Received: 50"),
    "explain range": (
        "explain {cnn} --sample 9..1",
        "Samples must be numbers between commas, or a range such as 0..9.",
    ),
    "explain by": (
        "explain {cnn} --trained-by jax --limit 50 --quiet",
        "Weights can be those of torch, keras, or of each.",
    ),
    "explain weights": (
        "explain {cnn} --weights {tmp}/no --quiet",
        "Expected a safetensors file at {tmp}/no. Received: no",
    ),
    "predict sample": ("predict {cnn} --sample -1 --limit 50 --quiet", "Samples must be from 0 to 49. Received: -1"),
    "predict heat": ("predict {cnn} --temperature 0", "The temperature must be above 0. Received: 0"),
    "fit curve": ("fit sinus", "There is no curve 'sinus'. Did you mean 'sine'?"),
    "fit hidden": ("fit sine --hidden 8x8", "hidden must be whole numbers between commas. Received: '8x8'"),
    "fit dropout": ("fit sine --dropout 2", "rate must be"),
    "blocks topic": ("blocks shape", "There is no topic 'shape'. Did you mean 'shapes'?"),
    "backend": ("blocks --backend jax", "--backend must be both or one of torch, keras. Received: 'jax'"),
    "dtype": ("fit --dtype float8 --quiet", "dtype must be one of float32, float64, bfloat16, float16, mixed_"),
    "trains": ("fit --dtype float16 --quiet", "float16 alone trains nothing: its smallest number is 6e-8"),
    "device": ("signal {mlp} --device tpu --quiet", "device must be cpu, gpu or cuda:N. Received: 'tpu'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_exits_2_with_one_line_and_leaves_nothing(
    case: str, inside: Any, nets: dict[str, str], tmp_path: Path, capsys
) -> None:
    (tmp_path / "file").touch()
    line, message = WRONG[case]
    words = [*words_of(line, nets, tmp_path), "--out", str(tmp_path / "out"), "--json", str(tmp_path / "r.json")]
    assert main(words) == 2
    shown = capsys.readouterr()
    (line,) = shown.err.splitlines()
    assert line.startswith("dualnet: ")
    assert message.format(tmp=tmp_path) in line
    assert shown.out == ""
    assert list((tmp_path / "out").iterdir()) == []
    assert not (tmp_path / "r.json").exists()


@pytest.mark.slow
def test_experiments_run_in_workers_as_a_user_starts_them(tmp_path: Path) -> None:
    """End to end: both frameworks in processes of their own."""
    command = [sys.executable, "-m", "dualnet", "fit", "sine", "--hidden", "4", "--epochs", "1", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0
    assert done.stderr.startswith("sine by 1-4-1, 20 steps; about 10 seconds\n")
    assert "Traceback" not in done.stderr
    assert load(tmp_path / "fit.json").environment["keras"]["version"]
