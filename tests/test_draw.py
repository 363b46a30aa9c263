"""Shared draws are the same bits everywhere, and follow the distributions that they name.

A statistical test here has a false-alarm rate of about 1e-9 for a fresh key. The keys are fixed, so it passes always or
never; the rate says how unlucky a key must be to fail it without a fault.
"""

import hashlib
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from dualnet import specs as S
from dualnet.errors import SpecError
from dualnet.specs.draw import RULES, Array, draw, log, normal, normal_quantile, orthonormal, uniform
from dualnet.specs.initializers import Initializer
from dualnet.specs.parameter import Parameter
from dualnet.specs.weights import fans

DENSE, CONV = ("fc.weight", (6, 5)), ("conv.weight", (4, 3, 3, 2))
SIGMAS = 6.1  # a normal statistic strays further once in 1e9


def fill(start: Initializer, name: str = "fc.weight", shape: tuple[int, ...] = (300, 200), seed: int = 7) -> Array:
    return draw(Parameter(name, shape, start, *fans(shape)), seed, name)


GOLDEN: list[tuple[Initializer, tuple[str, tuple[int, ...]], str]] = [
    (S.Zeros(), DENSE, "2dfba633817046c7"),
    (S.Ones(), DENSE, "d53cc28498cba27f"),
    (S.Constant(0.1), DENSE, "87b6fef4302e6175"),
    (S.Uniform(-0.5, 0.25), DENSE, "b7d49294e7c67007"),
    (S.Normal(0.5, 2.0), DENSE, "4d47b2ce2acd64e8"),
    (S.TruncatedNormal(), DENSE, "cb1918ce83d4d1b4"),
    (S.TruncatedNormal(0.3, 0.7, -0.1, 9.0), DENSE, "ba0f8f7b540ac781"),
    (S.Eye(), DENSE, "9c380cb1330e9755"),
    (S.Orthogonal(1.5), DENSE, "dfdfb1d04706078c"),
    (S.XavierUniform(0.5), DENSE, "81d19b5b90f32425"),
    (S.XavierNormal(), DENSE, "5b4ba782c92ab5ef"),
    (S.XavierNormal(truncated=True), DENSE, "6994a0e8f5d0b50c"),
    (S.KaimingUniform(), DENSE, "3fd4b754affc65cb"),
    (S.KaimingUniform("fan_out", "leaky_relu", 0.2), DENSE, "c291c7664a326b17"),
    (S.KaimingNormal(), DENSE, "309823ab8d54d8fd"),
    (S.KaimingNormal("fan_out", "tanh", truncated=True), DENSE, "bd4a18a2f80cb8db"),
    (S.LecunUniform(), DENSE, "c7c25a9865217f23"),
    (S.LecunNormal(), DENSE, "31d50c7b081be83c"),
    (S.LecunNormal(truncated=True), DENSE, "80e7c1d46b594607"),
    (S.FanInUniform(), DENSE, "9702c1a99ec6a292"),
    (S.VarianceScaling(), DENSE, "80e7c1d46b594607"),
    (S.VarianceScaling(2.0, "fan_avg", "uniform"), DENSE, "270831a8ac322314"),
    (S.Sparse(0.3), DENSE, "aae5876f245d66bb"),
    (S.Rows(S.Normal(0.0, 0.5), 1, 3, 0.25), DENSE, "f60bdd4aba73a998"),
    (S.Dirac(), CONV, "33716dee47a7270f"),
    (S.Orthogonal(), CONV, "6dcacd379b68b64c"),
    (S.KaimingUniform(), CONV, "c66439fec7881728"),
    (S.KaimingNormal(), CONV, "f48be8a6ac4e4ad3"),
]


