"""Every recipe does the same arithmetic: after the same steps its weights are the session's, in float64."""

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.bench import recipes
from dualnet.bench.job import Job
from dualnet.bench.recipes.row import Recipe
from dualnet.bench.worker import Clock
from dualnet.errors import UnsupportedError
from dualnet.run.weights import weights
from dualnet.specs import zoo
from dualnet.specs.optimizers import FLAVOURS

BATCH, STEPS = 6, 100  # as many as a session's two pieces and a compiled loop's five
# Float64 and the same formulas in another order: a hundred steps leave some thousand roundings of 1e-16.
NEAR = 1e-11

LAYERS = {
    "dense": S.Sequential(S.Flatten(name="flat"), S.Linear(7, name="hidden"), S.Tanh(), S.Linear(3, name="logits")),
    "conv": S.Sequential(
        S.Conv2d(4, 3, padding=1, bias=False, name="conv"),
        S.BatchNorm2d(name="norm"),
        S.Tanh(),
        S.MaxPool2d(2),
        S.Flatten(),
        S.Linear(3, name="logits"),
    ),
}
# Numbers that float32 holds: Keras's own optimizers take theirs through float32, whatever they train.
OPTIMIZERS = {
    "SGD": lambda backend: S.SGD(2**-5, momentum=0.875),
    "Adam": lambda backend: replace(
        FLAVOURS[backend]["Adam"], learning_rate=2**-7, beta1=0.875, beta2=1 - 2**-7, epsilon=2**-20
    ),
}


def spec_of(net: str, optimizer: S.Optimizer) -> S.Spec:
    return S.Spec(net, LAYERS[net], (1, 6, 5), training=S.Training(optimizer=optimizer, batch_size=BATCH))


def job_of(spec: S.Spec | None, **more: Any) -> Job:
    generator = np.random.default_rng(3)
    images = generator.integers(0, 256, (BATCH * 20, 1, 6, 5), np.uint8)
    labels = generator.integers(0, 3, len(images))
    pixels = (images / 255 - 0.4) / 0.25
    how = {"images": images, "mean": 0.4, "std": 0.25, "dtype": "float64", "shuffled": False} | more
    return Job(spec, {"input": pixels.astype(how["dtype"])}, labels, labels, **how)


def made(backend: str, recipe: Recipe, job: Job, batch: int = BATCH) -> Any:
    page, _, function = recipe.make.partition(":")
    return getattr(import_module(f"dualnet.bench.{backend}.{page}"), function)(job, batch)


FAST = {("dense", "model.fit on NumPy"), ("dense", "in-graph loop, XLA"), ("conv", "in-graph loop")}


def is_slow(parameters: dict[str, Any]) -> bool:
    """A recipe of Keras compiles for a second or two: the fast tests take those with a page of code of their own."""
    recipe = parameters.get("recipe")
    return bool(parameters.get("side") == "keras" and recipe and (parameters["net"], recipe.name) not in FAST)


@pytest.fixture(autouse=True)
def floatx(both: tuple[Backend, Backend]) -> Any:
    import keras

    yield
    keras.config.set_floatx("float32")


def trained(net: str, backend: str) -> list[Recipe]:
    return [r for r in recipes.TABLES[backend] if r.times == "train" and net in r.nets]


CASES = [
    (net, backend, optimizer, recipe)
    for net, optimizer in (("dense", "Adam"), ("conv", "SGD"))
    for backend in recipes.TABLES
    for recipe in trained(net, backend)
    if recipe.name != "dualnet"
]


def by_session(backend: str, job: Job, rows: Any, both: tuple[Backend, Backend]) -> Any:
    session = both[backend == "keras"].session(job.net, dtype=job.dtype, seed=job.seed)
    session.hold("train", job.inputs, job.targets, job.labels)
    session.prepare(job.net.training.loss, job.net.training.optimizer)
    session.steps("train", rows, np.full(len(rows), job.net.training.optimizer.learning_rate))
    return session.weights()


