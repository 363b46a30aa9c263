"""Sweeps: ids are of content, records survive whatever ends a sweep, executors come to one page."""

import importlib.util
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dualnet import specs as S
from dualnet.cli import main
from dualnet.errors import DataError, SpecError, UnsupportedError
from dualnet.report.result import load
from dualnet.specs import text, zoo
from dualnet.sweep import cells as grid
from dualnet.sweep import local
from dualnet.sweep.calls import Outcome, outcome
from dualnet.sweep.local import Local
from dualnet.sweep.merged import merged
from dualnet.sweep.record import Record, finished, lines
from dualnet.sweep.run import clock, sweep

SPEC = zoo.load("fashion_mlp")


def busy(count: int, seconds: float = 0.0) -> list[grid.Cell]:
    return grid.cells("busy", [SPEC], range(count), ["float32"], {"busy": seconds}, {})


class Counted:
    """An executor in this process, which notes what it was given and may be told when to stop."""

    def __init__(self, stop: int = 1_000_000) -> None:
        self.seen: list[str] = []
        self.stop, self.closed = stop, False

    def __call__(self) -> "Counted":
        return self

    def results(self, cells: Iterable[str]) -> Iterator[tuple[str, Outcome]]:
        for cell in cells:
            if len(self.seen) == self.stop:
                raise KeyboardInterrupt
            self.seen.append(grid.identity(cell))
            yield cell, {"verdict": "equal", "numbers": {"gap": 0.5}, "says": [], "seconds": 1.0}

    def close(self) -> None:
        self.closed = True


def test_an_id_is_that_of_the_content_and_of_all_of_it() -> None:
    (cell,) = busy(1)
    turned = dict(reversed(cell.items()))
    assert grid.identity(turned) == grid.identity(cell) == grid.identity(json.loads(json.dumps(cell)))
    other = text.with_fields(SPEC, batch_size=7)
    changes: list[Any] = [{"seed": 1}, {"dtype": "float64"}, {"verb": "train"}, {"spec": text.to_data(other)}]
    ids = {grid.identity(cell | change) for change in [{}, *changes, {"options": {}}]}
    assert len(ids) == 6


def test_a_grid_is_every_combination_once() -> None:
    given = {"batch_size": [10, 20], "learning_rate": [0.1]}
    found = grid.cells("train", [SPEC, zoo.load("fashion_cnn"), SPEC], [0, 1, 2], ["float32"], {"limit": None}, given)
    assert len(found) == 2 * 2 * 3
    assert {(c["spec"]["name"], c["seed"], c["spec"]["training"]["batch_size"]) for c in found} == {
        (name, seed, size) for name in ("fashion_mlp", "fashion_cnn") for seed in range(3) for size in (10, 20)
    }
    assert found[0]["settings"] == {"batch_size": 10, "learning_rate": 0.1}
    assert found[0]["options"] == {}
    assert text.from_data(found[0]["spec"]).training.optimizer.learning_rate == 0.1


@pytest.mark.parametrize(("words", "seeds"), [("3", [3]), ("0-2,7, 1", [0, 1, 2, 7]), ("5-5", [5])])
def test_seeds_are_numbers_and_ranges(words: str, seeds: list[int]) -> None:
    assert grid.numbers(words) == seeds


@pytest.mark.parametrize("words", ["", "a", "3-1", "1-", "-1", "0..4"])
def test_other_seeds_are_refused(words: str) -> None:
    with pytest.raises(SpecError, match=r"Seeds are numbers and ranges, such as 0-9,20. Received: "):
        grid.numbers(words)


def test_shards_share_out_all_cells_whatever_their_order() -> None:
    whole = busy(11)
    mixed = random.Random(0).sample(whole, len(whole))
    parts = [{grid.identity(cell) for cell in grid.shard(whole, f"{number}/3")} for number in (1, 2, 3)]
    assert parts == [{grid.identity(cell) for cell in grid.shard(mixed, f"{number}/3")} for number in (1, 2, 3)]
    assert sorted(map(len, parts)) == [3, 4, 4]
    assert set().union(*parts) == {grid.identity(cell) for cell in whole}


@pytest.mark.parametrize("which", ["0/3", "4/3", "2", "1/0", "a/b", "-1/2"])
def test_a_shard_that_is_none_is_refused(which: str) -> None:
    with pytest.raises(SpecError, match="A shard is i/n with i from 1 to n"):
        grid.shard(busy(2), which)


