"""The pytest plugin: a failed check is one screen, reports come from every worker, and loading it costs nothing."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import dualnet  # noqa: E402
from dualnet.testing import annotate, pages  # noqa: E402
from dualnet.testing.parity import Parity  # noqa: E402

pytest_plugins = "pytester"
PLUGIN = ("-p", "dualnet.pytest_plugin", "-p", "no:cacheprovider")
ROOT = Path(__file__).parents[1]
TESTS = """
import numpy as np
import torch
from torch import nn

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


def net(rate=0.3, shift=0.0):
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(4, 5), nn.Dropout(rate), nn.Linear(5, 2))
    made[0].weight.data += shift
    return made


def test_sound(parity):
    assert parity.check(net(), net(), X).agrees


def test_rate(parity):
    parity.check(net(), net(), X)
    parity.check(net(),
                 net(rate=0.2), X)


def test_shift(parity):
    parity.check(net(), net(shift=1.0), torch.from_numpy(X), stages="forward")
"""


@pytest.fixture(scope="module", autouse=True)
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Load what a check needs: a run in this process forgets the modules that it loads, and torch cannot load twice."""
    kept: list[dict[str, Any]] = []
    folder = tmp_path_factory.mktemp("loaded")
    with pytest.raises(pytest.fail.Exception):
        Parity("t", kept, bundles=folder).check(
            torch.nn.Linear(2, 2), torch.nn.Linear(2, 2), np.ones((2, 2), "float32")
        )
    pages.written([{**kept[0], "outcome": "failed"}], [folder / "p.html", folder / "p.json"])


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # of the workers
    pytester.makepyfile(test_nets=TESTS)
    return pytester