@pytest.mark.parametrize(("start", "where", "digest"), GOLDEN, ids=lambda value: str(value)[:60])
def test_every_bit_is_the_one_drawn_when_this_was_written(
    start: Initializer, where: tuple[str, tuple[int, ...]], digest: str
) -> None:
    assert hashlib.sha256(fill(start, *where).astype("<f8").tobytes()).hexdigest()[:16] == digest


def test_every_initializer_has_a_rule_and_a_golden_value() -> None:
    assert set(RULES) == set(Initializer.registry.values()) == {type(start) for start, _, _ in GOLDEN}


def test_rows_leave_the_rest_as_it_is_drawn() -> None:
    rest, rows = fill(S.Normal(0.0, 0.5), *DENSE), fill(S.Rows(S.Normal(0.0, 0.5), 1, 3, 0.25), *DENSE)
    np.testing.assert_array_equal(rows[[0, 3, 4, 5]], rest[[0, 3, 4, 5]])
    np.testing.assert_array_equal(rows[1:3], 0.25)


def test_uniform_is_philox_keyed_by_the_hash_of_the_key_in_the_open_interval() -> None:
    key = np.frombuffer(hashlib.sha256(b"7/fc.weight").digest()[:16], dtype="<u8").astype(np.uint64)
    raw = [int(word) for word in np.random.Philox(key=key).random_raw(1000)]
    drawn = uniform(1000, 7, "fc.weight")
    assert drawn.tolist() == [((word >> 12) + 0.5) / 2**52 for word in raw]
    assert 0.0 < drawn.min() < drawn.max() < 1.0


def test_log_is_within_one_unit_in_the_last_place() -> None:
    # fdlibm promises less than 1 ulp of error and so does scipy's; a unit of each may fall on either side: 2
    x = np.concatenate(
        [uniform(20_000, "x"), 10.0 ** (600 * uniform(20_000, "e") - 300), 1 + 1e-3 * normal(20_000, "n")]
    )
    expected = np.array([math.log(value) for value in x])
    assert np.all(np.abs(log(x) - expected) <= 2 * np.spacing(np.abs(expected)))
    assert log(np.ones(1))[0] == 0.0


def test_normal_quantile_is_within_a_few_units_in_the_last_place() -> None:
    # AS 241 promises about 1e-16 in exact arithmetic; its two polynomials of eight terms round about 5 times more
    tails = 2.0 ** (-52 * uniform(20_000, "tail"))
    p = np.concatenate(
        [uniform(20_000, "p"), tails, 1.0 - tails[tails > 1e-12], [2.0**-53, 1 - 2.0**-53, 0.075, 0.925]]
    )
    p = p[(p > 0) & (p < 1)]
    expected = special.ndtri(p)
    assert np.all(np.abs(normal_quantile(p) - expected) <= 12 * np.spacing(np.abs(expected)))
    assert normal_quantile(np.array([0.5]))[0] == 0.0


def test_normal_quantile_is_odd() -> None:
    p = uniform(1000, "odd") / 2
    p = 1.0 - (1.0 - p)  # so that 1 - p is exact
    assert np.array_equal(normal_quantile(p), -normal_quantile(1.0 - p))


def kaiming(fan: int, gain: float) -> float:
    return gain**2 / fan


