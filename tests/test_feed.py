"""Feeding: images in the spec's shape and precision, normalised by the training part, with the targets of each loss."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dualnet import specs as S
from dualnet.data import datasets, load_dataset
from dualnet.data.fetch import UnreachableError
from dualnet.errors import SpecError
from dualnet.run.feed import Feed, feed
from dualnet.specs import zoo

# A mean of a million float32 pixels near 1, each rounded once: errors of 2^-24 that nearly cancel.
ROUNDED = {"float32": 1e-6, "float64": 1e-12}


def spec(shape: Any = (1, 28, 28), classes: int = 10, loss: S.Loss | None = None, **data: Any) -> S.Spec:
    layers = S.Sequential(S.Flatten(), S.Linear(classes))
    training = S.Training(loss=loss or S.CrossEntropy())
    return S.Spec("small", layers, shape, data=S.Data(**{"set": "digits", **data}), training=training)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_have_the_specs_shape_and_the_runs_precision(dtype) -> None:
    fed = feed(spec({"image": (1, 28, 28)}), dtype=dtype)
    assert list(fed.parts()) == ["train", "test"]
    for part, count in ((fed.train, 1437), (fed.test, 360)):
        assert list(part.inputs) == ["image"]
        assert (part.inputs["image"].shape, part.inputs["image"].dtype) == ((count, 1, 28, 28), np.dtype(dtype))
        assert (part.labels.shape, part.labels.dtype) == ((count,), np.dtype(np.int64))
        assert (part.inputs["image"].min(), part.inputs["image"].max()) == (0.0, 1.0)
    assert fed.classes == tuple("0123456789")
    assert fed.source == "scikit-learn's handwritten digits, 1,437 train / 360 test, embedded in dualnet"


@pytest.mark.parametrize(("size", "times", "frame"), [(28, 3, 2), (32, 4, 0), (45, 5, 2)])
def test_images_grow_by_whole_pixels_in_a_black_frame(size, times, frame) -> None:
    images = feed(spec((1, size, size)), dtype="float64", limit=20).test.inputs["input"]
    small = load_dataset("digits").test_images[:20] / 16
    inner = images[:, :, frame : frame + 8 * times, frame : frame + 8 * times]
    for row in range(times):
        for column in range(times):
            np.testing.assert_array_equal(inner[:, :, row::times, column::times], small)
    assert images.sum() == inner.sum()  # nothing in the frame


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("split", ["official", (0.7, 0.15, 0.15)])
def test_standard_means_mean_0_and_std_1_of_the_training_part(dtype, split) -> None:
    fed = feed(spec(normalise="standard", split=split), dtype=dtype)
    train = fed.train.inputs["input"].astype(np.float64)
    assert abs(train.mean()) < ROUNDED[dtype]
    assert abs(train.std() - 1) < ROUNDED[dtype]
    plain = feed(spec(split=split), dtype="float64")
    mean, std = plain.train.inputs["input"].mean(), plain.train.inputs["input"].std()
    for name, part in fed.parts().items():  # each part by the moments of the training part, never by its own
        expected = (plain.parts()[name].inputs["input"] - mean) / std
        np.testing.assert_allclose(part.inputs["input"], expected, rtol=0, atol=4 * ROUNDED[dtype])


def test_a_limit_keeps_the_first_of_each_part_and_the_moments_of_all() -> None:
    wanted = spec(split=[0.7, 0.15, 0.15], normalise="standard")
    whole, some = feed(wanted), feed(wanted, limit=50)
    for name, part in some.parts().items():
        np.testing.assert_array_equal(part.inputs["input"], whole.parts()[name].inputs["input"][:50])
        np.testing.assert_array_equal(part.labels, whole.parts()[name].labels[:50])


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_that_keeps_nothing_is_refused(limit: int) -> None:
    with pytest.raises(SpecError, match=f"limit must be at least 1. Received: {limit}"):
        feed(spec(), limit=limit)


def test_shares_make_three_parts_drawn_by_the_seed() -> None:
    first, again, other = (feed(spec(split=(0.7, 0.15, 0.15)), seed=seed) for seed in (0, 0, 1))
    counts = {name: len(part.labels) for name, part in first.parts().items()}
    assert counts == {"train": 1258, "validation": 269, "test": 270}
    for name, part in first.parts().items():
        np.testing.assert_array_equal(part.inputs["input"], again.parts()[name].inputs["input"])
    assert not np.array_equal(first.train.labels, other.train.labels)
    everything = [sorted(np.concatenate([part.labels for part in fed.parts().values()])) for fed in (first, other)]
    assert everything[0] == everything[1]


def test_targets_are_what_the_loss_compares_with() -> None:
    train = feed(spec(), limit=30).train
    for loss in (S.CrossEntropy(), S.Distillation()):
        assert train.targets(loss, 10) is train.labels
    for kind in (S.MeanSquaredError, S.BinaryCrossEntropy):
        assert train.targets(kind(target="input"), 10) is train.inputs["input"]
        rows = train.targets(kind(target="one_hot"), 10)
        assert (rows.shape, rows.dtype) == ((30, 10), np.float32)
        np.testing.assert_array_equal(rows.argmax(axis=1), train.labels)
        np.testing.assert_array_equal(rows.sum(axis=1), 1)


class Recorder:
    """A session that remembers what it was given."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[Any, ...]] = {}

    def hold(self, name: str, *arguments: Any) -> None:
        self.held[name] = arguments


