"""Damaged and forged files are refused in one clear message: none runs code, fills the memory or is misread."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import hostile

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Read some three hundred files in a process of its own, under a limit of memory."""
    command = [sys.executable, "-m", "tests.hostile", str(tmp_path_factory.mktemp("hostile"))]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=env, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


def test_there_are_many_of_every_kind(rows: list[Any]) -> None:
    assert len(rows) >= 300
    assert {kind for kind, *_ in rows} == {*hostile.READ}
    assert sum(came == "refused" for _, _, came, *_ in rows) >= 280  # the others changed a name, or what nobody reads


def test_each_is_refused_or_read_as_it_was_written(rows: list[Any]) -> None:
    assert [row[:4] for row in rows if row[2] not in ("refused", "read")] == []


def test_each_refusal_is_one_short_line_that_names_the_file(rows: list[Any]) -> None:
    said = [(kind, what, text) for kind, what, came, text, *_ in rows if came == "refused"]
    assert [row for row in said if hostile.READ[row[0]][0] not in row[2] and "Sequential" not in row[2]] == []
    assert [row for row in said if "\n" in row[2] or len(row[2]) > 500] == []


def test_none_runs_code(rows: list[Any]) -> None:
    assert [row[:3] + row[6:] for row in rows if row[6]] == []


def test_none_takes_much_memory_or_time(rows: list[Any]) -> None:
    large = {"two gigabytes of zeros": 3 * (1 << 26)}  # the whole of what an idx file may hold, in pieces and joined
    assert [row[:5] for row in rows if row[4] > large.get(row[1], hostile.PEAK)] == []
    assert [row[:3] + row[5:6] for row in rows if row[5] > 10] == []


def test_what_runs_code_would_be_heard(tmp_path: Path) -> None:
    code = (
        "import sys, pickle; from tests import hostile; sys.addaudithook(hostile.heard)\n"
        "class Evil:\n    def __reduce__(self): return (exec, ('1',))\n"
        "pickle.loads(pickle.dumps(Evil())); print(len(hostile.RAN))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=env, cwd=ROOT)
    assert int(done.stdout) >= 1


H5 = """
import sys, random
from pathlib import Path
from dualnet.backends import backend
backend("keras")
import keras
from dualnet.errors import WeightsError
from dualnet.run.source import fill
from tests.hostile import damaged

path = Path(sys.argv[1]) / "net.weights.h5"
model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])
model.save_weights(path)
content, came = path.read_bytes(), {"refused": 0, "read": 0}
for what, mutant in damaged(content, random.Random(0)):
    path.write_bytes(mutant)
    try:
        fill(model, path)
        came["read"] += 1
    except WeightsError as error:
        assert "net.weights.h5: Keras cannot load it" in str(error), error
        came["refused"] += 1
print(came["refused"], came["read"])
"""


@pytest.mark.slow
def test_damaged_weights_of_keras_are_refused(tmp_path: Path) -> None:
    """HDF5 has no checksum: a bit of a number that flips is another number. What has no shape is refused."""
    pytest.importorskip("keras")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", H5, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=env, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    refused, read = map(int, done.stdout.split()[-2:])
    assert refused >= 12
    assert refused + read == len(list(hostile.damaged(b"x" * 99, random.Random(0))))
