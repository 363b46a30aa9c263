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
from dualnet.run.weights import weights
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