@pytest.mark.parametrize(("net", "side", "optimizer", "recipe"), CASES, ids=lambda c: getattr(c, "name", c))
def test_a_recipe_takes_the_sessions_steps(
    net: str, side: str, optimizer: str, recipe: Recipe, both: tuple[Backend, Backend]
) -> None:
    spec = spec_of(net, OPTIMIZERS[optimizer](side))
    job = job_of(spec)
    rows = np.stack([next(order) for order in [job.rows(BATCH)] for _ in range(STEPS)])
    wanted = by_session(side, job, rows if recipe.exact else rows[:1].repeat(STEPS, 0), both)
    timed = made(side, recipe, job)
    assert STEPS % timed.least == 0
    timed.run(STEPS)
    found = weights(timed.model, spec)
    start = both[0].session(spec, dtype="float64").weights()
    for name, array in wanted.items():
        if spec.parameters[name].trainable:
            assert np.abs(array - start[name]).max() > 1e-3  # it has moved
        np.testing.assert_allclose(found[name], array, rtol=NEAR, atol=NEAR)


@pytest.mark.parametrize("side", recipes.TABLES)
@pytest.mark.parametrize("net", LAYERS)
def test_the_sessions_own_recipe_is_the_session(net: str, side: str, both: tuple[Backend, Backend]) -> None:
    job = job_of(spec_of(net, S.SGD(0.05)))
    rows = np.stack([next(order) for order in [job.rows(BATCH)] for _ in range(STEPS)])
    timed = made(side, recipes.find(side, "train", "dualnet"), job)
    timed.run(STEPS)
    for name, array in by_session(side, job, rows, both).items():
        np.testing.assert_allclose(timed.model.weights()[name], array, rtol=NEAR, atol=NEAR)


def answers(timed: Any, side: str, job: Job) -> Any:
    """Return what a recipe's model gives for the first batch, evaluated."""
    if hasattr(timed.model, "predict") and hasattr(timed.model, "hold"):
        return timed.model.predict("bench", BATCH)
    x = job.inputs["input"][:BATCH]
    if side == "keras":
        return np.asarray(timed.model(x.transpose(0, 2, 3, 1), training=False))
    import torch

    assert not timed.model.training
    return timed.model(torch.from_numpy(x)).detach().numpy()


@pytest.mark.parametrize("side", recipes.TABLES)
def test_inference_recipes_run_one_function(side: str, both: tuple[Backend, Backend]) -> None:
    """The models of all inference recipes give the session's own answers; each call runs, by itself and in chunks."""
    job = job_of(spec_of("conv", S.SGD(0.05)))
    found = {}
    for recipe in recipes.TABLES[side]:
        if recipe.times == "infer" and "conv" in recipe.nets:
            timed = made(side, recipe, job)
            timed.run(2)
            assert timed.single
            found[recipe.name] = answers(timed, side, job)
    assert len(found) >= 4
    for each in found.values():
        np.testing.assert_allclose(each, found["dualnet"], rtol=NEAR, atol=NEAR)


def test_channels_last_is_so_even_with_one_channel(both: tuple[Backend, Backend]) -> None:
    """torch's own ``.to(memory_format=…)`` leaves images of one channel as they are, and kernels choose the other."""
    import torch

    from dualnet.bench.torch.base import Data

    job = job_of(spec_of("conv", S.SGD(0.05)))
    (last,), _ = Data(job, last=True)(torch.arange(3))
    (plain,), _ = Data(job)(torch.arange(3))
    assert last.shape == plain.shape == (3, 1, 6, 5)
    assert torch.equal(last, plain)
    assert last.stride() == (30, 1, 5, 1)
    assert plain.stride() == (30, 30, 5, 1)