def given(fed: Feed, loss: S.Loss, soft: Any = None) -> dict[str, tuple[Any, ...]]:
    session: Any = Recorder()
    fed.give(session, loss, soft)
    held: dict[str, tuple[Any, ...]] = session.held
    return held


def test_a_session_is_given_every_part_with_the_teachers_logits_where_there_are_some() -> None:
    fed = feed(spec(split=(0.7, 0.15, 0.15)), limit=12)
    held = given(fed, S.Distillation(), {"train": "logits"})
    assert list(held) == ["train", "validation", "test"]
    assert [soft for _, _, _, soft in held.values()] == ["logits", None, None]
    assert all(held[name][:3] == (part.inputs, part.labels, part.labels) for name, part in fed.parts().items())


def test_an_autoencoder_is_given_no_labels() -> None:
    inputs, targets, labels, soft = given(feed(spec(), limit=12), S.MeanSquaredError(target="input"))["train"]
    assert targets is inputs["input"]
    assert (labels, soft) == (None, None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (spec((3, 28, 28)), r"small: the data set 'digits' gives one image \[1, 28, 28\]; the spec reads input"),
        (spec((1, 20, 28)), r"the spec reads input \[1, 20, 28\]\."),
        (spec((784,)), r"the spec reads input \[784\]\."),
        (spec(classes=9), r"small: the data set 'digits' has 10 classes; the first output is \[9\], not \[10\]"),
        (zoo.load("siamese"), r"siamese: the data set 'fashion_mnist' gives one image .*; the spec reads \w+ .*, \w+ "),
    ],
    ids=["channels", "small", "flat", "classes", "inputs"],
)
def test_a_data_set_that_does_not_fit_is_refused(wrong, message) -> None:
    with pytest.raises(SpecError, match=message):
        feed(wrong)


def test_an_autoencoder_may_have_any_output() -> None:
    assert feed(spec(classes=784, loss=S.MeanSquaredError(target="input")), limit=3).train.labels.shape == (3,)
    assert zoo.load("fashion_cnn").output_shapes == ((10,),)


def test_without_network_digits_come_instead_and_the_source_says_so(tmp_path, monkeypatch) -> None:
    def unreachable(*_: object) -> None:
        msg = "no network here"
        raise UnreachableError(msg)

    monkeypatch.delenv("DUALNET_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(datasets, "fetch", unreachable)
    fed = feed(zoo.load("fashion_mlp"))
    assert fed.source.startswith("NOT Fashion-MNIST: the 8x8 digits embedded in dualnet, 1,437 train / 360 test")
    assert fed.source.endswith("no network here")
    assert fed.train.inputs["image"].shape == (1437, 1, 28, 28)


def test_real_images_come_as_published(data_dir) -> None:
    fed = feed(zoo.load("fashion_mlp"), limit=1000)
    assert fed.source.startswith(f"Fashion-MNIST, 60,000 train / 10,000 test, from {data_dir}")
    assert fed.classes[9] == "Ankle boot"
    assert fed.train.labels[0] == 9
    np.testing.assert_array_equal(fed.train.inputs["image"][0] * 255, load_dataset("fashion_mnist").train_images[0])


def test_normalising_needs_the_training_part_of_the_split_only() -> None:
    wanted = spec(split=(0.7, 0.15, 0.15), normalise="standard")
    by_seed = [feed(replace(wanted), seed=seed).test.inputs["input"].min() for seed in (0, 1)]
    assert by_seed[0] != by_seed[1]  # black is -mean / std, and these are the split's own
