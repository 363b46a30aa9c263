"""Several workers train one model: weights, slots, losses and hits are those of one process, and no worker is left."""

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dualnet
from dualnet import specs as S
from dualnet import store
from dualnet.backends.protocol import Arrays, Session
from dualnet.backends.shares import bounds
from dualnet.cli import main
from dualnet.errors import SpecError, UnsupportedError, WorkerError
from dualnet.run import several
from dualnet.run.distil import distil
from dualnet.run.feed import feed
from dualnet.run.hosts import Here, Workers
from dualnet.run.plan import Settings
from dualnet.run.train import train
from dualnet.specs import text, zoo

SIDES = ("torch", "keras")
DIGITS = S.Data(set="digits", normalise="standard")

# Sums over a batch in another order, 24 steps: 2^-53 with three digits to spare (5e-15 was seen).
CLOSE = 1e-12
# A bias in front of a BatchNorm has the gradient zero, of which float64 leaves some 1e-16 to 1e-14: Adam divides that
# by its epsilon of 1e-8, and multiplies by the rate of 1e-3. So 33 steps are noise of 1e-8 at most (7e-9 was seen).
NOISE = 1e-7


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """Two ranks of torch and one process of two replicas of Keras, started once."""
    with Workers() as host:
        yield host


def data(spec: S.Spec, rows: int, classes: int) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    integers = spec.integers
    inputs = {
        name: rng.integers(0, integers[name], (rows, *shape)) if name in integers else rng.normal(size=(rows, *shape))
        for name, shape in spec.inputs.items()
    }
    labels = rng.integers(0, classes, rows)
    return {"inputs": inputs, "targets": labels, "labels": labels}


def trained(session: Session, spec: S.Spec, given: dict[str, Any], size: int = 5, steps: int = 24) -> dict[str, Arrays]:
    """Return what came of some steps on batches of an odd size, so that two workers have slices of two sizes."""
    session.hold("train", **given)
    session.prepare(spec.training.loss, spec.training.optimizer, spec.training.clip)
    rows = len(given["labels"])
    order = np.random.default_rng(5).permuted(np.tile(np.arange(rows), (steps, 1)), axis=1)[:, :size]
    progress: Any = session.steps("train", order, np.linspace(0.02, 0.001, steps))
    return {"steps": dict(progress), "weights": session.weights(), "slots": session.slots()}


def equal(found: dict[str, Arrays], expected: dict[str, Arrays], tolerance: float = CLOSE, noisy: Any = ()) -> None:
    for what, arrays in expected.items():
        assert sorted(found[what]) == sorted(arrays)
        for name, array in arrays.items():
            most = max(1.0, float(np.abs(array).max(initial=0.0)))
            close = NOISE if name.partition("/")[0] in noisy else tolerance * most
            np.testing.assert_allclose(found[what][name], array, rtol=0, atol=close, err_msg=f"{what} {name}")


def both_ways(
    workers: Workers, side: str, spec: S.Spec, given: dict[str, Any], noisy: Any = (), dtype: str = "float64"
) -> dict[str, Arrays]:
    several.check(spec, len(given["labels"]), 2)
    alone, shared = (
        trained(host.open(side, spec, dtype=dtype, **more), spec, given)
        for host, more in ((Here(), {}), (workers, {"workers": 2}))
    )
    assert np.ptp(alone["steps"]["loss"]) > 0.01  # it does train
    equal(shared, alone, noisy=noisy)
    return shared


def spec_of(
    layers: Any, inputs: Any, loss: S.Loss, optimizer: S.Optimizer, clip: S.Clip | None = None, **more: Any
) -> S.Spec:
    training = S.Training(loss=loss, optimizer=optimizer, clip=clip, batch_size=5)
    return S.Spec("net", S.Block(tuple(layers), **more), inputs, training=training)


WEIGHTED = S.CrossEntropy(0.1, (1.0, 2.5, 0.3), "samples", "sample", ignore_index=1)