def test_a_worker_times_what_it_made_ready(both: tuple[Backend, Backend]) -> None:
    clock = Clock("torch", 0.0)
    clock.take(job_of(spec_of("dense", S.SGD(0.05))).to_data())
    train = clock.start("train", "resident", BATCH, True)
    assert train["made"] > 0
    assert train["first"] > 0
    assert train["format"] == "contiguous (NCHW)"
    assert train["memory made"] <= train["memory"]
    chunk = clock.chunk(f"train/resident/{BATCH}", 0.02)
    assert chunk["calls"] >= 2
    assert chunk["call"] == pytest.approx(BATCH * chunk["wall"])
    assert 0.002 < chunk["wall"] * BATCH * chunk["calls"] < 2  # about the time asked for, on a busy machine too
    clock.start("infer", "inference_mode", 2, True)
    chunk = clock.chunk("infer/inference_mode/2", 0.02)
    assert 0 < chunk["call"] <= chunk["p95"]
    assert "p95" not in clock.chunk(f"train/resident/{BATCH}", 0.001)
    assert "raise --samples" in clock.start("train", "resident", 1000, True)["refused"]
    clock.stop("infer/inference_mode/2")
    with pytest.raises(KeyError):
        clock.chunk("infer/inference_mode/2", 0.02)


def test_what_stock_recipes_cannot_do_is_refused_with_the_reason(both: tuple[Backend, Backend]) -> None:
    for optimizer, why in (
        (S.RMSprop(0.1), "not RMSprop"),
        (S.SGD(0.1, accumulate=S.Accumulate(2)), "have no accumulate"),
    ):
        clock = Clock("torch", 0.0)
        clock.take(job_of(spec_of("dense", optimizer)).to_data())
        assert why in clock.start("train", "resident", BATCH, True)["refused"]
        assert "refused" not in clock.start("train", "dualnet", BATCH, False)


def picked(side: str, what: str, spec: str | None, asked: Any = "usual") -> list[str]:
    subject = recipes.Subject(zoo.load(spec) if spec else None)
    return [recipe.name for recipe in recipes.pick(side, what, subject, asked)]


def test_the_usual_recipes_are_idiom_best_and_dualnet() -> None:
    assert picked("torch", "train", "fashion_mlp") == ["DataLoader idiom", "resident, fused", "dualnet"]
    assert picked("torch", "train", "fashion_cnn") == ["DataLoader idiom", "resident, channels_last", "dualnet"]
    assert picked("torch", "first-step", "fixed_hidden_mlp")[0] == "TensorDataset + DataLoader"  # it reads no images
    assert picked("keras", "train", "fashion_mlp") == ["model.fit on NumPy", "in-graph loop, XLA", "dualnet"]
    assert picked("keras", "train", "fashion_cnn") == ["model.fit on NumPy", "in-graph loop", "dualnet"]
    assert picked("keras", "infer", "fashion_cnn") == ["model.predict", "tf.function", "dualnet"]
    assert picked("keras", "train", None) == ["train_on_batch"]
    assert not [name for name in picked("keras", "train", "fashion_cnn", "all") if "XLA" in name]
    assert picked("torch", "train", "fashion_mlp", ("resident",)) == ["resident"]


def test_every_recipe_has_a_function_and_a_reason() -> None:
    for table in recipes.TABLES.values():
        assert len({(recipe.times, recipe.name) for recipe in table}) == len(table)
        assert all(recipe.why and recipe.times in recipes.WHATS for recipe in table)
        assert ";" not in "".join(recipe.name for recipe in table)  # it stands between names


def test_rows_are_whole_batches_epoch_by_epoch() -> None:
    job = Job(None, {"0": np.zeros((7, 2))}, shuffled=True)
    rows = job.rows(3)
    first, second = (np.stack([next(rows), next(rows)]) for _ in range(2))
    assert len(set(first.ravel())) == len(set(second.ravel())) == 6
    assert first.tolist() != second.tolist()
    with pytest.raises(UnsupportedError, match="a batch of 8 is more than the 7 samples"):
        job.epoch(8)
