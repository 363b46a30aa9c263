"""Starts and hints: LSUV's variances, a lower half that foretells its teacher, checkpoints with every step's loss."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dualnet import specs as S
from dualnet import store
from dualnet.backends import Backend
from dualnet.errors import SpecError
from dualnet.run import hints, lsuv
from dualnet.run.feed import Feed, feed
from dualnet.run.hosts import Here
from dualnet.run.plan import Settings
from dualnet.run.train import train, train_session
from dualnet.specs import text

DIGITS = S.Data(set="digits")
TRAINED = S.Training(optimizer=S.Adam(0.01), batch_size=50, epochs=1)


def spec(name: str, *layers: S.Layer, **changes: Any) -> S.Spec:
    made = S.Spec(name, S.Sequential(*layers), (1, 28, 28), data=DIGITS, training=TRAINED)
    return text.with_fields(made, **changes) if changes else made


TEACHER = spec(
    "teacher",
    S.Flatten(),
    *(S.Linear(24, name="t1"), S.Tanh(name="guide"), S.Linear(20, name="t2"), S.Tanh(name="late"), S.Linear(10)),
)
STUDENT = spec(
    "student",
    S.Flatten(),
    *(S.Linear(12, name="lower"), S.ReLU(name="hint"), S.Linear(9, name="upper"), S.ReLU(name="top")),
    S.Linear(10, name="logits"),
)
# A small net's few dozen float64 operations, in two orders.
CLOSE = 1e-11


@pytest.fixture(scope="module")
def fed() -> Feed:
    return feed(TEACHER, dtype="float64", limit=200)


# LSUV

DEEP = spec(
    "deep",
    S.Conv2d(6, 5, stride=2, name="conv"),
    *(S.Tanh(), S.BatchNorm2d(), S.Conv2d(4, 3, stride=2, name="conv2"), S.ReLU(), S.Flatten()),
    *(S.Linear(30, name="a"), S.ReLU(), S.Linear(30, name="b"), S.Sigmoid()),
    S.Linear(10, name="c"),
)


def test_lsuv_gives_every_layer_variance_1_by_scaling_orthonormal_weights(backend: Backend, fed: Feed) -> None:
    prepared = lsuv.prepared(DEEP)
    session = backend.session(prepared, dtype="float64")
    before = session.weights()
    inputs = {"input": fed.train.inputs["input"][:100]}
    found = lsuv.scale(session, prepared, inputs)
    layers = session.forward(inputs)["layers"]
    for path in ("conv", "conv2", "a", "b", "c"):
        old, new = before[f"{path}.weight"], found[f"{path}.weight"]
        # within the paper's tolerance from the start, or scaled once: biases are zero, so one division is all it takes
        assert abs(layers[path].var() - 1) < (0.1 if np.array_equal(old, new) else 1e-9)
        scale = new.ravel() @ old.ravel() / (old.ravel() @ old.ravel())
        np.testing.assert_allclose(new, scale * old, rtol=0, atol=1e-12 * abs(scale))  # a division or ten
        rows = old.reshape(len(old), -1)
        rows = rows if rows.shape[0] <= rows.shape[1] else rows.T
        np.testing.assert_allclose(rows @ rows.T, np.eye(len(rows)), atol=1e-12)  # dots of up to 784 products
        np.testing.assert_array_equal(found[f"{path}.bias"], 0)
    assert sorted(found) == sorted(before)
    np.testing.assert_array_equal(found["c.weight"], session.weights()["c.weight"])


def test_lsuv_leaves_what_fits_and_what_is_dead_alone_and_scales_a_shared_layer_once(backend: Backend) -> None:
    tied = S.Spec("tied", S.Sequential(S.Linear(8, name="a"), S.Shared("a", name="again"), S.Linear(3, name="b")), (8,))
    prepared = lsuv.prepared(tied)
    session = backend.session(prepared, dtype="float64")
    before = session.weights()
    x = np.random.default_rng(0).normal(size=(4000, 8))
    lsuv.scale(session, prepared, {"input": x / x.std()})
    for name in ("a.weight", "b.weight"):  # variance 1 goes through orthonormal layers as it is
        np.testing.assert_array_equal(session.weights()[name], before[name])
    lsuv.scale(session, prepared, {"input": np.zeros((9, 8))})
    np.testing.assert_array_equal(session.weights()["a.weight"], before["a.weight"])


# Hints


def test_the_middle_activation_is_the_one_in_the_middle() -> None:
    assert hints.middle(TEACHER) == "guide"  # of two, the lower
    assert hints.middle(spec("three", *[S.ReLU(name=name) for name in "abc"])) == "b"
    with pytest.raises(SpecError, match=r"bare: it has no activation to take as a hint layer\. Name a layer of it\."):
        hints.middle(spec("bare", S.Flatten(), S.Linear(10)))


def test_a_regressor_leads_to_the_teachers_shape() -> None:
    made = hints.regressing(TEACHER, "guide", STUDENT, "hint", 4)
    assert made.output_shapes == ((24,),)
    assert [step.path for step in made.graph.leaves()][-2:] == ["hint", "regressor"]
    assert made.training.epochs == 4
    assert made.training.loss == S.MeanSquaredError(target="given")
    image = spec("image", S.Conv2d(6, 3, padding=1, name="conv"), S.ReLU(name="relu"), S.Flatten(), S.Linear(10))
    other = spec("other", S.Conv2d(2, 3, padding=1, name="conv"), S.Flatten(), S.Linear(10))
    made = hints.regressing(image, "relu", other, "conv", 1)
    assert made.output_shapes == ((6, 28, 28),)
    assert list(made.graph.leaves())[-1].layer.kernel == (1, 1)  # type: ignore[attr-defined]
    with pytest.raises(SpecError, match=r"student: no regressor leads from hint \[12\] to image's relu \[6, 28, 28\]"):
        hints.regressing(image, "relu", STUDENT, "hint", 1)
    small = spec("small", S.Conv2d(2, 3, name="conv"), S.Flatten(), S.Linear(10))
    with pytest.raises(SpecError, match=r"from conv \[2, 26, 26\] to image's relu \[6, 28, 28\]: it takes"):
        hints.regressing(image, "relu", small, "conv", 1)
    with pytest.raises(SpecError, match=r"teacher: there is no layer 'guid'\. Did you mean 'guide'\?"):
        hints.regressing(TEACHER, "guid", STUDENT, "hint", 1)


def tanh_features(weights: Any, images: Any) -> Any:
    return np.tanh(images.reshape(len(images), -1) @ weights["t1.weight"].T + weights["t1.bias"])


def test_features_are_the_guide_layers_outputs_on_every_part(backend: Backend) -> None:
    split = replace(TEACHER, data=replace(DIGITS, split=(0.6, 0.2, 0.2)))
    fed = feed(split, dtype="float64", limit=40)
    weights = backend.session(split, dtype="float64", seed=5).weights()
    made = hints.features(Here(), backend.name, split, "guide", weights, fed, Settings(dtype="float64"))
    assert list(made.parts()) == ["train", "validation", "test"]
    for part, each in made.parts().items():
        expected = tanh_features(weights, fed.parts()[part].inputs["input"])
        np.testing.assert_allclose(each.given, expected, rtol=0, atol=CLOSE)
        np.testing.assert_array_equal(each.labels, fed.parts()[part].labels)


def test_hints_change_only_the_lower_weights_and_foretell_better(both: tuple[Backend, Backend], fed: Feed) -> None:
    """Every student of one torch teacher, in float64: what the two sides' students learn is the same."""
    settings = Settings(dtype="float64")
    weights = both[0].session(TEACHER, dtype="float64", seed=9).weights()
    hinted = hints.features(Here(), "torch", TEACHER, "guide", weights, fed, settings)
    made = hints.regressing(TEACHER, "guide", STUDENT, "hint", 3)
    found = {}
    for backend in both:
        trained, lower = hints.learn_hint(Here(), backend.name, made, hinted, replace(settings, out=Path("/nowhere")))
        assert sorted(lower) == ["lower.bias", "lower.weight"]
        start = backend.session(STUDENT, dtype="float64").weights()
        assert all(np.abs(lower[name] - start[name]).max() > 1e-3 for name in lower)
        assert trained.history[-1].loss < 0.6 * trained.history[0].loss
        # the last loss on the test part, worked out from the weights
        held = trained.session.weights()
        hidden = np.maximum(fed.test.inputs["input"].reshape(200, -1) @ held["lower.weight"].T + held["lower.bias"], 0)
        foretold = hidden @ held["regressor.weight"].T + held["regressor.bias"]
        error = ((foretold - tanh_features(weights, fed.test.inputs["input"])) ** 2).mean()
        assert trained.history[-1].test_loss == pytest.approx(error, rel=CLOSE)
        found[backend.name] = (trained.losses, lower)
    np.testing.assert_allclose(found["torch"][0], found["keras"][0], rtol=CLOSE)
    for name, array in found["torch"][1].items():
        np.testing.assert_allclose(found["keras"][1][name], array, rtol=0, atol=CLOSE)