def test_a_sweep_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    whole, first, second = busy(7), Counted(stop=3), Counted()
    with pytest.raises(KeyboardInterrupt):
        sweep(whole, tmp_path, first)
    assert first.closed
    assert list(lines(tmp_path)) == first.seen
    with pytest.raises(DataError, match=r"holds the record of 3 cells. Add --resume to go on"):
        sweep(whole, tmp_path, second)
    assert second.seen == []
    found = sweep(whole, tmp_path, second, resume=True)
    assert len(first.seen) == 3
    assert set(first.seen).isdisjoint(second.seen)
    assert set(found) == {*first.seen, *second.seen} == {grid.identity(cell) for cell in whole}
    third = Counted()
    assert sweep(whole, tmp_path, third, resume=True) == found
    assert not third.closed  # nothing to do, so nobody was asked


def test_more_cells_join_a_record_and_other_cells_stay_out_of_what_is_returned(tmp_path: Path) -> None:
    sweep(busy(3), tmp_path, Counted())
    again = Counted()
    found = sweep(busy(5)[1:], tmp_path, again, resume=True)
    assert len(again.seen) == 2
    assert len(found) == 4
    assert len(lines(tmp_path)) == 5


def test_a_line_that_was_not_written_to_its_end_is_cut_off_and_done_again(tmp_path: Path) -> None:
    sweep(busy(4), tmp_path, Counted())
    path = tmp_path / "cells.jsonl"
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    assert len(lines(tmp_path)) == 3
    again = Counted()
    sweep(busy(4), tmp_path, again, resume=True)
    assert len(again.seen) == 1
    assert path.read_bytes() == content


def test_a_line_that_is_no_cell_is_refused_by_its_number(tmp_path: Path) -> None:
    sweep(busy(3), tmp_path, Counted())
    path = tmp_path / "cells.jsonl"
    path.write_text(path.read_text().replace('"seed":1', '"seed":5'))  # its id is no longer that of its content
    with pytest.raises(DataError, match=r"cells.jsonl, line 2: this is no finished cell of a sweep. Delete the line"):
        lines(tmp_path)


def test_two_sweeps_do_not_write_one_record(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with Record(tmp_path):
        with pytest.raises(DataError, match="another sweep is writing it"):
            Record(tmp_path)
        with Record(tmp_path, "1/2"):
            pass
    with Record(tmp_path):
        pass


def test_a_cell_that_fails_is_an_error_in_words_and_is_done_again(tmp_path: Path) -> None:
    wrong: Any = {"verb": "parity", "spec": {"dualnet": 1, "name": "x"}, "seed": 0, "dtype": "float32", "options": {}}

    def never() -> Any:
        raise AssertionError

    found = outcome(wrong, never)
    assert set(found) == {"error", "seconds", "cpu"}
    assert found["error"].startswith("spec:") or "inputs" in found["error"]
    assert outcome({"verb": "nonsense"}, never)["error"].startswith(
        "No sweep runs 'nonsense'. There are: parity, train"
    )
    with Record(tmp_path) as record:
        record.add(grid.written(busy(1)[0]), found)
    again = Counted()
    sweep(busy(1), tmp_path, again, resume=True)
    assert len(again.seen) == 1
    assert finished(*lines(tmp_path).values())


# --- worker processes


def test_cells_come_from_processes_that_stay(tmp_path: Path) -> None:
    found = sweep(busy(30, 0.005), tmp_path, lambda: Local(2))
    assert all(finished(line) for line in found.values())
    assert all(line["outcome"]["seconds"] >= 0.005 for line in found.values())


# A worker that ends for a cell of seed 3: the first time only, or always.
FALLS = """
import json, os, sys
from dualnet.sweep import worker
inner = worker.CellWorker.line
def line(self, text):
    cell = json.loads(text)
    if cell["seed"] == 3 and ({always} or not os.path.exists({mark!r})):
        open({mark!r}, "w").close()
        os.kill(os.getpid(), 9)
    return inner(self, text)
worker.CellWorker.line = line
worker.main()
"""


@pytest.mark.parametrize("always", [False, True])
def test_a_cell_whose_worker_dies_is_done_once_more_and_the_others_never_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, always: bool
) -> None:
    (tmp_path / "falling.py").write_text(FALLS.format(always=always, mark=str(tmp_path / "mark")))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setattr(local, "MODULE", "falling")
    found = sweep(busy(20, 0.005), tmp_path / "out", lambda: Local(2))
    failed = [line for line in found.values() if not finished(line)]
    third = next(line for line in found.values() if line["cell"]["seed"] == 3)
    assert len(found) == 20
    assert len(failed) == (1 if always else 0)
    assert third["outcome"]["tries"] == 2
    others = [line["outcome"] for line in found.values() if line is not third]
    assert all("tries" not in each for each in others)
    if always:
        expected = (
            r"sweep worker [12]: its worker went away \(exit code -9\) while asked to do a cell. It was tried 2 t"
        )
        assert re.match(expected, third["outcome"]["error"])


