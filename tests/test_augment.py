"""Augmentation: each rule against loops that anyone can read, and the same bits whoever asks, in whichever part."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.data import augment, augmented
from dualnet.errors import SpecError
from dualnet.run.distil import distil
from dualnet.run.feed import feed
from dualnet.run.hosts import Here
from dualnet.run.plan import Settings
from dualnet.run.train import train, train_session
from dualnet.specs import augment as A
from dualnet.specs import text
from dualnet.specs.draw import uniform

# Four products and three sums of pixels up to 1, in another order: some 2^-53 each.
CLOSE = 1e-12
RNG = np.random.default_rng(5)
IMAGES = RNG.uniform(0.1, 1.0, (6, 2, 7, 5))  # neither square nor black anywhere, so that every place tells


def draws(count: int, seed: int, epoch: int, index: int = 0) -> Any:
    return uniform(3 * count, "augment", seed, epoch, index).reshape(count, 3)


def slow_flip(how: A.Flip, image: Any, u: Any) -> Any:
    return np.stack([[row[::-1] for row in channel] for channel in image]) if u[0] < how.chance else image


def slow_crop(how: A.Crop, image: Any, u: Any) -> Any:
    span = 2 * how.padding + 1
    down, right = (int(u[k] * span) - how.padding for k in (0, 1))
    return moved(image, lambda y, x: (y + down, x + right))


def slow_cutout(how: A.Cutout, image: Any, u: Any) -> Any:
    made = image.copy()
    middle = int(u[0] * image.shape[1]), int(u[1] * image.shape[2])
    for y in range(middle[0] - how.size // 2, middle[0] - how.size // 2 + how.size):
        for x in range(middle[1] - how.size // 2, middle[1] - how.size // 2 + how.size):
            if 0 <= y < image.shape[1] and 0 <= x < image.shape[2]:
                made[:, y, x] = 0
    return made


def slow_rotate(how: A.Rotate, image: Any, u: Any) -> Any:
    """scipy's own bilinear interpolation, over a frame of zeros that has no end."""
    return np.stack([turned(channel, (2 * u[0] - 1) * how.degrees) for channel in image])


def turned(channel: Any, degrees: float) -> Any:
    angle = math.radians(degrees)
    matrix = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    middle = (np.array(channel.shape) - 1) / 2
    options: dict[str, Any] = {"offset": middle - matrix @ middle, "order": 1, "mode": "grid-constant"}
    return ndimage.affine_transform(channel, matrix, **options)


def moved(image: Any, place: Callable[[int, int], tuple[int, int]]) -> Any:
    """Return an image whose pixels are taken from other places, black where there is none."""
    made = np.zeros_like(image)
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            i, j = place(y, x)
            if 0 <= i < image.shape[1] and 0 <= j < image.shape[2]:
                made[:, y, x] = image[:, i, j]
    return made


SLOW: list[tuple[A.Augmentation, Callable[..., Any]]] = [
    (A.Flip(), slow_flip),
    (A.Flip(0.9), slow_flip),
    (A.Crop(), slow_crop),
    (A.Crop(9), slow_crop),  # more than the image is wide
    (A.Cutout(1), slow_cutout),
    (A.Cutout(4), slow_cutout),
    (A.Cutout(20), slow_cutout),
    (A.Rotate(), slow_rotate),
    (A.Rotate(180.0), slow_rotate),
]


@pytest.mark.parametrize(("how", "slow"), SLOW, ids=lambda each: str(each) if isinstance(each, A.Augmentation) else "")
def test_a_rule_is_its_slow_reference(how: A.Augmentation, slow: Callable[..., Any]) -> None:
    for epoch in range(4):
        made = augmented(IMAGES, [how], 3, epoch)
        expected = [slow(how, image, u) for image, u in zip(IMAGES, draws(len(IMAGES), 3, epoch), strict=True)]
        np.testing.assert_allclose(made, np.stack(expected), rtol=0, atol=CLOSE)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 4).map(lambda at: SLOW[[0, 2, 5, 7, 8][at]]),
    st.tuples(st.integers(1, 5), st.integers(1, 2), st.integers(1, 6), st.integers(1, 6)),
    st.integers(0, 9),
)
def test_any_size_of_image_is_its_slow_reference(rule: Any, shape: tuple[int, ...], seed: int) -> None:
    how, slow = rule
    images = np.random.default_rng(seed).uniform(0, 1, shape)
    expected = [slow(how, image, u) for image, u in zip(images, draws(len(images), seed, 1), strict=True)]
    np.testing.assert_allclose(augmented(images, [how], seed, 1), np.stack(expected), rtol=0, atol=CLOSE)