def gathered(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return {f"{row['test']} {row['verdict']} {row['outcome']}": row for row in found["reports"]}


def gathered_rows(path: Path) -> list[tuple[str, str, str]]:
    return [(row["test"], row["verdict"], row["outcome"]) for row in json.loads(path.read_text())["reports"]]


ALL = [
    "test_nets.py::test_rate divergent failed",
    "test_nets.py::test_rate equal failed",
    "test_nets.py::test_shift divergent failed",
    "test_nets.py::test_sound equal passed",
]


def test_a_failed_check_is_one_screen(suite: pytest.Pytester) -> None:
    done = suite.runpytest_inprocess(*PLUGIN, "--dualnet-report=parity.html", "--dualnet-report=parity.json")
    done.assert_outcomes(passed=1, failed=2)
    text = done.stdout.str()
    screen = text[text.index("_ test_rate _") : text.index("_ test_shift _")].splitlines()[1:]
    assert screen[:3] == [
        "parity: divergent: two functions: what differs is no rounding",
        "Sequential: torch (left) and torch (right)",
        "",
    ]
    assert screen[3].startswith("train mode: first at ")
    assert re.search(r"\n  likely cause: .*0\.3.*0\.2", "\n".join(screen))
    assert len(screen) < 25
    assert not any("parity.py" in line or "Traceback" in line for line in screen)
    assert "not checked: structure, weights, train mode, gradients, loss, step, state: not asked for" in text
    assert "dualnet: 4 compared: 2 equal, 2 divergent" in text
    assert "::error" not in text
    found = gathered(suite.path / "parity.json")
    assert sorted(found) == ALL
    assert re.match(r"train mode: first at .*likely cause: .*0\.3.*0\.2", found[ALL[0]]["first"])
    assert json.loads((suite.path / "parity.json").read_text())["verdict"] == "divergent"
    page = (suite.path / "parity.html").read_text()
    assert all(f"test_nets.py::test_{name}: Sequential" in page for name in ("sound", "rate", "shift"))


QUICK = """
    def test_quick(parity):
        row = dict.fromkeys(("file", "line", "first", "bundle"), "")
        result = {"data": {}, "environment": {}}
        parity.kept.append({**row, "test": "t", "verdict": "equal", "result": result})
"""


def test_a_worker_sends_what_it_found(suite: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    suite.makepyfile(test_quick=QUICK)
    done = suite.runpytest_subprocess(*PLUGIN, "-n1", "test_quick.py", "--dualnet-report=parity.json")
    done.assert_outcomes(passed=1)
    assert gathered_rows(suite.path / "parity.json") == [("t", "equal", "passed")]
    assert "dualnet: 1 compared: 1 equal" in done.stdout.str()


@pytest.mark.slow
def test_workers_send_what_they_found(suite: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    done = suite.runpytest_subprocess(*PLUGIN, "-n2", "--dualnet-report=parity.json", "--dualnet-report=parity.html")
    done.assert_outcomes(passed=1, failed=2)
    assert sorted(gathered(suite.path / "parity.json")) == ALL
    assert "dualnet: 4 compared: 2 equal, 2 divergent" in done.stdout.str()
    assert "test_nets.py::test_rate: Sequential" in (suite.path / "parity.html").read_text()


def test_settings_are_the_run_s_unless_options_or_tests_say_otherwise(suite: pytest.Pytester) -> None:
    suite.makepyprojecttoml(
        '[tool.pytest.ini_options]\ndualnet_stages = "structure,forward"\ndualnet_report = ["out/parity.json"]\n'
    )
    suite.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=2, failed=1)
    found = gathered(suite.path / "out" / "parity.json")
    assert len(found) == 3  # both of test_rate are equal now
    row = found["test_nets.py::test_sound equal passed"]["report"]
    assert [s["name"] for s in row["stages"] if s["verdict"] != "not checked"] == ["structure", "forward"]
    suite.runpytest_inprocess(*PLUGIN, "--dualnet-stages=forward,train_mode").assert_outcomes(passed=1, failed=2)


def test_annotations_name_the_line_of_the_check(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(suite.path))
    done = suite.runpytest_inprocess(*PLUGIN, "--dualnet-stages=forward,train_mode")
    lines = [line for line in done.stdout.str().splitlines() if line.startswith("::")]
    number = TESTS.strip().splitlines().index("    parity.check(net(),") + 1
    assert lines[0].startswith(
        f"::error file=test_nets.py,line={number},title=parity%3A divergent::"
        "test_nets.py::test_rate: train mode: first at "
    )
    assert len(lines) == 2


def test_an_annotation_is_one_line_whatever_it_says() -> None:
    row = {"file": "/a,b/c:d.py", "line": 3, "test": "t[1\n2]", "first": "50%\r", "verdict": "divergent"}
    (line,) = annotate.annotations([{**row, "outcome": "failed"}, {**row, "outcome": "skipped"}], Path("/x"))
    assert line == "::error file=/a%2Cb/c%3Ad.py,line=3,title=parity%3A divergent::t[1%0A2]: 50%25%0D"


def test_a_bundle_runs_again(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = suite.runpytest_inprocess(*PLUGIN, "--dualnet-bundles=kept", "-k", "shift or sound")
    done.assert_outcomes(passed=1, failed=1, deselected=1)
    (place,) = (suite.path / "kept").iterdir()
    assert f"to run it again: {place}" in done.stdout.str()
    assert "`pytest 'test_nets.py::test_shift'` runs the test again" in (place / "README.md").read_text()
    suite.makepyfile(plain=TESTS.partition("def test_sound")[0])
    monkeypatch.setattr(sys, "argv", ["again.py", "plain.py:net", "plain.py:net"])
    capsys.readouterr()
    runpy.run_path(str(place / "again.py"))
    first = json.loads((place / "report.json").read_text())["report"]
    text = capsys.readouterr().out
    assert text.startswith("Sequential (torch (left) and torch (right)): divergent")
    assert re.search(rf"forward +{first['verdict']} +", text)
    kept = dualnet.check(place / "left.trace", place / "right.trace", stages="forward")
    assert [f.gap64 for f in kept.stage("forward").findings] == [f["gap64"] for f in first["stages"][2]["findings"]]
    second = suite.runpytest_inprocess(*PLUGIN, "--dualnet-bundles=kept", "-k", "shift")
    second.assert_outcomes(failed=1, deselected=2)
    assert len(list((suite.path / "kept").iterdir())) == 2  # the first is not overwritten


def test_nothing_compared_is_no_pass_and_no_report(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_other="""
        from torch import nn


        def test_empty(parity):
            import numpy as np
            parity.check(nn.Identity(), nn.Identity(), np.ones((2, 3), "float32"), stages="structure")


        def test_misspelt(parity):
            parity.check(nn.Identity(), nn.Identity(), 1, stages="forwrd")
        """
    )
    done = suite.runpytest_inprocess(*PLUGIN, "test_other.py")
    done.assert_outcomes(failed=2)
    assert "parity: not checked: nothing was compared" in done.stdout.str()
    assert "There is no stage 'forwrd'. Did you mean 'forward'?" in done.stdout.str()
    none = suite.runpytest_inprocess(*PLUGIN, "-k", "nothing", "--dualnet-report=parity.json")
    assert "parity.json: no test compared anything" in none.stdout.str()
    assert not (suite.path / "parity.json").exists()


def test_a_report_that_cannot_be_written(suite: pytest.Pytester) -> None:
    (suite.path / "file").write_text("")
    done = suite.runpytest_inprocess(*PLUGIN, "-k", "sound", "--dualnet-report=file/parity.json")
    assert done.ret == pytest.ExitCode.INTERNAL_ERROR
    assert re.search(r"not written: .*parity\.json: (Not a directory|File exists)", done.stdout.str())
    bad = suite.runpytest_inprocess(*PLUGIN, "--dualnet-report=parity.txt")
    assert bad.ret == pytest.ExitCode.USAGE_ERROR
    assert "--dualnet-report must name a .html or .json file. Received: " in bad.stderr.str()


def test_an_interrupted_run_leaves_the_old_report(suite: pytest.Pytester) -> None:
    (suite.path / "parity.json").write_text("old")
    suite.makepyfile(
        test_quick=QUICK,
        test_slow="""
        import time
        from pathlib import Path


        def test_slow():
            Path("begun").touch()
            time.sleep(60)
        """,
    )
    command = [sys.executable, "-m", "pytest", *PLUGIN, "test_quick.py", "test_slow.py", "--dualnet-report=parity.json"]
    run = subprocess.Popen(command, cwd=suite.path, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    end = time.monotonic() + 100
    while not (suite.path / "begun").exists() and time.monotonic() < end:
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    text, _ = run.communicate(timeout=100)
    assert run.returncode == pytest.ExitCode.INTERRUPTED, text
    assert "parity.json: the run was interrupted" in text
    assert (suite.path / "parity.json").read_text() == "old"


@pytest.mark.parametrize("more", ["", ", numpy"], ids=["alone", "this test can fail"])
def test_loading_the_plugin_loads_nothing_heavy(more: str, tmp_path: Path) -> None:
    (tmp_path / "test_none.py").write_text("def test_none():\n    pass\n")
    code = (
        f"import sys, pytest{more}\n"
        f"code = pytest.main(['-q', '-p', 'dualnet.pytest_plugin', '-p', 'no:cacheprovider', {str(tmp_path)!r}])\n"
        "heavy = {'torch', 'tensorflow', 'keras', 'numpy', 'scipy', 'matplotlib', 'jinja2', 'PIL', 'tabulate'}\n"
        "print(code, 'dualnet.pytest_plugin' in sys.modules, sorted(heavy & set(sys.modules)))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=env, cwd=tmp_path)
    loaded = ["numpy"] if more else []
    assert done.stdout.strip().splitlines()[-1] == f"0 True {loaded}", done.stdout


def test_the_entry_point_names_the_plugin() -> None:
    import tomllib

    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    assert points == {"dualnet.pytest_plugin": "dualnet.pytest_plugin"}  # one name: given by -p, too, it loads once
