"""`dualnet bench` on stand-ins for the frameworks, whose speeds are known: what it times, concludes and leaves."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dualnet import specs as S
from dualnet.bench import gate, plan
from dualnet.bench.data import job_of
from dualnet.bench.gatekeeper import opened
from dualnet.bench.job import Job
from dualnet.bench.ratios import held
from dualnet.bench.record import NAME, Record
from dualnet.bench.timing import Row, Timings
from dualnet.cli import main
from dualnet.report.result import Result, load
from tests.benches import whole

# Seconds of a sample, by recipe; each process is off by a factor of its own, each chunk by another.
FAKE = """#!{python}
import os, random, sys, time
from pathlib import Path
from dualnet.bench import worker

SPEEDS = {speeds!r}
FOLDER = Path({folder!r})

class Fake(worker.Clock):
    def begin(self, threads):
        self.draw = random.Random(os.getpid())
        self.own = 1 + 0.02 * self.draw.random()
        return {{"facts": {{"version": "0", "threads": threads}}, "seconds": 1.0, "memory": 10 << 20}}
    def take(self, job):
        self.samples = next(iter(job["inputs"].values())).shape
        with (FOLDER / "pids").open("a+") as file:
            file.seek(0)
            self.others = sum(Path(f"/proc/{{pid}}").exists() for pid in file.read().split())
            file.write(f"{{os.getpid()}}\\n")
    def start(self, what, name, batch, warm):
        if SPEEDS.get(name) is None:
            return {{"refused": "the stand-in has none"}}
        if name == "dualnet" and SPEEDS.get("dies") and batch == 4:
            sys.exit("the framework gave up")
        if not warm or what == "train":
            (FOLDER / "others").write_text(str(self.others))
        return {{"made": 0.1, "first": 0.2, "since": 2.0 * self.own, "memory made": 20 << 20, "memory": 30 << 20,
                "device memory": None, "format": "contiguous", "calls": 1}}
    def chunk(self, key, seconds):
        what, name, batch = key.split("/")
        with (FOLDER / "chunks").open("a") as file:
            file.write(f"{{self.name}} {{os.getpid()}} {{key}}\\n")
        time.sleep({pause})
        wall = SPEEDS[name] * self.own * (1 + 0.01 * self.draw.random())
        return {{"wall": wall, "cpu": wall, "call": wall, "p95": wall, "calls": 1}}
    def stop(self, key):
        pass

