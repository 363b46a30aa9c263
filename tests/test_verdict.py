"""The verdict on one tensor: float64 decides, zeros are told from small values, and no NaN is ever green."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualnet.compare import curves
from dualnet.compare.stages.accuracy import equivalence
from dualnet.compare.verdict import Four, judge, worst, zero

RNG = np.random.default_rng(0)
VALUES = RNG.standard_normal((5, 7))


def four(left64: Any, right64: Any, noise: float = 1e-7) -> Four:
    """Return both sides in both precisions; in float32 each has rounding of its own."""
    noises = (np.random.default_rng(seed).uniform(-noise, noise, np.shape(left64)) for seed in (1, 2))
    left32, right32 = ((side * (1 + n)).astype(np.float32) for side, n in zip((left64, right64), noises, strict=True))
    return Four(left32, right32, np.asarray(left64), np.asarray(right64))


def test_one_function_is_equal_or_rounding() -> None:
    assert judge("x", four(VALUES, VALUES)).verdict in ("equal", "rounding")
    assert judge("x", four(VALUES, VALUES * (1 + 1e-15))).verdict in ("equal", "rounding")
    assert judge("x", Four(*(VALUES.astype(t) for t in ("f", "f", "d", "d")))).verdict == "equal"


def test_beyond_both_sides_noise_is_rounding() -> None:
    off = VALUES.astype(np.float32) * np.float32(1 + 1e-5)
    assert judge("x", Four(VALUES.astype(np.float32), off, VALUES, VALUES)).verdict in ("equal", "rounding")
    found = judge("x", Four(VALUES.astype(np.float32), VALUES.astype(np.float32), VALUES, VALUES))
    assert (found.verdict, found.gap32, found.gap64) == ("equal", 0.0, 0.0)


@given(st.floats(1e-9, 1e3), st.integers(0, VALUES.size - 1), st.booleans())
def test_a_difference_of_one_entry_that_stays_in_float64_is_divergent(size: float, at: int, sign: bool) -> None:
    other = VALUES.copy()
    other.flat[at] += size * np.abs(VALUES).max() * (1 if sign else -1)
    assert judge("x", four(VALUES, other)).verdict == "divergent"


@given(st.permutations(range(7)))
def test_a_permutation_is_never_accepted(order: list[int]) -> None:
    same = order == sorted(order)
    assert (judge("x", four(VALUES, VALUES[:, order])).verdict == "divergent") is not same


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_on_one_side_are_divergent(bad: float) -> None:
    other = VALUES.copy()
    other[0, 0] = bad
    for left, right in ((VALUES, other), (other, VALUES)):
        assert judge("x", four(left, right)).verdict == "divergent"
    assert (
        judge(
            "x", four(other, np.where(np.isnan(other) | np.isinf(other), -bad if np.isinf(bad) else 1.0, other))
        ).verdict
        == "divergent"
    )


def test_the_same_nan_on_both_sides_is_said_and_the_rest_compared() -> None:
    left, right = VALUES.copy(), VALUES.copy()
    left[0, 0] = right[0, 0] = np.nan
    found = judge("x", four(left, right))
    assert (found.verdict, found.note) == ("rounding", "1 of 35 values are not finite on both sides")
    right[3, 3] += 1.0
    assert judge("x", four(left, right)).verdict == "divergent"


def test_shapes_must_agree() -> None:
    found = judge("x", Four(VALUES, VALUES.T, VALUES, VALUES.T))
    assert (found.verdict, found.note) == ("divergent", "shapes (5, 7) and (7, 5)")


def noise(scale: float, seed: int) -> Any:
    return np.random.default_rng(seed).uniform(-scale, scale, 9)


def test_what_shrinks_with_the_unit_roundoff_is_zero_and_listed() -> None:
    found = judge("bias", Four(noise(1e-8, 1), noise(1e-8, 2), noise(1e-17, 3), noise(1e-17, 4)))
    assert (found.verdict, found.note) == ("equal", "zero in theory: judged by the noise floor")


def test_small_is_not_zero() -> None:
    """A vanishing gradient is as small in float64 as in float32: its differences count."""
    small = noise(1e-20, 1)
    assert not zero(small, small, reference=1.0)
    assert judge("w", Four(small, small, small, small * 1.001), reference=1.0).verdict == "divergent"
    assert judge("w", Four(small, small, small, small), reference=1.0).verdict == "equal"


def test_zero_on_one_side_only_is_divergent() -> None:
    real = noise(1e-3, 1)
    assert judge("b", Four(real, noise(1e-8, 2), real, noise(1e-17, 3))).verdict == "divergent"
    assert judge("b", Four(real, np.zeros(9), real, np.zeros(9))).verdict == "divergent"


def test_the_worst_verdict_counts_and_nothing_is_not_checked() -> None:
    assert worst(["equal", "divergent", "rounding", "unstable"]) == "divergent"
    assert worst(["equal", "unstable", "rounding"]) == "unstable"
    assert worst(["not checked", "equal"]) == "equal"
    assert worst([]) == worst(["not checked"]) == "not checked"


def test_curves_are_judged_by_the_run_s_own_noise() -> None:
    base = np.linspace(2.0, 0.5, 100)
    nudged = base * (1 + 1e-4)
    assert curves.losses("l", base, base * (1 + 5e-5), nudged).verdict == "equal"
    assert curves.losses("l", base, base * (1 + 2e-4), nudged).verdict == "rounding"
    assert curves.losses("l", base, base * (1 + 5e-4), nudged).verdict == "divergent"
    assert curves.losses("l", base, base * (1 + 5e-6), base).verdict == "rounding"  # one switched unit
    assert curves.losses("l", base, base * (1 + 5e-6), base, "float64").verdict == "divergent"
    assert curves.losses("l", base, np.where(base < 1, np.nan, base), nudged).verdict == "divergent"


def test_accuracies_of_a_chaotic_run_give_no_verdict() -> None:
    assert curves.accuracies("a", 0.80, 0.801, 0.80, chaos=1e-7).verdict == "rounding"
    assert curves.accuracies("a", 0.80, 0.75, 0.80, chaos=1e-7).verdict == "divergent"
    assert curves.accuracies("a", 0.80, 0.75, 0.80, chaos=1e-2).verdict == "unstable"
    assert curves.accuracies("a", 0.80, 0.75, 0.79, chaos=1e-2).verdict == "rounding"


def test_equivalence_needs_the_whole_interval_inside_the_margin() -> None:
    left = [0.8, 0.81, 0.79, 0.805]
    assert equivalence(left, [x + 0.001 for x in left]).verdict == "equal"
    assert equivalence(left, [x - 0.02 for x in left]).verdict == "divergent"
    assert equivalence(left, [0.81, 0.80, 0.80, 0.79]).verdict == "not checked"


def test_equivalence_seldom_blames_a_correct_pair() -> None:
    """Two samples of one noisy distribution: at a false-alarm rate of 1e-3, more than 10 of 2,000 has odds of 1e-5."""
    rng = np.random.default_rng(0)
    blamed = sum(
        equivalence(*(list(0.8 + 0.02 * rng.standard_normal(3)) for _ in range(2))).verdict == "divergent"
        for _ in range(2000)
    )
    assert blamed <= 10


def test_a_side_that_is_wrong_in_float32_only_is_no_alibi_for_itself() -> None:
    exact = VALUES.astype(np.float32)
    found = judge("x", Four(exact, exact * np.float32(1.01), VALUES, VALUES))
    assert (found.verdict, found.note) == (
        "divergent",
        "one side is off by 1e-02 in the lower precision only, the other by 2e-08",
    )
    rough = four(VALUES, VALUES, noise=1e-2)  # both sides as inexact as each other: an ill-conditioned layer
    assert judge("x", rough).verdict in ("equal", "rounding")
    assert judge("x", Four(exact, exact * np.float32(1.01), VALUES, VALUES), balanced=False).verdict != "divergent"


def test_what_overflows_in_float32_is_still_judged_in_float64() -> None:
    overflowed = np.full(VALUES.shape, np.nan, np.float32)
    assert judge("x", Four(overflowed, overflowed, VALUES, VALUES)).verdict == "rounding"
    assert judge("x", Four(overflowed, overflowed, VALUES, VALUES * 1.5)).verdict == "divergent"


def test_nothing_finite_is_no_verdict() -> None:
    nothing = np.full((2, 3), np.nan)
    assert judge("x", Four(nothing, nothing, nothing, nothing)).verdict == "unstable"


def test_a_gap_that_shrinks_with_the_unit_roundoff_is_rounding() -> None:
    rough, other = four(VALUES, VALUES, noise=0.5), VALUES * (1 + 1e-8)
    found = judge("x", Four(rough.left32, rough.right32, VALUES, other))
    assert (found.verdict, found.note.partition(":")[0]) == ("rounding", "amplified rounding")
    assert judge("x", four(VALUES, other)).verdict == "divergent"
