"""The command line: what each verb prints and writes, how it ends, and a table of every word it knows."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import webbrowser
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dualnet import specs as S
from dualnet import store
from dualnet.backends import Backend
from dualnet.cli import climbing, common, early, experimenting, main, verbs
from dualnet.cli.parser import parser
from dualnet.errors import UnsupportedError
from dualnet.report.exhibits import Lines
from dualnet.report.result import load as load_result
from dualnet.run.hosts import Here
from dualnet.specs import text, zoo
from tests import gallery
from tests.benches import Inside

COMMON = "--json --seed --device --dtype --threads --torch-python --keras-python --quiet --help"
# Every word of the command line. A new one is a decision: write it here too.
WORDS = {
    "parity": "spec --against --stages --steps --seeds --epochs --limit --out",
    "port": "model --input --to --out --kwargs --weights --partial --force --no-check",
    "check": "left right --input --kwargs-left --kwargs-right --weights-from --table --save-table --matching --stages "
    "--out",
    "record": "model --out --input --from --kwargs --weights --table --as-is",
    "emit": "spec --to --out",
    "train": "spec --backend --epochs --batch-size --learning-rate --clip-norm --clip-value --augment --tensorboard "
    "--explain-speed --workers --limit --out --resume",
    "sweep": "what specs --seeds --workers --out --executor --shard --stages --epochs --batch-size --learning-rate "
    "--limit --resume",
    "bench": "subjects --what --batch --recipes --backend --processes --seconds --tight --samples --input "
    "--kwargs-left --kwargs-right --weights-from --table --unchecked --compare --anyway --out",
    "distill": "teacher student --backend --method --temperature --alpha --reduction --seeds --teacher-backend --hint "
    "--guide --hint-epochs --epochs --sample --limit --out --resume",
    "init": "spec --backend --initializers --seeds --train --epochs --limit --out",
    "signal": "spec --backend --activation --depth --limit --out",
    "clip": "spec --backend --learning-rate --clip-norm --clip-value --steps --activation --initializer --depth --out",
    "explain": "spec --backend --sample --weights --trained-by --epochs --limit --method --label --out",
    "predict": "spec --backend --sample --weights --trained-by --epochs --limit --temperature --out",
    "fit": "curve --backend --hidden --activation --dropout --epochs --learning-rate --out",
    "blocks": "topic --backend --epochs --limit --out",
    "show": "spec --backend --text --out",
    "list": "",
    "doctor": "",
    "demo": "--limit",
    "report": "run_dir --open --out",
}
DIGITS = S.Data(set="digits")
SMALL = S.Spec(
    "small",
    S.Sequential(S.Flatten(name="flat"), S.Linear(12, name="hidden"), S.LeakyReLU(0.1, name="leaky"), S.Linear(10)),
    (1, 28, 28),
    data=DIGITS,
    training=S.Training(optimizer=S.Adam(0.01), batch_size=64, epochs=2),
)


@pytest.fixture
def inside(both: tuple[Backend, Backend], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "Workers", lambda pythons, threads: Inside())
    monkeypatch.setattr(early, "orders", lambda arguments: [])


@pytest.fixture
def small(tmp_path: Path) -> str:
    return written(tmp_path, SMALL)


def written(folder: Path, spec: S.Spec) -> str:
    path = folder / f"{spec.name}.toml"
    path.write_text(text.dumps(spec))
    return str(path)


def read(path: Path) -> Any:
    def refuse(word: str) -> None:
        msg = f"{word} is no JSON"
        raise ValueError(msg)

    return json.loads(path.read_text(), parse_constant=refuse)


def test_the_words_are_these_and_no_others() -> None:
    (choices,) = [a.choices for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    found = {}
    for verb, own in choices.items():
        words = [max(action.option_strings, key=len, default=action.dest) for action in own._actions]
        found[verb] = set(words) - set(COMMON.split())
        assert set(COMMON.split()) <= set(words), verb
        assert all(action.help for action in own._actions), verb
    assert found == {verb: set(words.split()) for verb, words in WORDS.items()}


def test_train_prints_epochs_and_writes_a_result_with_a_page(inside, small: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    words = ["--limit", "150", "--seed", "3", "--json", str(tmp_path / "new" / "t.json"), "--out", str(out)]
    assert main(["train", small, *words]) == 0
    found = read(tmp_path / "new" / "t.json")
    assert (found["settings"]["spec"], found["settings"]["seed"]) == ("small", 3)
    assert found["source"].startswith("scikit-learn's handwritten digits")
    assert list(found["data"]["history"]) == list(found["data"]["losses"]) == ["torch", "keras"]
    for side, history in found["data"]["history"].items():
        assert [epoch["epoch"] for epoch in history] == [1, 2]
        assert len(found["data"]["losses"][side]) == 6
        assert found["environment"][side]["version"]
        for epoch in history:
            assert epoch["loss"] > 0
            assert 0 <= epoch["train_accuracy"] <= 1
            assert 0 <= epoch["test_accuracy"] <= 1
    assert read(out / "train.json") == found
    files = ["keras.safetensors", "report.html", "torch.safetensors", "train.json", "train.png"]
    assert sorted(path.name for path in out.iterdir()) == files
    assert "Confusion matrix, keras" in (out / "report.html").read_text()
    shown = capsys.readouterr()
    assert found["source"] in shown.out
    assert "largest gap between the backends' training accuracies: 0.0" in shown.out
    assert shown.out.splitlines()[-1] == f"written: {out}/train.json, train.png, report.html"
    assert shown.err.startswith("small: 6 steps on each backend; about 10 seconds\n")
    assert "of 6 steps" in shown.err


def test_train_takes_the_command_lines_settings(inside, small: str, tmp_path: Path, capsys) -> None:
    words = ["--backend", "torch", "--epochs", "3", "--batch-size", "50", "--learning-rate", "1e30", "--quiet"]
    assert main(["train", small, *words, "--limit", "100", "--json", str(tmp_path / "t.json")]) == 0
    history = read(tmp_path / "t.json")["data"]["history"]  # and a loss that is no number any more is still JSON
    assert list(history) == ["torch"]
    assert [epoch["epoch"] for epoch in history["torch"]] == [1, 2, 3]
    assert history["torch"][-1]["loss"] == "nan" or history["torch"][-1]["loss"] > 1e20
    shown = capsys.readouterr()
    assert "learning_rate=1e+30" in shown.out
    assert "largest gap" not in shown.out  # one side has none
    assert shown.err == ""


def test_distill_prints_roles_and_soft_targets(inside, tmp_path: Path, capsys) -> None:
    teacher, student = (written(tmp_path, text.with_fields(SMALL, name=name)) for name in ("large", "tiny"))
    words = ["--limit", "150", "--epochs", "1", "--temperature", "4", "--alpha", "0.3", "--sample", "7", "--quiet"]
    assert main(["distill", teacher, student, *words, "--json", str(tmp_path / "d.json")]) == 0
    found = read(tmp_path / "d.json")["data"]
    roles = ["student alone", "response, T=4, alpha=0.3"]
    assert {name: list(side["test_accuracy"]) for name, side in found.items()} == {"torch": roles, "keras": roles}
    for side in found.values():
        assert 0 <= side["teacher"] <= 1
        assert all(0 <= score <= 1 for scores in side["test_accuracy"].values() for score in scores)
    shown = capsys.readouterr().out
    assert "large into tiny: response, 1 seeds" in shown
    assert "What the teacher says of test example 7" in shown
    assert "torch T=4" in shown
    assert shown.count("<- label") == 1


def test_show_prints_the_live_models(inside, tmp_path: Path, capsys) -> None:
    assert main(["show", "fashion_mlp", "--json", str(tmp_path / "s.json")]) == 0
    shown = capsys.readouterr().out
    assert [line.split()[:2] for line in shown.splitlines() if "101,770" in line] == [
        ["torch", "101,770"],
        ["keras", "101,770"],
    ]
    layers = read(tmp_path / "s.json")["data"]["layers"]
    assert [each["path"] for each in layers["keras"]] == ["flatten", "hidden", "relu", "logits"]
    assert [each["multiply_adds"] for each in layers["torch"]] == [0, 784 * 128, 0, 128 * 10]


def test_show_text_prints_the_spec_and_loads_no_framework() -> None:
    page = "import sys; from dualnet.cli import main; main(['show', 'fashion_cnn', '--text']); "
    page += "sys.exit(str({'torch', 'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", page], capture_output=True, text=True, timeout=60, check=False)
    assert text.loads(done.stdout) == zoo.load("fashion_cnn")
    assert done.stderr == "set()\n"


def test_list_names_the_zoo(tmp_path: Path, capsys) -> None:
    assert main(["list", "--json", str(tmp_path / "l.json")]) == 0
    found = read(tmp_path / "l.json")
    assert list(found) == zoo.names()
    assert found["fashion_mlp"] == {"parameters": 101770, "about": zoo.load("fashion_mlp").about}
    shown = capsys.readouterr().out
    assert all(name in shown for name in zoo.names())
    assert "101,770" in shown


def test_doctor_tells_versions_and_places(inside, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("DUALNET_DATA", str(tmp_path / "nowhere"))
    assert main(["doctor", "--json", str(tmp_path / "d.json")]) == 0
    found = read(tmp_path / "d.json")
    assert set(found["backends"]) == {"torch", "keras"}
    assert all(each["version"] and each["devices"] and each["threads"] for each in found["backends"].values())
    assert found["data"]["digits"].endswith("(embedded in dualnet)")
    assert "Received: no such folder" in found["data"]["mnist"]
    assert found["backends"]["torch"]["version"] in capsys.readouterr().out


def test_doctor_tells_of_a_framework_that_is_missing(inside, capsys, monkeypatch) -> None:
    def missing(host: Here, name: str) -> None:
        msg = f"The backend {name!r} needs the package 'xyz'."
        raise UnsupportedError(msg)

    monkeypatch.setattr(Inside, "facts", missing, raising=False)
    assert main(["doctor"]) == 0
    assert "The backend 'keras' needs the package 'xyz'." in capsys.readouterr().out


def test_a_pair_that_agrees_exits_0(tmp_path: Path) -> None:
    """End to end: both workers, as a user starts them."""
    words = ["-m", "dualnet", "parity", "fashion_mlp", "--stages", "structure,forward", "--json"]
    command = [sys.executable, *words, str(tmp_path / "p.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = read(tmp_path / "p.json")
    assert found["verdict"] in ("equal", "rounding")
    checked = {stage["name"]: stage["verdict"] for stage in found["stages"] if stage["verdict"] != "not checked"}
    assert set(checked) == {"structure", "forward"}
    assert set(checked.values()) <= {"equal", "rounding"}
    assert found["not_checked"]["gradients"] == "not asked for"
    assert done.stdout.splitlines()[-1].startswith(f"verdict: {found['verdict']}")


def test_a_pair_that_does_not_exits_1_and_names_the_layer(inside, small: str, tmp_path: Path, capsys) -> None:
    layers = S.Sequential(
        S.Flatten(name="flat"), S.Linear(12, name="hidden"), S.LeakyReLU(0.3, name="leaky"), S.Linear(10)
    )
    other = written(tmp_path, text.with_fields(SMALL, name="other", model=layers))
    words = ["--against", other, "--stages", "forward", "--json", str(tmp_path / "p.json")]
    assert main(["parity", small, *words]) == 1
    found = read(tmp_path / "p.json")
    assert found["verdict"] == "divergent"
    (stage,) = [stage for stage in found["stages"] if stage["name"] == "forward"]
    assert stage["where"].startswith("leaky")
    assert "verdict: divergent" in capsys.readouterr().out


def test_parity_writes_its_result_and_page(inside, small: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    words = ["--stages", "structure,forward,gradients,training", "--limit", "150", "--quiet", "--out", str(out)]
    assert main(["parity", small, *words]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["parity.json", "report.html"]
    found = load_result(out / "parity.json")
    assert found.verdict in ("equal", "rounding")
    assert found.environment["torch"]["version"]
    assert found.environment["keras"]["version"]
    titles = [each.title for each in found.exhibits]
    assert titles[:2] == ["Stages", "Outputs, layer by layer"]
    assert {"Gradients, layer by layer", "Gradients of parameters", "Training loss", "Accuracy"} <= set(titles)
    losses = next(each for each in found.exhibits if each.title == "Training loss")
    assert isinstance(losses, Lines)
    assert [(each.name, len(each.y), each.dashed) for each in losses.series] == [
        ("torch", 6, False),
        ("keras", 6, True),
    ]
    assert "Training loss" in (out / "report.html").read_text()
    assert capsys.readouterr().out.splitlines()[-1] == f"written: {out}/parity.json, report.html"


def test_report_makes_one_page_of_a_run(tmp_path: Path, capsys, monkeypatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: not opened.append(address))
    for result in (gallery.weights(), gallery.sweep(), replace(gallery.layers(), name="parity")):
        result.save(tmp_path / "run" / result.name / "found.json")
    (tmp_path / "run" / "history.json").write_text('{"spec": "dualnet_result"}')
    (tmp_path / "run" / "broken.json").write_text("{")  # no result, and none that was cut off
    run, page = str(tmp_path / "run"), tmp_path / "run" / "report.html"
    assert main(["report", run, "--open"]) == 0
    text = page.read_text()
    heads = [text.index(f'<h2 id="r{at}-title">{title}') for at, title in enumerate(TITLES, 1)]
    assert heads == sorted(heads)
    size = f"{page.stat().st_size / 1000:,.0f} kB"
    assert capsys.readouterr().out == f"written: {page} ({size}, 3 results)\n"
    assert opened == [page.as_uri()]
    words = ["--out", str(tmp_path / "new" / "other.html"), "--json", str(tmp_path / "r.json")]
    assert main(["report", str(tmp_path / "run" / "sweep"), *words]) == 0
    assert "Loss by learning rate" in (tmp_path / "new" / "other.html").read_text()
    assert read(tmp_path / "r.json")["results"] == ["Learning rates"]
    assert capsys.readouterr().out.endswith(", 1 result)\n")
    assert len(opened) == 1


TITLES = ("Layer by layer in a deep net", "Learning rates", "Weights at the start")


def test_report_loads_no_framework(tmp_path: Path) -> None:
    gallery.sweep().save(tmp_path / "sweep.json")
    page = f"import sys; from dualnet.cli import main; code = main(['report', {str(tmp_path)!r}]); "
    page += "sys.exit(str((code, {'torch', 'tensorflow', 'keras', 'matplotlib'} & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-c", page], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == "(0, set())\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"dualnet_result": 1, "name": "x"', "found.json: this is no JSON: Expecting ',' delimiter"),
        ('{"dualnet_result": 2}', 'found.json: this is no result of dualnet: it does not say "dualnet_result": 1.'),
        ('{"dualnet_result": 1, "name": "x"}', "found.json: missing 1 required positional argument: 'title'."),
        ('{"dualnet_result": 1, "name": 3}', "found.json: name must be str. Received: 3"),
        (
            '{"dualnet_result": 1, "name": "x", "title": "x", "exhibits": [{"kind": "Line"}]}',
            "found.json: exhibit 0: expected an exhibit",
        ),
        ("[" * 100_000 + '"dualnet_result"', "found.json: this is no JSON"),
        (None, "there is no result in it. Commands write theirs with --out"),
    ],
)
def test_report_of_a_corrupt_run_leaves_the_old_page(content: str | None, message: str, tmp_path: Path, capsys) -> None:
    page = tmp_path / "report.html"
    page.write_text("old")
    if content is not None:
        gallery.sweep().save(tmp_path / "a" / "good.json")
        (tmp_path / "found.json").write_text(content)
    assert main(["report", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("dualnet: ")
    assert message in line
    assert page.read_text() == "old"
    assert not list(tmp_path.glob(".*"))


WRONG = {
    "no run": ("report {tmp}/nowhere", "nowhere: expected a folder of results. Received: no such folder."),
    "a file for a run": ("report {tmp}/file", "file: expected a folder of results. Received: a file."),
    "page": ("report {run} --out {tmp}/file/page.html", "page.html: the page cannot be written: "),
    "page is a folder": ("report {run} --out {tmp}", "the page cannot be written: Is a directory."),
    "no spec": ("show fashion_mpl --text", "There is no spec 'fashion_mpl' in the zoo. Did you mean 'fashion_mlp'?"),
    "no file": ("show {tmp}/none.toml --text", "none.toml: the spec cannot be read: No such file or directory."),
    "no TOML": ("parity {tmp}/broken.toml", "broken.toml: this is not TOML"),
    "no field": ("train {tmp}/field.toml", "field.toml: a spec has no field 'lairs'. Did you mean 'layers'?"),
    "stage": ("parity {small} --stages forwards", "There is no stage 'forwards'. Did you mean 'forward'?"),
    "backend": ("train {small} --backend jax", "--backend must be both or one of torch, keras. Received: 'jax'"),
    "dtype": ("show {small} --dtype float8", "dtype must be one of float32, float64, bfloat16, float16, mixed_"),
    "device": ("show {small} --device tpu", "device must be cpu, gpu or cuda:N. Received: 'tpu'"),
    "rate": ("train {small} --learning-rate -1", "learning_rate must be"),
    "resume": ("train {small} --resume", "--resume needs --out, the folder of the checkpoints."),
    "json": ("list --json {tmp}/file/x.json", "file: nothing can be written there: "),
    "folder": ("list --json {tmp}", "--json must name a file. Received the folder "),
    "out": ("train {small} --out {tmp}/file/out", "out: nothing can be written there: Not a directory."),
    "temperature": ("distill {small} {small} --temperature 0", "temperature must be a finite number above 0."),
    "alpha": ("distill {small} {small} --alpha 2", "alpha must be"),
    "sample": ("distill {small} {small} --sample 360 --quiet", "The sample must be from 0 to 359. Received: 360"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_exits_2_with_one_line(case: str, inside, small: str, tmp_path: Path, capsys) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "broken.toml").write_text("name = \n")
    (tmp_path / "field.toml").write_text('name = "x"\nlairs = []\n')
    gallery.sweep().save(tmp_path / "run" / "sweep.json")
    words, message = WRONG[case]
    assert main(words.format(tmp=tmp_path, small=small, run=tmp_path / "run").split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("dualnet: ")
    assert message in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train fashion_mlp --epochs -1", "argument --epochs: expected a number of at least 1, received -1"),
        ("train fashion_mlp --epochs ten", "argument --epochs: expected a number of at least 1, received ten"),
        ("list --threads 0", "argument --threads: expected a number of at least 1, received 0"),
        ("list --sead 1", "unrecognized arguments: --sead 1"),
        ("lost", "invalid choice: 'lost'"),
    ],
)
def test_words_that_are_none_exit_2(words: str, message: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert ended.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_an_error_of_a_worker_exits_2(capsys) -> None:
    assert main(["show", "fashion_mlp", "--backend", "torch", "--torch-python", "/nowhere/python"]) == 2
    expected = "dualnet: torch: its Python '/nowhere/python' cannot be started: No such file or directory.\n"
    assert capsys.readouterr().err == expected


def test_no_words_show_the_help(capsys) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in WORDS)


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dualnet", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stderr
    process.stdout.close()
    assert (process.stderr.read(), process.wait(60)) == ("", 141)
    process.stderr.close()


def test_demo_runs_the_verbs_with_its_own_options(monkeypatch, capsys, tmp_path: Path) -> None:
    ran: list[Namespace] = []

    def remember(arguments: Namespace) -> int:
        ran.append(arguments)
        return int(arguments.run == "experimenting:train")

    for page, verb in ((verbs, "doctor"), (verbs, "show"), (climbing, "parity")):
        monkeypatch.setattr(page, verb, remember)
    for verb in ("train", "distill"):
        monkeypatch.setattr(experimenting, verb, remember)
    words = ["--limit", "9", "--seed", "4", "--dtype", "float64", "--threads", "2", "--keras-python", "p", "--quiet"]
    assert main(["demo", *words, "--json", str(tmp_path / "demo.json")]) == 1  # and stops at the first that fails
    assert [arguments.run for arguments in ran] == [
        "verbs:doctor",
        "verbs:show",
        "climbing:parity",
        "experimenting:train",
    ]
    assert all((a.seed, a.dtype, a.threads, a.keras_python, a.quiet) == (4, "float64", 2, "p", True) for a in ran)
    assert [a.limit for a in ran[2:]] == [9, 9]
    assert [a.json.name for a in ran[2:]] == ["demo_parity.json", "demo_train.json"]
    assert "$ dualnet train fashion_mlp --limit 9" in capsys.readouterr().out


def test_ctrl_c_ends_all_and_leaves_whole_files(small: str, tmp_path: Path) -> None:
    """End to end: an interrupt from the keyboard, which reaches the workers too."""
    out = tmp_path / "out"
    words = [
        "train",
        small,
        "--limit",
        "100",
        "--epochs",
        "100000",
        "--out",
        str(out),
        "--json",
        str(tmp_path / "t.json"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "dualnet", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a process group of its own, as a shell gives it
    )
    assert process.stderr
    checkpoints = [out / "keras.safetensors", out / "torch.safetensors"]
    end = time.monotonic() + 120
    while not all(path.exists() for path in checkpoints) and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    said = process.stderr.read()  # to its end: every process that could write there is gone
    process.stderr.close()
    assert process.wait(30) == 130
    assert said.splitlines()[-1] == "dualnet: interrupted; go on with --resume"
    assert "Traceback" not in said
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert sorted(out.iterdir()) == checkpoints
    assert not (tmp_path / "t.json").exists()
    for path in checkpoints:
        assert len(json.loads(store.load(path)[1]["history"])) >= 1