worker.Clock = Fake
sys.argv = ["worker", *sys.argv[3:]]
worker.main()
"""
TORCH = {"model(x)": 4e-4, "inference_mode": 2e-4, "dualnet": 2e-4}
KERAS = {"model.predict": 1e-1, "tf.function": 4e-4, "dualnet": None}
SPEC = """dualnet = 1
name = "tiny"
inputs = {input = [4]}
layers = [{name = "head", op = "Linear", features = 3}]
"""


SMALL = S.Spec("tiny", S.Sequential(S.Linear(3, name="head")), (4,), training=S.Training(batch_size=7))


def script(folder: Path, name: str, speeds: dict[str, Any], pause: float = 0.0) -> str:
    path = folder / name
    path.write_text(FAKE.format(python=sys.executable, speeds=speeds, folder=str(folder), pause=pause))
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    return words_in(tmp_path)


def words_in(tmp_path: Path) -> list[str]:
    """Return a command on both stand-ins that takes seconds."""
    (tmp_path / "tiny.toml").write_text(SPEC)
    pythons = ["--torch-python", script(tmp_path, "torch", TORCH), "--keras-python", script(tmp_path, "keras", KERAS)]
    how = ["--what", "infer", "--batch", "2", "--processes", "2", "--unchecked", "--samples", "8", "--quiet"]
    return ["bench", str(tmp_path / "tiny.toml"), *pythons, *how]


def changed(words: list[str], **options: str) -> list[str]:
    found = list(words)
    for name, value in options.items():
        word = f"--{name.replace('_', '-')}"
        if word in found:
            found[found.index(word) + 1] = value
        else:
            found += [word, value]
    return found


def verdicts(path: Path) -> dict[tuple[str, str], str]:
    return {(each["left"], each["right"]): each["verdict"] for each in load(path).data["ratios"]}


def alive(tmp_path: Path) -> list[int]:
    found = []
    for line in (tmp_path / "pids").read_text().split():
        try:
            os.kill(int(line), 0)
        except ProcessLookupError:
            continue
        found.append(int(line))
    return found


def test_a_run_finds_the_speeds_and_writes_all_of_it(words, tmp_path: Path, capsys) -> None:
    words = changed(words, out=str(tmp_path / "out"), json=str(tmp_path / "found.json"), processes="3")
    assert main(words) == 0
    out = capsys.readouterr().out
    found = verdicts(tmp_path / "out" / "bench.json")
    assert found["torch: inference_mode", "torch: model(x)"] == "faster"
    assert found["torch: dualnet", "torch: inference_mode"] == "no difference"  # the same against itself
    assert found["torch: model(x)", "keras: model.predict"] == "faster"
    assert "NOT CHECKED for parity" in out
    assert "left out: tiny: keras: dualnet: the stand-in has none (infer)" in out
    assert "[contiguous]" in out
    assert "1 threads each" in out
    assert "load average" in out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"bench.json", "bench.png", "report.html"}
    assert json.loads((tmp_path / "found.json").read_text())["name"] == "bench"
    result = load(tmp_path / "out" / "bench.json")
    whole(result)
    ratio = next(each for each in result.data["ratios"] if each["right"] == "torch: model(x)")
    assert 1.9 < ratio["low"] < ratio["ratio"] < ratio["high"] < 2.1
    assert alive(tmp_path) == []
    alternates((tmp_path / "chunks").read_text().splitlines(), 3 * 3 + 3 * 2)  # processes by recipes, one refused


def alternates(chunks: list[str], turns: int) -> None:
    """Hold chunks to their promise: all processes and recipes in turn, in another order each round."""
    rounds = [chunks[at : at + turns] for at in range(0, len(chunks), turns)]
    assert len(rounds) >= 5
    assert all(sorted(each) == sorted(rounds[0]) and len(set(each)) == turns for each in rounds)
    assert len({tuple(each) for each in rounds}) == len(rounds)
    assert len({line.split()[1] for line in chunks}) == 6


def test_starts_are_fresh_processes_for_each_recipe(words, tmp_path: Path, capsys) -> None:
    speeds = {"TensorDataset + DataLoader": 1, "resident, fused": 1, "dualnet": 1}
    torch = script(tmp_path, "torch", speeds)
    assert main(changed(words, what="first-step,memory", backend="torch", torch_python=torch)) == 0
    assert len(set((tmp_path / "pids").read_text().split())) == 3 * 2
    out = capsys.readouterr().out
    assert "time to first step" in out
    assert "peak memory" in out
    assert (tmp_path / "others").read_text() == "0"  # one at a time
    assert alive(tmp_path) == []


def test_a_worker_that_dies_ends_the_run_and_the_next_goes_on(words, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    dying = script(tmp_path, "dying", TORCH | {"dies": 1})
    words = changed(words, batch="2,4", out=str(out), backend="torch")
    python = words[words.index("--torch-python") + 1]
    assert main(changed(words, torch_python=dying)) == 2
    err = capsys.readouterr().err
    (line,) = err.splitlines()
    assert line.startswith("dualnet: torch: its worker went away")
    assert alive(tmp_path) == []
    assert [path.name for path in out.iterdir()] == [NAME]
    (tmp_path / "chunks").unlink()
    assert main(changed(words, torch_python=python)) == 0
    assert {line.split("/")[-1] for line in (tmp_path / "chunks").read_text().splitlines()} == {"4"}
    assert not (out / NAME).exists()
    assert [each["batch"] for each in load(out / "bench.json").data["timings"]] == [2, 4]


def test_a_record_of_other_words_is_refused(words, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    words = changed(words, out=str(out))
    Record(out, {"of": "others"}).note("frameworks", {})
    assert main(words) == 2
    assert "the record of an unfinished run of other words" in capsys.readouterr().err
    (out / NAME).write_text("{")
    assert main(words) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_an_interrupt_leaves_no_worker_and_nothing_half_written(words, tmp_path: Path) -> None:
    slow = script(tmp_path, "slow", TORCH, pause=0.5)
    command = changed(words, torch_python=slow, out=str(tmp_path / "out"))
    command.remove("--quiet")
    process = subprocess.Popen(
        [sys.executable, "-m", "dualnet", *command], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until = time.monotonic() + 60
    while not (tmp_path / "chunks").exists() and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.rstrip().endswith("dualnet: interrupted")
    assert "the same words go on from them" in err
    assert "Traceback" not in err
    time.sleep(0.2)
    assert alive(tmp_path) == []
    assert [path.name for path in (tmp_path / "out").iterdir()] == [NAME]


def test_what_has_not_passed_parity_is_not_timed(words, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(gate, "spec_passed", lambda *_: gate.Passed("parity: divergent, first at stage step", False))
    words.remove("--unchecked")
    assert main(words) == 1
    out = capsys.readouterr().out
    assert "tiny: NOT TIMED" in out
    assert "first at stage step" in out
    assert not (tmp_path / "chunks").exists()


@pytest.fixture
def results(tmp_path: Path) -> tuple[Path, Path]:
    """Return the folders of two results: in the second, one recipe takes twice as long."""
    for name, factor in (("old", 1), ("new", 2)):
        draw = random.Random(name)
        seconds = {recipe: wall * (factor if recipe == "dualnet" else 1) for recipe, wall in TORCH.items()}
        rows = [
            Row("torch", "torch", recipe, [[wall * (1 + 0.02 * draw.random()) for _ in range(9)] for _ in range(5)])
            for recipe, wall in seconds.items()
        ]
        timings = Timings(plan.Cell("tiny", "infer", 2), rows, "tight", 1.0)
        data = {"timings": [timings.to_data()], "machine": {"cpus": 2}, "settings": {"threads": 1}}
        Result("bench", "a result", data=data).save(tmp_path / name / "bench.json")
    return tmp_path / "old", tmp_path / "new"


def test_compare_says_what_got_slower(results, tmp_path: Path, capsys) -> None:
    old, new = results
    capsys.readouterr()
    assert main(["bench", "--compare", str(old), str(new), "--out", str(tmp_path / "changes")]) == 1
    out = capsys.readouterr().out
    assert "1 slower, 0 faster, 2 no difference" in out
    assert "slower: tiny, infer, batch 2, torch: dualnet" in out
    assert (tmp_path / "changes" / "bench_changes.json").exists()
    whole(load(tmp_path / "changes" / "bench_changes.json"))
    assert main(["bench", "--compare", str(new / "bench.json"), str(old)]) == 0
    assert "0 slower, 1 faster" in capsys.readouterr().out
    assert main(["bench", "--compare", str(old), str(old)]) == 0
    assert "0 slower, 0 faster, 3 no difference" in capsys.readouterr().out


def test_compare_refuses_other_machines_unless_told(results, tmp_path: Path, capsys) -> None:
    old, new = results
    data = json.loads((new / "bench.json").read_text())
    data["data"]["machine"]["cpus"] += 1
    new = tmp_path / "new.json"
    new.write_text(json.dumps(data))
    capsys.readouterr()
    assert main(["bench", "--compare", str(old), str(new)]) == 2
    assert "cannot be compared: cpus" in capsys.readouterr().err
    assert main(["bench", "--compare", str(old), str(new), "--anyway"]) == 1
    assert "compared anyway: cpus" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "Name specs to time"),
        ("fashion_mlp --what trian", "Did you mean 'train'?"),
        ("fashion_mlp --what ,", "--what must name pieces of work"),
        ("fashion_mlp --batch 0", "--batch must be sizes of at least 1"),
        ("fashion_mlp --recipes residnt", "Did you mean 'resident'?"),
        ("fashion_mlp --recipes resident --what infer", "none of the recipes asked for"),
        ("fashion_mlp fashion_mlp", "is named twice"),
        ("fashion_mpl", "Did you mean 'fashion_mlp'?"),
        ("fashion_mlp --input 3", "--input is for live models"),
        ("a.py:b", "timed in pairs"),
        ("a.py:b fashion_mlp", "not beside a spec"),
        ("a.py:b c.py:d --backend torch", "--backend is for specs"),
        ("a.py:b c.py:d --quiet", "a.py: there is no such file"),
        ("--compare nowhere nothing", "nowhere: the result cannot be read"),
        ("fashion_mlp --compare a b", "times nothing"),
    ],
)
def test_bad_words_exit_2_with_one_line(line: str, told: str, capsys) -> None:
    assert main(["bench", *line.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("dualnet: ")
    assert captured.err.count("\n") == 1
    assert told in captured.err


@pytest.mark.parametrize("data", ['{"timings": 3}', '{"timings": [{"pair": "a"}]}', "{}"])
def test_compare_says_what_it_cannot_read(data: str, tmp_path: Path, capsys) -> None:
    path = tmp_path / "bench.json"
    path.write_text(f'{{"dualnet_result": 1, "name": "bench", "title": "t", "data": {data}}}')
    assert main(["bench", "--compare", str(path), str(path)]) == 2
    assert "its timings cannot be read" in capsys.readouterr().err


def coupled(*rows: tuple[str, str, str]) -> list[tuple[str, str]]:
    """Return who is held to whom, of rows (side, backend, recipe) of inference."""
    made = [Row(*row, [[1.0]]) for row in rows]
    return [(each.left, each.right) for each in held(Timings(plan.Cell("tiny", "infer", 2), made))]


def test_like_is_held_to_like_across_sides() -> None:
    across = coupled(("a", "torch", "model(x)"), ("a", "torch", "dualnet"), ("b", "keras", "model.predict"))
    assert across == [("a: dualnet", "a: model(x)"), ("a: model(x)", "b: model.predict")]
    same = coupled(("left", "keras", "model(x)"), ("left", "keras", "tf.function"), ("right", "keras", "tf.function"))
    assert same == [("left: tf.function", "left: model(x)"), ("left: tf.function", "right: tf.function")]


def test_batches_are_the_specs_own_unless_named() -> None:
    assert plan.batches("1, 32,1") == (1, 32)
    assert plan.whats("infer,train,infer") == ("infer", "train")
    pair = plan.Pair("tiny", tuple(plan.Side(name, name, Job(SMALL, {})) for name in ("torch", "keras")))

    def found(**how: Any) -> list[tuple[str, int]]:
        return [(cell.what, cell.batch) for cell in plan.cells(pair, plan.Settings(**how))]

    assert found() == [("train", 7), ("infer", 1), ("infer", 32), ("infer", 256)]
    assert found(whats=("train", "infer", "build"), batches=(3,)) == [("train", 3), ("infer", 3), ("build", 0)]
    assert found(whats=("first-step", "memory"), batches=(3,)) == [("first-step", 7), ("memory", 7)]


def test_data_are_the_specs_images_or_made_up_and_enough_for_every_batch() -> None:
    job, source = job_of(SMALL, plan.Settings(samples=5, batches=(9,)))
    assert job.count == len(job.targets) == len(job.labels) == 9
    assert job.images is None
    assert "made-up numbers" in source
    spec = S.Spec("image", S.Sequential(S.Flatten(), S.Linear(10)), (1, 9, 8), data=S.Data(normalise="standard"))
    job, source = job_of(spec, plan.Settings(samples=300, dtype="float64"))
    pixels = next(iter(job.inputs.values()))
    assert pixels.shape == job.images.shape == (300, 1, 9, 8)
    np.testing.assert_allclose((job.images / 255 - job.mean) / job.std, pixels, atol=1e-12)  # a rounding or two
    assert abs(pixels.mean()) < 1e-9
    assert pixels.dtype == np.float64
    assert "made-up numbers" in source  # no data set has images of that shape


@pytest.mark.parametrize(
    ("verdict", "where", "words"),
    [("rounding", "", "parity: rounding"), ("divergent", "loss", "parity: divergent, first at stage loss")],
)
def test_a_specs_gate_is_the_ladder_to_stage_step(verdict: str, where: str, words: str, monkeypatch) -> None:
    stages = [SimpleNamespace(name="forward", where=""), SimpleNamespace(name="loss", where=where)]
    report = SimpleNamespace(verdict=verdict, agrees=verdict == "rounding", stages=stages)
    seen: dict[str, Any] = {}
    monkeypatch.setattr(gate.api, "check", lambda spec, **how: seen.update(how) or report)
    passed = gate.spec_passed(SMALL, plan.Settings(seed=3), {})
    assert (passed.words, passed.agrees) == (words, verdict == "rounding")
    assert seen["stages"] == ("structure", "init", "forward", "loss", "gradients", "step")
    assert seen["seed"] == 3


LIVE = """import torch, keras
def right(active="relu"):
    layers = [keras.layers.Conv2D(4, 3, activation=active), keras.layers.GlobalAveragePooling2D()]
    return keras.Sequential([keras.Input((6, 6, 3)), *layers, keras.layers.Dense(2)])