# fan_in 200, fan_out 300: mean, variance
MOMENTS: list[tuple[Initializer, float, float]] = [
    (S.Uniform(-1.0, 3.0), 1.0, 16 / 12),
    (S.Normal(0.5, 2.0), 0.5, 4.0),
    (S.TruncatedNormal(1.0, 2.0, -3.0, 5.0), 1.0, 4 * stats.truncnorm.var(-2, 2)),
    (S.TruncatedNormal(0.0, 1.0, 1.0, 100.0), stats.truncnorm.mean(1, 100), stats.truncnorm.var(1, 100)),
    (S.XavierUniform(0.5), 0.0, 0.25 * 2 / 500),
    (S.XavierNormal(3.0), 0.0, 9 * 2 / 500),
    (S.XavierNormal(truncated=True), 0.0, 2 / 500),
    (S.KaimingUniform(), 0.0, kaiming(200, math.sqrt(2))),
    (S.KaimingUniform("fan_out", "leaky_relu", 0.5), 0.0, kaiming(300, math.sqrt(2 / 1.25))),
    (S.KaimingUniform("fan_in", "leaky_relu", math.sqrt(5)), 0.0, 1 / 600),
    (S.KaimingNormal("fan_out"), 0.0, kaiming(300, math.sqrt(2))),
    (S.KaimingNormal(nonlinearity="tanh", truncated=True), 0.0, kaiming(200, 5 / 3)),
    (S.KaimingNormal(nonlinearity="selu"), 0.0, kaiming(200, 0.75)),
    (S.KaimingNormal(nonlinearity="linear"), 0.0, kaiming(200, 1)),
    (S.LecunUniform(), 0.0, 1 / 200),
    (S.LecunNormal(), 0.0, 1 / 200),
    (S.LecunNormal(truncated=True), 0.0, 1 / 200),
    (S.FanInUniform(), 0.0, 1 / 600),
    (S.VarianceScaling(3.0, "fan_avg", "uniform"), 0.0, 3 / 250),
    (S.VarianceScaling(3.0, "fan_out"), 0.0, 1 / 100),
    (S.VarianceScaling(2.0, "fan_in", "untruncated_normal"), 0.0, 1 / 100),
    (S.Sparse(0.251, 2.0), 0.0, 4 * (1 - 76 / 300)),
    (S.Orthogonal(2.0), 0.0, 4 / 300),
]


@pytest.mark.parametrize(("start", "mean", "variance"), MOMENTS, ids=lambda value: str(value)[:60])
def test_mean_and_variance_are_those_of_the_formula(start: Initializer, mean: float, variance: float) -> None:
    drawn = fill(start)
    fourth = np.mean((drawn - mean) ** 4)
    assert abs(drawn.mean() - mean) < SIGMAS * math.sqrt(variance / drawn.size)
    assert abs(np.mean((drawn - mean) ** 2) - variance) < SIGMAS * math.sqrt((fourth - variance**2) / drawn.size)


