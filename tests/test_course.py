"""The course's figures, on the real data: Fashion-MNIST accuracies, MNIST's normalisation, activations by start."""

from dataclasses import replace

import numpy as np
import pytest

from dualnet import data
from dualnet import specs as S
from dualnet.backends import backend
from dualnet.run.feed import feed
from dualnet.run.hosts import Workers
from dualnet.run.plan import Settings
from dualnet.run.train import final_gap, train
from dualnet.specs import zoo

BACKENDS = ["torch", "keras"]
# Running training accuracy of 784-128-10, Adam 1e-4, batch 100, by epoch; each is a mean over three seeds.
TABLE = np.array([69.47, 80.11, 82.47, 83.62])


def real(name: str) -> data.Dataset:
    dataset = data.load_dataset(name)
    if dataset.name != name:
        pytest.skip(f"needs the real data; {dataset.source}")
    return dataset


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fashion_mnist_accuracies_are_the_course_s() -> None:
    """The first epoch scatters by 0.45 points from seed to seed, so nine seeds: their mean is good to 0.15."""
    real("fashion_mnist")
    spec = zoo.load("fashion_mlp")
    fed, by_backend = feed(spec), {name: [] for name in BACKENDS}
    with Workers() as workers:
        for seed in range(9):
            results = train(workers, BACKENDS, spec, fed, Settings(seed, evaluate=False))
            gap = final_gap(results)
            assert gap is not None
            assert gap < 0.0015  # shared weights and batches: 0.15 points, 90 of 60,000 images
            for name in BACKENDS:
                by_backend[name].append([100 * (epoch.train_accuracy or 0.0) for epoch in results[name].history])
    for name in BACKENDS:
        assert np.abs(np.mean(by_backend[name], axis=0) - TABLE).max() < 0.6, by_backend[name]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_learning_rate_of_a_thousandth_reaches_the_course_s_test_accuracy() -> None:
    real("fashion_mnist")
    spec = zoo.load("fashion_mlp")
    spec = replace(spec, training=replace(spec.training, optimizer=S.Adam(1e-3)))
    with Workers() as workers:
        results = train(workers, BACKENDS, spec, feed(spec), Settings())
    for result in results.values():
        assert result.history[-1].test_accuracy == pytest.approx(0.8665, abs=0.01)  # the course's, within one point


def normalised() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return MNIST's first 50,000 images, normalised, (N, 784). The course's file holds pixels by 256, not 255."""
    images = data.to_float(real("mnist").train_images[:50_000], 256).reshape(50_000, 784)
    mean, std = data.mean_std(images)
    assert (mean, std) == (pytest.approx(0.1304, abs=5e-5), pytest.approx(0.3073, abs=5e-5))  # as printed
    return data.normalise(images, mean, std)


STARTS = {
    "1/√m": (S.Normal(std=784**-0.5), S.ReLU(), (0.00, 0.98), (0.39, 0.57)),
    "Kaiming": (S.KaimingNormal(), S.ReLU(), (0.00, 1.38), (0.55, 0.81)),
    "Kaiming, shifted": (S.KaimingNormal(), S.ReLU(shift=0.5), (0.00, 1.38), (0.05, 0.81)),
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("native", [False, True])
def test_activations_after_the_first_layer_are_the_course_s(start: str, native: bool) -> None:
    """784 → 50 over ten seeds: the mean of ten draws of 50 units scatters by 0.03, and the course printed one draw."""
    images = normalised()[::10]
    weight, activation, linear, after = STARTS[start]
    layers = (S.Linear(50, weight_init=weight, bias_init=S.Zeros(), name="linear"), replace(activation, name="relu"))
    spec = S.Spec("first_layer", S.Sequential(*layers), (784,))
    for name in BACKENDS:
        moments = []
        for seed in range(10):
            session = backend(name).session(spec, seed=seed)
            if native:
                session.draw(seed)
            made = session.forward({"input": images})["layers"]
            moments.append([f(made[path]) for path in ("linear", "relu") for f in (np.mean, np.std)])
        found = np.mean(moments, axis=0)
        assert found == pytest.approx([*linear, *after], abs=0.06), (name, found)
