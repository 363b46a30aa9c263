"""Metrics: against counting by hand, and against Keras's classes where it has them."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualnet.backends import Backend
from dualnet.diagnose.metrics import auc, by_class, top_k

RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, 5, 400)
SCORES = RNG.normal(size=(400, 5)) + 1.2 * np.eye(5)[LABELS]


def test_a_small_case_by_hand() -> None:
    scores = np.array([[3.0, 1, 0], [0, 2, 1], [2, 1, 0], [0, 1, 2], [1, 0, 5]])
    found = by_class(scores, np.array([0, 1, 1, 2, 2]))
    np.testing.assert_array_equal(found.support, [1, 2, 2])
    np.testing.assert_allclose(found.precision, [1 / 2, 1, 1])
    np.testing.assert_allclose(found.recall, [1, 1 / 2, 1])
    np.testing.assert_allclose(found.f1, [2 / 3, 2 / 3, 1])
    np.testing.assert_allclose(found.auc, [1, 5 / 6, 1])  # class 1: of 6 pairs, 4 in order and 2 level
    assert found.means()["recall"] == pytest.approx(5 / 6)


def test_a_class_that_never_comes_is_left_out_of_the_mean() -> None:
    found = by_class(np.array([[1.0, 0, 0], [0, 1, 0]]), np.array([0, 1]))
    assert np.isnan(found.precision[2])
    assert np.isnan(found.recall[2])
    assert np.isnan(found.auc[2])
    assert found.means() == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "auc": 1.0}


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=30))
def test_auc_is_the_share_of_pairs_in_order(pairs: list[tuple[int, bool]]) -> None:
    scores, positive = (np.array(each) for each in zip(*pairs, strict=True))
    among = list(product(scores[positive], scores[~positive]))
    if not among:
        assert np.isnan(auc(scores, positive))
    else:
        wanted = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in among) / len(among)
        assert auc(scores, positive) == pytest.approx(wanted)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_is_keras_own(both: tuple[Backend, Backend], k: int) -> None:
    import keras

    metric = keras.metrics.SparseTopKCategoricalAccuracy(k)
    metric.update_state(LABELS.astype(np.int32), SCORES.astype(np.float32))
    assert top_k(SCORES, LABELS, k) == pytest.approx(float(metric.result()), abs=1e-6)  # Keras counts in float32
    assert top_k(SCORES, LABELS, 1) == float((SCORES.argmax(1) == LABELS).mean())


def test_ties_count_for_the_lower_class() -> None:
    level = np.zeros((3, 4))
    assert [top_k(level, np.array([0, 1, 3]), k) for k in (1, 2, 4)] == [pytest.approx(1 / 3), pytest.approx(2 / 3), 1]
    with pytest.raises(ValueError, match="at least 1"):
        top_k(level, np.array([0, 1, 3]), 0)


def test_precision_recall_and_f1_are_keras_own(both: tuple[Backend, Backend]) -> None:
    import keras

    found = by_class(SCORES, LABELS)
    said, true = np.eye(5)[SCORES.argmax(1)], np.eye(5)[LABELS]
    for index in range(5):
        for kind, mine in ((keras.metrics.Precision, found.precision), (keras.metrics.Recall, found.recall)):
            metric = kind(class_id=index)
            metric.update_state(true, said)
            assert mine[index] == pytest.approx(float(metric.result()), abs=1e-6)  # Keras counts in float32
    metric = keras.metrics.F1Score(threshold=0.5)
    metric.update_state(true, said)
    np.testing.assert_allclose(found.f1, np.asarray(metric.result()), atol=1e-6)