@pytest.mark.parametrize(("degrees", "turns"), [(90.0, 1), (-90.0, -1), (180.0, 2)])
def test_a_quarter_turn_is_exact_and_goes_as_scipys_does(degrees: float, turns: int) -> None:
    image = RNG.uniform(0, 1, (1, 1, 6, 6))
    made = augment._turned(image, np.deg2rad([degrees]))[0, 0]
    np.testing.assert_allclose(made, np.rot90(image[0, 0], turns), rtol=0, atol=CLOSE)
    np.testing.assert_allclose(made, ndimage.rotate(image[0, 0], degrees, order=1), rtol=0, atol=CLOSE)


def test_nothing_asked_for_changes_nothing() -> None:
    np.testing.assert_array_equal(augmented(IMAGES, [A.Flip(0.0), A.Rotate(1e-300)], 0, 0), IMAGES)
    assert augmented(IMAGES, [], 0, 0) is IMAGES


def test_a_certain_flip_twice_is_none() -> None:
    once = augmented(IMAGES, [A.Flip(1.0)], 0, 0)
    np.testing.assert_array_equal(once, IMAGES[..., ::-1])
    np.testing.assert_array_equal(augmented(IMAGES, [A.Flip(1.0)] * 2, 0, 0), IMAGES)


ALL = (A.Flip(), A.Crop(1), A.Rotate(20.0), A.Cutout(2))


def test_draws_differ_by_epoch_seed_and_place_in_the_list_and_leave_the_images_alone() -> None:
    before = IMAGES.copy()
    made = {(seed, epoch): augmented(IMAGES, ALL, seed, epoch) for seed in (0, 1) for epoch in (0, 1)}
    np.testing.assert_array_equal(IMAGES, before)
    np.testing.assert_array_equal(made[0, 0], augmented(IMAGES, ALL, 0, 0))
    found = list(made.values())
    assert all(not np.array_equal(a, b) for at, a in enumerate(found) for b in found[:at])
    shifts = augmented(IMAGES, [A.Crop(3)], 0, 0), augmented(IMAGES, [A.Flip(0.0), A.Crop(3)], 0, 0)
    assert not np.array_equal(*shifts)  # the second of a list has draws of its own


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.permutations(ALL))
def test_an_image_does_not_depend_on_how_many_come_after_it(count: int, how: list[A.Augmentation]) -> None:
    np.testing.assert_array_equal(augmented(IMAGES[:count], how, 2, 1), augmented(IMAGES, how, 2, 1)[:count])


def test_images_turned_in_blocks_are_those_turned_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = augmented(IMAGES, [A.Rotate(40.0)], 0, 0)
    monkeypatch.setattr(augment, "BLOCK", 4)
    np.testing.assert_array_equal(augmented(IMAGES, [A.Rotate(40.0)], 0, 0), whole)


def test_chances_and_reaches_are_those_asked_for() -> None:
    many = np.zeros((4000, 1, 3, 3))
    many[:, 0, 1, 0] = 1.0
    share = (augmented(many, [A.Flip(0.3)], 0, 0)[:, 0, 1, 2] == 1).mean()
    assert abs(share - 0.3) < 5 * math.sqrt(0.3 * 0.7 / 4000)  # five standard errors
    lone = np.pad(np.ones((2000, 1, 1, 1)), ((0, 0), (0, 0), (4, 4), (4, 4)))
    shifts = [np.argwhere(image[0])[0] - 4 for image in augmented(lone, [A.Crop(2)], 0, 0)]
    assert {tuple(each) for each in shifts} == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}
    angles = 2 * draws(2000, 0, 0)[:, 0] - 1
    assert (-1 < angles.min() < -0.99) and (0.99 < angles.max() < 1)


def test_people_name_augmentations() -> None:
    assert A.named("flip") == A.Flip()
    assert A.named("flip:0.25") == A.Flip(0.25)
    assert A.named("crop:4") == A.named("shift:4") == A.Crop(4)
    assert A.named("rotate:20") == A.Rotate(20.0)
    assert A.named("cutout:3") == A.Cutout(3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("flop", r"There is no augmentation 'flop'\. Did you mean 'flip'\?"),
        ("", r"There is no augmentation ''\. Known: flip, crop, shift, rotate, cutout\."),
        ("crop:wide", r"Expected crop:NUMBER, the padding of Crop\. Received: 'crop:wide'"),
        ("crop:2.5", "padding must be"),
        ("crop:-1", "padding must be"),
        ("flip:1.5", "chance must be"),
        ("rotate:0", "degrees must be"),
        ("rotate:nan", "degrees must be"),
        ("cutout:inf", "size must be"),
    ],
)
def test_bad_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        A.named(name)


DIGITS = S.Data(set="digits", normalise="standard", augment=ALL)
NET = S.Spec(
    "net",
    S.Sequential(S.Flatten(), S.Linear(8, name="hidden"), S.ReLU(), S.Linear(10)),
    (1, 28, 28),
    data=DIGITS,
    training=S.Training(optimizer=S.SGD(0.1), batch_size=20, epochs=3),
)