def test_a_worker_that_has_grown_too_large_leaves_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "growing.py").write_text("from dualnet.sweep import worker; worker.GROWTH = -1; worker.main()")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setattr(local, "MODULE", "growing")  # each is too large after its first cell
    started: list[str] = []
    made = local.Process

    def process(*given: Any, **more: Any) -> Any:
        started.append(given[1])
        return made(*given, **more)

    monkeypatch.setattr(local, "Process", process)
    found = sweep(busy(6, 0.005), tmp_path / "out", lambda: Local(2))
    assert [set(line["outcome"]) for line in found.values()] == [{"seconds", "cpu", "verdict", "numbers", "says"}] * 6
    assert len(started) == 6


def swept(out: Path, *more: str) -> subprocess.Popen[str]:
    """Start a sweep of 200 cells of 20 ms as a person would."""
    code = (
        "import sys; from pathlib import Path; from dualnet.sweep.local import Local\n"
        "from dualnet.sweep.run import sweep; from tests.test_sweep import busy\n"
        "try: print(len(sweep(busy(200, 0.02), Path(sys.argv[1]), lambda: Local(2), resume=True)))\n"
        "except KeyboardInterrupt: sys.exit(130)\n"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(out), *more], stdout=subprocess.PIPE, text=True)


def until(true: Any) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def recorded(out: Path) -> int:
    path = out / "cells.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task")
    return [int(each) for task in path.iterdir() for each in (task / "children").read_text().split()]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc, where Linux lists who started whom")
@pytest.mark.parametrize("how", ["a worker is killed", "Ctrl-C", "the sweep is killed"])
def test_no_finished_cell_is_lost_and_nobody_is_left(tmp_path: Path, how: str) -> None:
    run = swept(tmp_path)
    until(lambda: recorded(tmp_path) > 5)
    workers = children(run.pid)
    assert len(workers) == 2
    before = set(lines(tmp_path))
    if how == "a worker is killed":
        os.kill(workers[0], signal.SIGKILL)
        told, _ = run.communicate(timeout=60)
        assert told.strip() == "200"
    else:
        run.send_signal(signal.SIGINT if how == "Ctrl-C" else signal.SIGKILL)
        run.communicate(timeout=60)
        assert run.returncode == (130 if how == "Ctrl-C" else -signal.SIGKILL)
        assert 5 < recorded(tmp_path) < 200
    until(lambda: all(gone(each) for each in workers))
    after = lines(tmp_path)  # every line of it is whole
    assert before <= set(after)
    rest = Counted()
    assert len(sweep(busy(200, 0.02), tmp_path, rest, resume=True)) == 200
    assert len(rest.seen) == 200 - len(after)


def test_closing_ends_a_cell_that_would_take_a_minute() -> None:
    executor = Local(1)
    (cell,) = busy(1, 60.0)
    threading.Thread(target=lambda: list(executor.results([grid.written(cell)])), daemon=True).start()
    until(lambda: executor.processes)
    pid = executor.processes[0].process.pid
    start = time.monotonic()
    executor.close()
    assert gone(pid)
    assert time.monotonic() - start < 8  # not the 10 s that a worker is given to end by itself


# --- one page


def test_all_lines_become_one_result_with_a_row_a_cell() -> None:
    cells = grid.cells("parity", [SPEC], range(3), ["float32", "float64"], {}, {"epochs": [1]})
    verdicts = iter(["equal", "rounding", "divergent", "equal", "equal"])
    record = {}
    for cell in cells:
        found: Outcome = {"seconds": 2.0, "verdict": next(verdicts, ""), "numbers": {"gap": 0.25}, "says": ["well"]}
        found = found if found["verdict"] else {"seconds": 1.0, "error": "it is broken"}
        record[grid.identity(cell)] = {"id": grid.identity(cell), "cell": cell, "outcome": found}
    result = merged("parity", record, missing=4)
    fared, every, failures = result.exhibits
    assert result.verdict == "not checked"  # one failed
    assert result.says == ["6 cells, 11 s of work: 3 equal, 1 rounding, 1 divergent, 1 failed",
                           "4 cells of other shards are not here yet"]  # fmt: skip
    assert fared.heads == ("spec", "dtype", "settings", "divergent", "equal", "failed", "rounding")
    assert fared.rows[0] == ("fashion_mlp", "float32", "epochs=1", "1", "1", "", "1")
    assert len(every.rows) == 5
    assert every.rows[0][:6] == ("fashion_mlp", "0", "float32", "epochs=1", "equal", "0.25")
    assert failures.rows[0][3] == "it is broken"
    del record[grid.identity(cells[-1])]
    assert merged("parity", record).verdict == "divergent"