# Everything at once that looks at a whole batch: BatchNorm used twice, masks, a weighted mean, the global norm,
# gathered gradients, running means, a scale that overflows, and an output that the loss does not reach.
WHOLE = spec_of(
    (
        S.Conv2d(4, 3, bias=False, name="conv"),  # in front of a BatchNorm its gradient would be noise
        S.BatchNorm2d(name="norm"),
        S.Dropout2d(0.3),
        S.Shared("norm"),
        S.ReLU(),
        S.GaussianNoise(0.2),
        S.Flatten(name="flat"),
        S.Linear(6, bias=False, name="hidden"),
        S.BatchNorm1d(running_variance="biased", affine=False),
        S.Dropout(0.4, name="drop"),
        S.Linear(3, name="logits"),
        S.Linear(2, name="beside", inputs=("drop",)),
    ),
    (2, 5, 5),
    WEIGHTED,
    S.AdamW(
        0.02,
        weight_decay=0.1,
        groups=(S.Group(["*.bias"], 0.5, 0.0),),
        accumulate=S.Accumulate(3),
        average=S.WeightAverage(0.9),
        loss_scale=S.LossScale(1.7e308, backoff=1e-280, interval=4),
    ),
    S.Clip("global_norm", 0.3),
    outputs=("logits", "beside"),
)


@pytest.mark.parametrize("side", SIDES)
def test_whatever_looks_at_the_whole_batch_sees_all_of_it(workers: Workers, side: str) -> None:
    given = data(WHOLE, 23, 3)
    found = both_ways(workers, side, WHOLE, given)
    assert found["slots"]["loss_scale/skipped"] > 0
    assert "beside.weight/average" in found["slots"]


@pytest.mark.parametrize("side", SIDES)
def test_distillation_takes_the_whole_batchs_soft_targets(workers: Workers, side: str) -> None:
    net = spec_of((S.Linear(3),), (4,), S.Distillation(temperature=3.0, alpha=0.3), S.SGD(0.1))
    given = data(net, 12, 3)
    both_ways(workers, side, net, given | {"soft": np.random.default_rng(1).normal(size=(12, 3))})


SEQUENCES = spec_of(
    (
        S.Embedding(7, 4),
        S.MultiheadAttention(2, dropout=0.3, name="attend"),
        S.LSTM(3, layers=2, dropout=0.4, returns="last"),
        S.Linear(3),
    ),
    (5,),
    S.CrossEntropy(),
    S.SGD(0.1, momentum=0.9),  # the bias of attention's keys has no gradient but noise, which Adam would amplify
)


@pytest.mark.slow  # eight seconds, most of them to trace Keras's loops
@pytest.mark.parametrize("side", SIDES)
def test_masks_inside_of_layers_are_drawn_by_the_place_in_the_whole_batch(workers: Workers, side: str) -> None:
    both_ways(workers, side, SEQUENCES, data(SEQUENCES, 12, 3))


LOSSES = [
    S.Dice(),
    S.Tversky(),
    S.KLDivergence(),
    S.MeanSquaredError(reduction="sum"),
    S.CosineSimilarity(),
    S.BinaryCrossEntropy(),
]


@pytest.mark.parametrize("side", ["torch", pytest.param("keras", marks=pytest.mark.slow)])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_a_loss_is_that_of_the_whole_batch_however_it_is_averaged(workers: Workers, side: str, loss: S.Loss) -> None:
    net = spec_of((S.Linear(3), S.Softmax(1)), (4,), replace(loss, target="given"), S.SGD(0.1))
    given = data(net, 12, 3)
    given["targets"] = np.random.default_rng(1).dirichlet(np.ones(3), 12)
    both_ways(workers, side, net, given | {"labels": given["labels"]})


ZOO = [
    pytest.param("torch", "fashion_mlp", id="torch-mlp"),
    pytest.param("keras", "fashion_mlp", id="keras-mlp", marks=pytest.mark.slow),
    *(pytest.param(side, "fashion_cnn", id=f"{side}-cnn", marks=pytest.mark.slow) for side in SIDES),
]