def test_a_spec_with_augmentation_round_trips() -> None:
    assert text.loads(text.dumps(NET)) == NET
    with pytest.raises(SpecError, match="augment must be a list of augmentations"):
        S.Data(augment=("flip",))  # type: ignore[arg-type]


def test_a_feed_varies_the_plain_images_and_then_normalises_by_their_moments() -> None:
    fed = feed(NET, dtype="float64", seed=4, limit=30)
    plain = feed(replace(NET, data=replace(DIGITS, augment=(), normalise="none")), dtype="float64", seed=4)
    pixels = plain.train.inputs["input"]
    for epoch in (0, 1):
        expected = (augmented(pixels[:30], ALL, 4, epoch) - pixels.mean()) / pixels.std()
        np.testing.assert_allclose(fed.vary(epoch)["input"], expected, rtol=0, atol=CLOSE)  # type: ignore[misc]
    assert plain.vary is None
    np.testing.assert_allclose(fed.train.inputs["input"], (pixels[:30] - pixels.mean()) / pixels.std(), atol=CLOSE)


class Held:
    """A session that keeps what it was given to hold and passes all else on."""

    def __init__(self, session: Any) -> None:
        self.session, self.held = session, []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def hold(self, name: str, inputs: Any, *rest: Any) -> None:
        self.held.append((name, {key: array.copy() for key, array in inputs.items()}))
        self.session.hold(name, inputs, *rest)


def test_both_backends_train_on_the_same_bits_and_each_epoch_on_others(both: tuple[Backend, Backend]) -> None:
    fed = feed(NET, limit=50)
    sessions = [Held(backend.session(NET)) for backend in both]
    left, right = (
        train_session(b.name, session, NET, fed, Settings())  # type: ignore[arg-type]
        for b, session in zip(both, sessions, strict=True)
    )
    names = [name for name, _ in sessions[0].held]
    assert names == [name for name, _ in sessions[1].held] == ["train", "test", "train", "train", "train"]
    for (_, one), (_, other) in zip(sessions[0].held, sessions[1].held, strict=True):
        np.testing.assert_array_equal(one["input"], other["input"], strict=True)
    epochs = [inputs["input"] for name, inputs in sessions[0].held if name == "train"]
    assert all(not np.array_equal(a, b) for at, a in enumerate(epochs) for b in epochs[:at])
    for epoch, seen in enumerate(epochs[1:]):
        np.testing.assert_array_equal(seen, fed.vary(epoch)["input"])  # type: ignore[misc]
    # nine steps in float32: 2^-24 with two digits to spare
    np.testing.assert_allclose(left.losses, right.losses, rtol=1e-5)


def test_an_augmented_run_goes_on_to_the_same_bits(backend: Backend, tmp_path: Any) -> None:
    fed, short = feed(NET, limit=50), text.with_fields(NET, epochs=1)
    whole = train(Here(), [backend.name], NET, fed, Settings(out=tmp_path / "whole"))[backend.name]
    train(Here(), [backend.name], short, fed, Settings(out=tmp_path / "cut"))
    rest = train(Here(), [backend.name], NET, fed, Settings(out=tmp_path / "cut", resume=True))[backend.name]
    assert rest.losses == whole.losses
    assert rest.accuracies == whole.accuracies
    for name, array in whole.session.weights().items():
        np.testing.assert_array_equal(rest.session.weights()[name], array)


def test_an_autoencoder_is_to_give_back_the_augmented_image() -> None:
    loss = S.MeanSquaredError(target="input")
    fed = feed(replace(NET, training=replace(NET.training, loss=loss)), limit=5)
    given: list[Any] = []

    class Recorder:
        def hold(self, *arguments: Any) -> None:
            given.append(arguments)

    fed.give_epoch(Recorder(), loss, 2)  # type: ignore[arg-type]
    ((name, inputs, targets, labels, soft),) = given
    assert (name, labels, soft) == ("train", None, None)
    assert targets is inputs["input"]


class Untouched(Here):
    def open(self, *arguments: Any, **options: Any) -> Any:
        msg = "work was begun"
        raise AssertionError(msg)


def test_augmentation_with_distillation_is_refused_before_any_work() -> None:
    with pytest.raises(SpecError, match=r"net: a teacher's soft targets are of the plain images.* Leave out data\."):
        distil(Untouched(), ["torch"], NET, NET, S.Distillation(), feed(NET, limit=20), Settings())
    taught = replace(NET, training=replace(NET.training, loss=S.Distillation()))
    with pytest.raises(SpecError, match="a distilled student takes no augmentation"):
        train_session("torch", None, taught, feed(taught, limit=20), Settings(), soft={})  # type: ignore[arg-type]
