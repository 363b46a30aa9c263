"""Splits and batches are disjoint, cover everything, and never change; pixels become numbers exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualnet.data import batches, epoch_order, load_dataset, mean_std, normalise, split, stacked, to_float
from dualnet.data.split import official_rows, ratio_rows

SEEDS = st.integers(0, 2**63)
RATIOS = st.tuples(st.integers(0, 100), st.integers(0, 100)).map(
    lambda cuts: (min(cuts) / 100, (max(cuts) - min(cuts)) / 100, (100 - max(cuts)) / 100)
)

GOLDEN_ORDERS = {
    (0, 0): [29393, 49001, 54666, 22218, 39334, 29741, 2518, 22403],
    (0, 1): [49211, 42570, 10174, 51419, 3643, 36440, 14161, 28837],
    (1, 0): [51428, 42545, 34893, 36651, 3832, 41252, 58734, 50664],
    (12345, 7): [14777, 17289, 2010, 34590, 36813, 52603, 17429, 33740],
}
GOLDEN_SPLIT = [49164, 39342, 25944, 59937, 30160, 44321, 16333, 25413]


@pytest.mark.parametrize("seed_epoch", GOLDEN_ORDERS)
def test_orders_never_change(seed_epoch) -> None:
    assert epoch_order(60_000, *seed_epoch)[:8].tolist() == GOLDEN_ORDERS[seed_epoch]


def test_the_split_never_changes() -> None:
    assert ratio_rows(70_000, (0.7, 0.15, 0.15), 0)[0][:8].tolist() == GOLDEN_SPLIT


@given(st.integers(0, 500), SEEDS, st.integers(0, 1000))
def test_an_order_holds_each_row_once(n, seed, epoch) -> None:
    order = epoch_order(n, seed, epoch)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))


@given(st.integers(0, 300), st.integers(1, 40), SEEDS)
def test_batches_cover_the_order(n, batch_size, seed) -> None:
    order = epoch_order(n, seed, 0)
    pieces = list(batches(order, batch_size))
    assert [row for piece in pieces for row in piece] == order.tolist()
    assert all(len(piece) == batch_size for piece in pieces[:-1])
    assert all(0 < len(piece) <= batch_size for piece in pieces)
    assert len(list(batches(order, batch_size, drop_last=True))) == n // batch_size


@given(st.integers(0, 300), st.integers(1, 40))
def test_stacked_batches_are_the_same_batches(n, batch_size) -> None:
    order = epoch_order(n, 0, 0)
    full, remainder = stacked(order, batch_size)
    assert full.shape == (n // batch_size, batch_size)
    assert [*full.ravel(), *remainder] == order.tolist()


def test_a_batch_holds_at_least_one() -> None:
    with pytest.raises(ValueError, match=r"at least 1\. Received: 0"):
        list(batches(epoch_order(4, 0, 0), 0))


@given(st.integers(0, 400), RATIOS, SEEDS)
def test_ratio_splits_are_disjoint_and_cover(n, ratios, seed) -> None:
    parts = ratio_rows(n, ratios, seed)
    assert sorted(row for part in parts for row in part) == list(range(n))
    assert all(abs(len(part) - n * ratio) <= 1 for part, ratio in zip(parts, ratios, strict=True))


@given(st.integers(1, 200), st.integers(0, 50), st.data())
def test_official_splits_are_disjoint_and_cover(published, test, data) -> None:
    first = data.draw(st.none() | st.integers(1, published))
    train, validation, rest = official_rows(published, published + test, first)
    assert [*train, *validation, *rest] == list(range(published + test))
    assert (len(train), len(rest)) == (first or published, test)


def test_seventy_thousand_split_as_promised() -> None:
    assert [len(part) for part in ratio_rows(70_000, (0.70, 0.15, 0.15), 0)] == [49_000, 10_500, 10_500]
    assert [len(part) for part in official_rows(60_000, 70_000, 50_000)] == [50_000, 10_000, 10_000]


def test_the_official_split_is_the_set_itself() -> None:
    data = load_dataset("digits")
    parts = split(data)
    assert np.array_equal(parts.train_images, data.train_images)
    assert np.array_equal(parts.test_labels, data.test_labels)
    assert parts.validation_images.shape == (0, 1, 8, 8)


def test_first_moves_the_last_training_images_to_validation() -> None:
    data = load_dataset("digits")
    parts = split(data, first=1000)
    assert np.array_equal(parts.train_labels, data.train_labels[:1000])
    assert np.array_equal(parts.validation_images, data.train_images[1000:])


def test_labels_stay_with_their_images() -> None:
    data = load_dataset("digits")
    known = {image.tobytes(): label for image, label in zip(data.train_images, data.train_labels, strict=True)}
    known |= {image.tobytes(): label for image, label in zip(data.test_images, data.test_labels, strict=True)}
    parts = split(data, (0.5, 0.3, 0.2), seed=7)
    for images, labels in (
        (parts.train_images, parts.train_labels),
        (parts.validation_images, parts.validation_labels),
        (parts.test_images, parts.test_labels),
    ):
        assert [known[image.tobytes()] for image in images] == labels.tolist()


@pytest.mark.parametrize("ratios", [(0.5, 0.5, 0.5), (1.2, -0.1, -0.1), (0.5, 0.5), (float("nan"), 0.5, 0.5)])
def test_ratios_must_add_up(ratios) -> None:
    with pytest.raises(ValueError, match="add up to 1"):
        ratio_rows(10, ratios, 0)


@pytest.mark.parametrize("first", [0, -1, 1438])
def test_first_must_fit(first) -> None:
    with pytest.raises(ValueError, match="between 1 and the 1,437"):
        split(load_dataset("digits"), first=first)


def test_first_goes_with_the_official_split_only() -> None:
    with pytest.raises(ValueError, match='"official" split only'):
        split(load_dataset("digits"), (0.7, 0.15, 0.15), first=5)


def test_pixels_become_numbers_from_0_to_1() -> None:
    assert to_float(np.array([0, 51, 255], np.uint8), 255).tolist() == [0, 0.2, 1]
    assert to_float(np.array([0, 4, 16], np.uint8), 16).tolist() == [0, 0.25, 1]
    with pytest.raises(ValueError, match=r"0 to 16\. Received: 0 to 255"):
        to_float(np.array([0, 255], np.uint8), 16)


def test_normalised_pixels_have_mean_0_and_population_std_1() -> None:
    images = to_float(load_dataset("digits").train_images, 16)
    mean, std = mean_std(images)
    assert std == pytest.approx(float(np.sqrt(((images - mean) ** 2).sum() / images.size)), rel=1e-13)
    assert mean_std(normalise(images, mean, std)) == pytest.approx((0, 1), abs=1e-12)
    with pytest.raises(ValueError, match="above 0"):
        normalise(images, mean, 0.0)