@pytest.mark.parametrize(("side", "name"), ZOO)
def test_a_training_is_that_of_one_process_and_each_goes_on_from_the_others_checkpoint(
    workers: Workers, side: str, name: str, tmp_path: Path
) -> None:
    long = text.with_fields(zoo.load(name), data=DIGITS, epochs=3, batch_size=25)
    short = text.with_fields(long, epochs=1)
    fed = feed(long, dtype="float64", limit=260)  # ten batches of 25, and one of 10
    noisy = {name for name in long.parameters if name.endswith("conv.bias")}

    def run(spec: S.Spec, folder: str, count: int, resume: bool = False) -> dict[str, Arrays]:
        settings = Settings(dtype="float64", out=tmp_path / folder, resume=resume, workers=count)
        host = workers if count > 1 else Here()
        (found,) = train(host, [side], spec, fed, settings).values()
        curves = {"losses": np.array(found.losses), "accuracies": np.array(found.accuracies)}
        tests = {"tests": np.array([each.test_loss for each in found.history])}
        session = found.session
        return {"steps": curves | tests, "weights": session.weights(), "slots": session.slots()}

    alone, shared = run(long, "one", 1), run(long, "two", 2)
    assert len(alone["steps"]["losses"]) == 33
    bound = CLOSE if not noisy else NOISE  # noise in a bias shifts running means, and so the test loss, by as much
    equal(shared, alone, bound, noisy)
    for folder, first, second in (("one, two", 1, 2), ("two, one", 2, 1)):
        run(short, folder, first)
        equal(run(long, folder, second, resume=True), alone, bound, noisy)


@pytest.mark.slow
def test_a_student_of_two_workers_is_that_of_one(workers: Workers) -> None:
    teacher, student = (
        text.with_fields(zoo.load(name), data=DIGITS, epochs=1, batch_size=25)
        for name in ("fashion_mlp", "fashion_student")
    )
    fed = feed(teacher, dtype="float64", limit=110)

    def run(host: Any, count: int) -> dict[str, Arrays]:
        settings = Settings(dtype="float64", workers=count)
        made = distil(host, ["torch"], teacher, student, S.Distillation(), fed, settings)["torch"]
        return {"logits": made.logits, "losses": {role: np.array(each) for role, each in made.losses.items()}}

    equal(run(workers, 2), run(Here(), 1))
    with pytest.raises(SpecError, match="leave one of 1, too few for 2 workers"):
        distil(workers, ["torch"], teacher, student, S.Distillation(), feed(teacher, limit=101), Settings(workers=2))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "bfloat16"])
@pytest.mark.parametrize("side", SIDES)
def test_other_precisions_train_too(workers: Workers, side: str, dtype: str) -> None:
    net = replace(WHOLE, training=replace(WHOLE.training, optimizer=S.SGD(0.02), clip=None))
    given = data(net, 23, 3)
    alone, shared = (
        trained(host.open(side, net, dtype=dtype, **more), net, given)
        for host, more in ((Here(), {}), (workers, {"workers": 2}))
    )
    # 24 steps on losses about 1: a few units of the precision's own rounding each
    equal(shared, alone, {"float32": 1e-4, "mixed_bfloat16": 0.2, "bfloat16": 0.2}[dtype])


def test_slices_cover_a_batch_and_differ_by_a_row_at_most() -> None:
    for rows in range(1, 40):
        for count in range(1, 8):
            slices = [bounds(rows, number, count) for number in range(count)]
            assert [first for first, _ in slices] == [0, *(last for _, last in slices[:-1])]
            assert slices[-1][1] == rows
            sizes = {last - first for first, last in slices}
            assert max(sizes) - min(sizes) <= 1


def refused(spec: S.Spec, count: int = 100, number: int = 2) -> str:
    several.check(spec, count, 1)
    with pytest.raises(SpecError) as caught:
        several.check(spec, count, number)
    return str(caught.value)