# Checkpoints


def test_every_steps_loss_and_accuracy_survives_a_resume(backend: Backend, fed: Feed, tmp_path: Path) -> None:
    one, two = TEACHER, text.with_fields(TEACHER, epochs=2)
    settings = Settings(dtype="float64", out=tmp_path / "cut")
    first = train(Here(), [backend.name], one, fed, settings)[backend.name]
    rest = train(Here(), [backend.name], two, fed, replace(settings, resume=True))[backend.name]
    whole = train(Here(), [backend.name], two, fed, replace(settings, out=None))[backend.name]
    assert len(first.losses) == 4
    assert len(rest.losses) == len(rest.accuracies) == 8
    assert rest.losses == whole.losses
    assert rest.accuracies == whole.accuracies
    arrays, _ = store.load(tmp_path / "cut" / f"{backend.name}.safetensors")
    assert arrays["steps/loss"].tolist() == whole.losses
    seen: list[int] = []
    again = train(
        Here(), [backend.name], two, fed, replace(settings, resume=True), watch=lambda s, t: seen.append(len(t.losses))
    )
    assert again[backend.name].losses == whole.losses
    assert seen == []  # there was nothing left to train


def test_a_checkpoint_of_before_steps_were_kept_still_resumes(both: tuple[Backend, Backend], tmp_path: Path) -> None:
    fed = feed(TEACHER, limit=100)
    train(Here(), ["torch"], TEACHER, fed, Settings(out=tmp_path))
    path = tmp_path / "torch.safetensors"
    arrays, metadata = store.load(path)
    store.save(path, {name: a for name, a in arrays.items() if not name.startswith("steps/")}, metadata)
    rest = train(Here(), ["torch"], text.with_fields(TEACHER, epochs=2), fed, Settings(out=tmp_path, resume=True))
    assert [epoch.epoch for epoch in rest["torch"].history] == [1, 2]
    assert len(rest["torch"].losses) == 2


def test_a_watch_sees_every_epoch_with_all_that_is_trained_so_far(backend: Backend) -> None:
    seen: list[tuple[str, int, int]] = []
    net, fed = text.with_fields(TEACHER, epochs=3), feed(TEACHER, limit=100)
    session = backend.session(net)
    train_session(
        "side", session, net, fed, Settings(), watch=lambda s, t: seen.append((s, len(t.history), len(t.losses)))
    )
    assert seen == [("side", 1, 2), ("side", 2, 4), ("side", 3, 6)]
