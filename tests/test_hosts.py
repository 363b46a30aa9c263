"""Workers answer, fail by name and end: no error is lost, nothing hangs, nothing printed gets among the answers."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dualnet import specs as S
from dualnet.errors import DeviceError, UnsupportedError, WeightsError, WorkerError
from dualnet.run.hosts import Here, Workers

SPEC = S.Spec("tiny", S.Sequential(S.Linear(3, name="head")), (4,))
FRAMEWORKS = ("torch", "keras")

# A stand-in for a framework, for the tests of the pipe alone: it starts in half a second.
FAKE = """#!{python}
import os, sys, time
from dualnet.run import worker

class Fake:
    def session(self, spec, **options):
        return self
    def facts(self):
        print("printed by Python")
        os.write(1, b"printed by C")
        return {{"pid": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"], "loaded": sorted(sys.modules)}}
    def loss(self):
        return 1 / 0
    def slots(self):
        return print
    def steps(self):
        open({began!r}, "w").close()
        time.sleep(60)
    def predict(self):
        sys.exit("the framework gave up")

worker.backend = lambda name: Fake()
sys.argv = ["worker", "torch"]
worker.main()
"""


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """Both frameworks, started once."""
    with Workers(threads=1) as workers:
        yield workers


@pytest.fixture
def began(tmp_path: Path) -> Path:
    return tmp_path / "began"


@pytest.fixture
def fake(tmp_path: Path, began: Path) -> Iterator[Workers]:
    """Workers whose interpreter runs the stand-in."""
    with Workers(
        {"torch": script(tmp_path, FAKE.format(python=sys.executable, began=str(began)))}, threads=3
    ) as workers:
        yield workers


def script(folder: Path, text: str) -> str:
    path = folder / "interpreter"
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def wait_for(found: Path) -> None:
    end = time.monotonic() + 60
    while not found.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_both_answer_at_the_same_time_from_processes_of_their_own(workers: Workers) -> None:
    meet = threading.Barrier(2, timeout=60)  # passed only if both calls are running

    def facts(name: str) -> dict[str, object]:
        meet.wait()
        return workers.facts(name)

    found = workers.each(FRAMEWORKS, facts)
    assert list(found) == list(FRAMEWORKS)
    assert all(each["version"] and each["devices"] and each["threads"] == 1 for each in found.values())
    pids = {workers.process(name).process.pid for name in FRAMEWORKS}
    assert len(pids | {os.getpid()}) == 3


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_session_in_a_worker_answers_as_one_here(workers: Workers, name: str) -> None:
    inputs = {"input": np.linspace(-1, 1, 20).reshape(5, 4)}
    there, here = (host.open(name, SPEC, dtype="float64", seed=3) for host in (workers, Here()))
    here.load(there.weights())
    found, expected = (session.forward(inputs, training=True, step=2) for session in (there, here))
    np.testing.assert_array_equal(found["outputs"][0], expected["outputs"][0], strict=True)
    assert there.structure() == here.structure()


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_worker_loads_its_own_framework_only(workers: Workers, name: str, tmp_path: Path) -> None:
    maps = Path(f"/proc/{workers.process(name).process.pid}/maps")
    if not maps.exists():
        pytest.skip("needs /proc, where Linux lists what a process has loaded")
    workers.facts(name)
    libraries = maps.read_text()
    loaded = {"torch": "/site-packages/torch/" in libraries, "keras": "/site-packages/tensorflow/" in libraries}
    assert loaded == {each: each == name for each in FRAMEWORKS}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_an_error_on_purpose_comes_back_as_itself(workers: Workers, name: str) -> None:
    with pytest.raises(DeviceError, match=r"dtype must be one of float32, .* mixed_float16. Received: 'float8'"):
        workers.open(name, SPEC, dtype="float8")
    with pytest.raises(WeightsError, match=r"tiny: the parameter 'head.weight' is missing. Present: none."):
        workers.open(name, SPEC).load({})
    assert workers.facts(name)["version"]  # and the worker lives on


def test_a_session_that_nobody_holds_is_freed(workers: Workers) -> None:
    session = workers.open("torch", SPEC)
    process, number = session._process, session._number  # type: ignore[attr-defined]
    assert process.ask(number, "trainable") == ["head.weight", "head.bias"]
    kept = workers.open("torch", SPEC)
    del session
    with pytest.raises(WorkerError):
        process.ask(number, "trainable")
    assert kept.trainable() == ["head.weight", "head.bias"]
    assert workers.open("torch", SPEC)._number not in (number, kept._number)  # type: ignore[attr-defined]


def test_an_unknown_backend_is_told_as_such() -> None:
    with (
        Workers() as workers,
        pytest.raises(UnsupportedError, match=r"There is no backend 'kears'. Did you mean 'keras'?"),
    ):
        workers.open("kears", SPEC)


def test_what_a_framework_prints_stays_out_of_the_answers(fake: Workers) -> None:
    assert fake.facts("torch")["threads"] == "3"
    assert fake.facts("torch")["pid"] == fake.process("torch").process.pid
    assert not {"torch", "tensorflow", "keras", "matplotlib"} & set(fake.facts("torch")["loaded"])  # until asked for


def test_an_error_by_accident_comes_with_its_traceback(fake: Workers) -> None:
    with pytest.raises(WorkerError, match=r"(?s)ZeroDivisionError.*Traceback.*in loss.*division by zero"):
        fake.open("torch", SPEC).loss()  # type: ignore[call-arg]
    with pytest.raises(WorkerError, match=r"(?s)TypeError.*not JSON serializable"):
        fake.open("torch", SPEC).slots()
    assert fake.facts("torch")["threads"] == "3"


def test_a_killed_worker_is_an_error_that_names_the_verb(fake: Workers, began: Path) -> None:
    session = fake.open("torch", SPEC)
    pid = fake.process("torch").process.pid
    killer = threading.Thread(target=lambda: (wait_for(began), os.kill(pid, signal.SIGKILL)))
    killer.start()
    with pytest.raises(WorkerError, match=r"^torch: its worker went away \(exit code -9\) while asked to steps.$"):
        session.steps()  # type: ignore[call-arg]
    killer.join()
    with pytest.raises(WorkerError, match="while asked to weights"):  # as does every question after that
        session.weights()


def test_a_worker_that_ends_leaves_its_last_words(fake: Workers) -> None:
    expected = r"\(exit code 1\) while asked to predict. Its last words: the framework gave up$"
    with pytest.raises(WorkerError, match=expected):
        fake.open("torch", SPEC).predict()  # type: ignore[call-arg]


def test_an_interrupt_does_not_wait_for_the_work(fake: Workers, began: Path) -> None:
    session = fake.open("torch", SPEC)

    def steps(name: str) -> None:
        session.steps()  # type: ignore[call-arg]

    # To this process alone, as `kill -INT` does; a worker would sleep for a minute.
    interrupt = threading.Thread(target=lambda: (wait_for(began), os.kill(os.getpid(), signal.SIGINT)))
    interrupt.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fake.each(["torch"], steps)
    interrupt.join()
    assert time.monotonic() - start < 20


def test_a_worker_leaves_ctrl_c_to_its_parent(fake: Workers) -> None:
    pid = fake.facts("torch")["pid"]
    os.kill(pid, signal.SIGINT)
    assert fake.facts("torch")["pid"] == pid


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "torch: its Python '.*' cannot be started: No such file or directory."),
        ("#!/bin/sh\nexit 0\n", r"went away \(exit code 0\) while asked to facts"),
        ("#!/bin/sh\necho no module named dualnet >&2\nexit 1\n", "Its last words: no module named dualnet$"),
        ("#!/bin/sh\necho Python 2.7 speaking\nsleep 30\n", "went away"),
    ],
    ids=["missing", "silent", "fails", "talks"],
)
def test_an_interpreter_that_is_none_is_a_worker_error(tmp_path: Path, text: str | None, message: str) -> None:
    path = script(tmp_path, text) if text else str(tmp_path / "nowhere")
    with Workers({"torch": path}) as workers, pytest.raises(WorkerError, match=message):
        workers.facts("torch")


def test_the_environment_names_an_interpreter_and_an_argument_overrules_it(tmp_path, monkeypatch, fake) -> None:
    monkeypatch.setenv("DUALNET_TORCH_PYTHON", str(tmp_path / "from the environment"))
    with Workers() as workers, pytest.raises(WorkerError, match="from the environment"):
        workers.facts("torch")
    assert fake.facts("torch")["threads"] == "3"


def test_close_ends_the_processes(fake: Workers) -> None:
    pid = fake.facts("torch")["pid"]
    assert not gone(pid)
    fake.close()
    assert gone(pid)
    assert fake.processes == {}


def test_close_ends_a_worker_that_has_been_killed(fake: Workers) -> None:
    pid = fake.facts("torch")["pid"]
    fake.process("torch").process.kill()
    fake.process("torch").process.wait()
    with pytest.raises(WorkerError):
        fake.process("torch").ask(None, "facts", np.zeros(100_000))  # more than the pipe holds
    fake.close()
    assert gone(pid)