@pytest.fixture
def centered() -> Iterator[Any]:
    """Register a layer of one's own, for a test only."""
    before = dict(S.Layer.registry)
    found = importlib.import_module("tests.own_layers").Centered
    S.Layer.registry["Centered"] = found
    yield found
    S.Layer.registry.clear()
    S.Layer.registry.update(before)


def test_what_looks_across_slices_is_refused_by_name(centered: Any) -> None:
    halve = spec_of((S.Linear(3), S.Halve(2.0, name="half"), S.Linear(3)), (4,), S.CrossEntropy(), S.SGD(0.1))
    assert refused(halve).startswith("net: half cannot be trained by several workers: Halve halves by the sum over the")
    own = spec_of((centered(name="mine"), S.Linear(3)), (4,), S.CrossEntropy(), S.SGD(0.1))
    assert "net: mine cannot be trained by several workers: Centered is a layer of your own" in refused(own)


def test_a_batch_with_too_few_examples_is_refused() -> None:
    net = spec_of((S.Linear(3),), (4,), S.CrossEntropy(), S.SGD(0.1))
    expected = "net: batches of 5 of 101 examples leave one of 1, too few for 2 workers to have one each."
    assert refused(net, 101).startswith(expected)
    assert "leave one of 5, too few for 6 workers" in refused(net, 100, 6)
    several.check(net, 102, 2)