def pooled():
    layers = [torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(4, 2))
"""


@pytest.mark.slow
def test_live_pairs_pass_the_gate_or_do_not(both, tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(LIVE)
    words = {"input": ["3x6x6"], "kwargs_left": "", "kwargs_right": "", "weights_from": "left", "table": {}}
    places = [f"{tmp_path}/nets.py:pooled", f"{tmp_path}/nets.py:right"]
    found = opened(places, words, True)
    assert found["agrees"]
    assert found["free"]
    assert found["backends"] == ["torch", "keras"]
    assert list(found["orders"]["0"]) == [0, 2, 3, 1]
    wrong = opened(places, words | {"kwargs_right": '{"active": "elu"}'}, True)
    assert (wrong["agrees"], wrong["verdict"], wrong["where"]) == (False, "divergent", "forward")


@pytest.mark.slow
def test_a_live_pair_is_timed_as_a_user_starts_it(tmp_path: Path, capsys) -> None:
    (tmp_path / "nets.py").write_text(LIVE)
    places = [f"{tmp_path}/nets.py:{name}" for name in ("pooled", "right")]
    how = ["--input", "3x6x6", "--batch", "2", "--processes", "2", "--seconds", "1", "--what", "train,infer,build"]
    assert main(["bench", *places, *how, "--quiet", "--out", str(tmp_path / "out")]) == 0
    assert "parity: " in capsys.readouterr().out
    result = load(tmp_path / "out" / "bench.json")
    rows = [(each["what"], row["side"], row["recipe"]) for each in result.data["timings"] for row in each["rows"]]
    assert ("infer", "left", "inference_mode") in rows
    assert ("train", "right", "train_on_batch") in rows
    assert ("build", "left", "live") in rows
    assert not [row for each in result.data["timings"] for row in each["rows"] if row["refused"]]


IMAGES = """dualnet = 1
name = "images"
inputs = {image = [1, 8, 8]}
layers = [
  {name = "conv", op = "Conv2d", channels = 4, kernel = 3},
  {name = "flatten", op = "Flatten"},
  {name = "logits", op = "Linear", features = 10},
]
"""


@pytest.mark.slow
def test_every_recipe_of_a_spec_runs_in_its_worker(tmp_path: Path) -> None:
    (tmp_path / "images.toml").write_text(IMAGES)
    how = ["--what", "train,infer,build", "--recipes", "all", "--batch", "4", "--samples", "40"]
    few = ["--processes", "1", "--seconds", "1", "--quiet", "--unchecked", "--out", str(tmp_path)]
    assert main(["bench", str(tmp_path / "images.toml"), *how, *few]) == 0
    result = load(tmp_path / "bench.json")
    whole(result)
    rows = [row for each in result.data["timings"] for row in each["rows"]]
    assert len(rows) > 25
    assert [row["recipe"] for row in rows if row["refused"]] == []
    assert all(seconds > 0 for row in rows for process in row["times"] for seconds in process)