@pytest.mark.parametrize(("seconds", "told"), [(42.4, "42 s"), (600, "10 min"), (9000, "2.5 h")])
def test_a_time_is_told_as_a_person_does(seconds: float, told: str) -> None:
    assert clock(seconds) == told


def test_the_verb_refuses_what_it_cannot_do_before_it_does_anything(tmp_path: Path, capsys: Any) -> None:
    for words, message in (
        (["parety", "fashion_mlp"], "No sweep runs 'parety'. Did you mean 'parity'?"),
        (["train", "fashion_mlp", "--stages", "quick"], "--stages are those of parity."),
        (["train", "nowhere"], "nowhere"),
        (["train", "fashion_mlp", "--dtype", "float32,float65"], "float65"),
        (["train", "fashion_mlp", "--epochs", "x"], "Expected numbers with commas between them. Received: 'x'"),
        (["train", "fashion_mlp", "--shard", "3/2"], "A shard is i/n"),
    ):
        assert main(["sweep", *words, "--out", str(tmp_path)]) == 2
        assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def tiny(folder: Path) -> str:
    layers = S.Sequential(S.Flatten(), S.Linear(10, name="head"))
    spec = S.Spec("tiny", layers, (1, 28, 28), data=S.Data("digits"), training=S.Training(batch_size=100, epochs=1))
    path = folder / "tiny.toml"
    path.write_text(text.dumps(spec))
    return str(path)


@pytest.mark.slow  # both frameworks start in two workers
def test_a_sweep_in_shards_comes_to_one_page(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out"
    words = ["sweep", "train", tiny(tmp_path), "--seeds", "0-2", "--dtype", "float32,float64", "--limit", "200"]
    words += ["--out", str(out), "--workers", "2", "--quiet"]
    assert main([*words, "--shard", "1/2"]) == 0
    assert "3 cells of other shards are not here yet" in capsys.readouterr().out
    assert main([*words, "--shard", "2/2", "--resume"]) == 0
    assert sorted(each.name for each in out.iterdir()) == [
        "cells-1-of-2.jsonl", "cells-2-of-2.jsonl", "report.html", "sweep.json"]  # fmt: skip
    result = load(out / "sweep.json")
    cells = result.data["cells"]
    assert {(each["seed"], each["dtype"]) for each in cells} == {
        (s, d) for s in range(3) for d in ("float32", "float64")
    }
    for each in cells:  # the same spec, data and seed: both sides lose the same
        assert each["numbers"]["torch loss"] == pytest.approx(each["numbers"]["keras loss"], rel=1e-5)
    assert len({each["numbers"]["torch loss"] for each in cells if each["dtype"] == "float64"}) == 3
    assert "Every cell" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="ray is here")
def test_ray_is_asked_for_by_name_where_it_is_absent(tmp_path: Path, capsys: Any) -> None:
    assert main(["sweep", "train", "fashion_mlp", "--executor", "ray", "--out", str(tmp_path)]) == 2
    assert "needs the package 'ray'. Install it: pip install 'dualnet[ray]'" in capsys.readouterr().err


@pytest.mark.slow
def test_ray_comes_to_the_same_record_and_loses_no_cell_with_an_actor(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra dualnet[ray] is not installed")
    from dualnet.sweep.on_ray import OnRay

    alone = sweep(busy(40, 0.01), tmp_path / "local", lambda: Local(2))
    executor = OnRay(2)
    killed = []

    def kill(side: str, done: int, total: int, what: str) -> None:
        if done == 10 and not killed:
            killed.append(executor.actors[0])
            executor.ray.kill(executor.actors[0])

    rayed = sweep(busy(40, 0.01), tmp_path / "ray", lambda: executor, progress=kill)
    assert killed
    assert rayed.keys() == alone.keys()
    for name, line in rayed.items():
        assert line["cell"] == alone[name]["cell"]
        assert {**line["outcome"], "seconds": 0, "cpu": 0, "tries": 1} == {
            **alone[name]["outcome"], "seconds": 0, "cpu": 0, "tries": 1}  # fmt: skip
    assert isinstance(executor, OnRay)


def test_without_ray_the_executor_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from dualnet.sweep.on_ray import OnRay

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UnsupportedError, match=r"--executor ray needs the package 'ray'"):
        OnRay(2)