def test_a_process_that_torchrun_started_is_refused(monkeypatch, capsys) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "1")
    several.launched()
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert main(["train", "fashion_mlp"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("dualnet: This is process 1 of 4 that torchrun (or its like) started")
    assert "leave out torchrun, and say --workers 4." in told


def test_one_process_cannot_be_several() -> None:
    with pytest.raises(SpecError, match=r"2 workers are processes of their own, and this host is one."):
        Here().open("torch", zoo.load("fashion_mlp"), workers=2)


# A stand-in for a framework, for the tests of the pipes alone: it starts in half a second.
FAKE = """#!{python}
import os, sys, time
from dualnet.errors import WeightsError
from dualnet.run import worker

class Fake:
    name = "torch"
    def session(self, spec, **options):
        return self
    def facts(self):
        return {{"pid": os.getpid(), "workers": os.environ["DUALNET_WORKERS"]}}

class Parallel(Fake):
    def processes(self, workers):
        return workers
    def part(self, spec, *, number, workers, meet, **options):
        self.number = number
        return self
    def load(self, weights):
        raise WeightsError(f"refused by {{self.number}}")
    def weights(self):
        return {{"number": self.number, "pid": os.getpid()}}
    def prepare(self, *rest):
        if self.number == 1:
            return 1 / 0
        time.sleep(60)
    def draw(self, seed):
        if self.number == 0:
            raise RuntimeError("connection closed by peer")
        time.sleep(0.3)
        os.kill(os.getpid(), 9)
    def steps(self, folder):
        open(os.path.join(folder, str(os.getpid())), "w").close()
        time.sleep(60)

worker.backend = lambda name: {kind}()
sys.argv = ["worker", "torch"]
worker.main()
"""
SPEC = S.Spec("tiny", S.Sequential(S.Linear(3, name="head")), (4,))


def fake(folder: Path, kind: str) -> Workers:
    path = folder / "interpreter"
    path.write_text(FAKE.format(python=sys.executable, kind=kind))
    path.chmod(0o755)
    return Workers({"torch": str(path)})


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def within(seconds: float, true: Any) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_backend_without_ranks_is_refused_by_name(tmp_path: Path) -> None:
    with (
        fake(tmp_path, "Fake") as host,
        pytest.raises(UnsupportedError, match=r"torch: this backend trains in one process only. Leave out --workers."),
    ):
        host.open("torch", SPEC, workers=2)


def test_an_error_of_all_ranks_is_one_error_and_they_live_on(tmp_path: Path) -> None:
    with fake(tmp_path, "Parallel") as host:
        session: Any = host.open("torch", SPEC, workers=3)
        with pytest.raises(dualnet.errors.WeightsError, match=r"^refused by 0$"):
            session.load({})
        assert session.weights()["number"] == 0
        assert host.facts("torch")["workers"] == "3"


def test_ranks_that_wait_for_one_that_failed_are_ended(tmp_path: Path) -> None:
    with fake(tmp_path, "Parallel") as host:
        session: Any = host.open("torch", SPEC, workers=3)
        start = time.monotonic()
        with pytest.raises(WorkerError, match="ZeroDivisionError"):
            session.prepare()
        assert time.monotonic() - start < 20
        assert all(
            each.process.poll() == -signal.SIGKILL for number, each in enumerate(host.processes.values()) if number != 1
        )


def test_a_killed_rank_is_one_error_and_the_others_are_ended(tmp_path: Path) -> None:
    folder = tmp_path / "began"
    folder.mkdir()
    with fake(tmp_path, "Parallel") as host:
        session: Any = host.open("torch", SPEC, workers=2)
        second = host.process("torch", 1, 2).process

        def kill() -> None:
            within(60, lambda: len(list(folder.iterdir())) == 2)
            second.kill()

        killer = threading.Thread(target=kill)
        killer.start()
        start = time.monotonic()
        expected = r"^torch, worker 2 of 2: its worker went away \(exit code -9\) while asked to steps.$"
        with pytest.raises(WorkerError, match=expected):
            host.each(["torch"], lambda name: session.steps(str(folder)))
        killer.join()
        assert time.monotonic() - start < 20
        assert all(each.process.poll() is not None for each in host.processes.values())


def test_of_two_errors_the_cause_is_told_and_not_what_followed_from_it(tmp_path: Path) -> None:
    with fake(tmp_path, "Parallel") as host:
        session: Any = host.open("torch", SPEC, workers=2)
        with pytest.raises(WorkerError, match=r"^torch, worker 2 of 2: its worker went away \(exit code -9\)"):
            session.draw(0)  # the first hears at once that its peer has closed, and is the first to fail


def children(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = status.read_text().rpartition(")")
        except OSError:
            continue
        if int(rest.split()[1]) == pid:
            found.append(int(name.split()[0]))
    return found


@pytest.mark.slow  # both frameworks start anew, three times
@pytest.mark.parametrize("how", ["a rank is killed", "Ctrl-C", "the parent is killed"])
def test_however_a_run_ends_nobody_is_left(tmp_path: Path, how: str) -> None:
    if not Path("/proc").exists():
        pytest.skip("needs /proc, where Linux lists who started whom")
    command = [sys.executable, "-m", "dualnet", "train", "fashion_mlp", "--workers", "2", "--limit", "400"]
    run = subprocess.Popen(
        [*command, "--epochs", "100000", "--quiet", "--out", str(tmp_path)], stderr=subprocess.PIPE, text=True
    )
    within(120, lambda: all((tmp_path / f"{side}.safetensors").exists() for side in SIDES))
    ranks = children(run.pid)
    assert len(ranks) == 3  # two of torch, one of Keras
    start = time.monotonic()
    {"a rank is killed": lambda: os.kill(rank_of(ranks), signal.SIGKILL),
     "Ctrl-C": lambda: run.send_signal(signal.SIGINT),
     "the parent is killed": run.kill}[how]()  # fmt: skip
    _, told = run.communicate(timeout=60)
    within(60, lambda: all(gone(each) for each in ranks))
    assert time.monotonic() - start < 60
    if how == "a rank is killed":
        assert run.returncode == 2
        assert told.count("dualnet:") == 1
        assert "its worker went away (exit code -9) while asked to steps." in told
        assert "Traceback" not in told
    if how == "Ctrl-C":
        assert (run.returncode, told.strip()) == (130, "dualnet: interrupted; go on with --resume")
    for side in SIDES:
        assert json.loads(store.load(tmp_path / f"{side}.safetensors")[1]["history"])


def rank_of(pids: list[int]) -> int:
    """Return the second rank of torch."""
    lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in sorted(pids)}
    return [pid for pid, line in lines.items() if b"torch" in line.split(b"\0")][1]