@pytest.mark.parametrize(
    ("start", "law"),
    [
        (S.Uniform(-1.0, 3.0), stats.uniform(-1, 4)),
        (S.Normal(0.5, 2.0), stats.norm(0.5, 2)),
        (S.TruncatedNormal(1.0, 2.0, 0.0, 4.0), stats.truncnorm(-0.5, 1.5, 1, 2)),
        (S.TruncatedNormal(0.0, 1.0, 4.0, 50.0), stats.truncnorm(4, 50)),
        (S.TruncatedNormal(0.0, 1.0, -50.0, -4.0), stats.truncnorm(-50, -4)),
        (
            S.KaimingNormal(nonlinearity="linear", truncated=True),
            stats.truncnorm(-2, 2, 0, 0.1 / 1.4142135 / 0.8796257),
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_the_whole_distribution_is_the_one_named(start: Initializer, law: stats.rv_continuous) -> None:
    assert stats.kstest(fill(start).ravel(), law.cdf).pvalue > 1e-9


def test_uniform_draws_fill_their_bounds_and_never_pass_them() -> None:
    bound = math.sqrt(6 / 500)  # the largest of 60,000 draws falls short of 0.999 of it once in 1e13
    drawn = fill(S.XavierUniform())
    assert 0.999 * bound < drawn.max() < bound
    assert -bound < drawn.min() < -0.999 * bound


@pytest.mark.parametrize(
    ("low", "high"), [(-2.0, 2.0), (1.0, 1.5), (-9.0, -1.0), (6.0, 50.0), (-50.0, -6.0), (-1e300, 0.0)]
)
def test_truncated_draws_stay_within_their_bounds_far_from_the_mean_too(low: float, high: float) -> None:
    drawn = fill(S.TruncatedNormal(0.0, 1.0, low, high))
    assert np.all(np.isfinite(drawn))
    assert low <= drawn.min() < drawn.max() <= high


def test_truncation_beyond_reach_is_refused() -> None:
    with pytest.raises(SpecError, match=r"within 7 std of the mean\. Received: low=9\.0 and high=10\.0"):
        fill(S.TruncatedNormal(0.0, 1.0, 9.0, 10.0))


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (6, 6), (1, 4), (4, 1), (64, 200)])
def test_the_shorter_side_of_an_orthogonal_weight_is_orthonormal(shape: tuple[int, int]) -> None:
    drawn = orthonormal(*shape, 3, "q")
    product = drawn @ drawn.T if shape[0] <= shape[1] else drawn.T @ drawn
    # each entry is a sum of up to 200 products of size 1/200 or so, rounded at 1e-16 each
    assert np.abs(product - np.eye(min(shape))).max() < 1e-14


def test_an_orthogonal_convolution_has_orthonormal_filters() -> None:
    filters = fill(S.Orthogonal(3.0), *CONV).reshape(4, 18)
    assert np.abs(filters @ filters.T - 9 * np.eye(4)).max() < 1e-13


def test_a_large_orthogonal_weight_takes_seconds() -> None:
    begun = time.process_time()
    orthonormal(512, 512, 0, "large")
    assert time.process_time() - begun < 10


def test_eye_and_dirac_are_the_identity() -> None:
    assert np.array_equal(fill(S.Eye(), "w", (3, 5)), np.eye(3, 5))
    kernel = fill(S.Dirac(), "w", (2, 4, 3, 5))
    assert np.argwhere(kernel).tolist() == [[0, 0, 1, 2], [1, 1, 1, 2]]
    assert kernel.sum() == 2.0


@pytest.mark.parametrize(("start", "shape"), [(S.Eye(), (3,)), (S.Dirac(), (3, 3)), (S.Orthogonal(), (3,))])
def test_a_shape_that_an_initializer_cannot_fill_is_refused(start: Initializer, shape: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match=rf"{type(start).__name__} fills .*Received: w of shape \[3"):
        draw(Parameter("w", shape, start, 3, 3), 0, "w")


def test_the_same_key_gives_the_same_bits_and_any_other_key_gives_others() -> None:
    first = fill(S.Normal())
    assert np.array_equal(first, fill(S.Normal()))
    for other in (fill(S.Normal(), seed=8), fill(S.Normal(), "fc.weigh"), fill(S.Normal(), "fc2.weight")):
        assert not np.intersect1d(first, other).size
        assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < SIGMAS / math.sqrt(first.size)


def test_drawing_one_parameter_leaves_the_next_as_it_was() -> None:
    alone = fill(S.Normal(), "b")
    fill(S.Normal(), "a")
    assert np.array_equal(fill(S.Normal(), "b"), alone)


@given(st.integers(1, 200), st.integers(0, 200))
def test_a_growing_array_keeps_its_prefix_where_no_fan_scales_it(size: int, more: int) -> None:
    # Normal, Uniform and TruncatedNormal have this; with fans the scale changes, and Orthogonal mixes all its draws
    assert np.array_equal(normal(size + more, 1, "w")[:size], normal(size, 1, "w"))
    short, long = (fill(S.TruncatedNormal(), "w", (rows, 3)) for rows in (size, size + more))
    assert np.array_equal(long[:size], short)


@pytest.mark.parametrize("start", [S.Zeros(), S.Normal(), S.Orthogonal(), S.Eye()])
def test_what_is_drawn_can_be_written_to_and_lies_in_order(start: Initializer) -> None:
    drawn = fill(start)
    assert drawn.flags.writeable
    assert drawn.flags.c_contiguous
    assert drawn.dtype == np.float64
    assert drawn.shape == (300, 200)
