"""Shared dropout masks: the same draws, bit for bit, in Python integers, NumPy, torch and TensorFlow's three modes."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from dualnet import specs as S
from dualnet.backends import Backend, masks
from dualnet.backends.protocol import Array

SIZE = 3001
KEYS = [(masks.key(0, "dropout"), 0), (masks.key(7, "block.dropout"), 12345), (2**64 - 1, 2**40), (2**63, 1)]


def by_integers(key: int, step: int, index: int) -> float:
    """Return one draw by splitmix64 as its authors print it, in Python's unbounded integers."""
    word = 2**64
    z = (key + step * masks.STRIDE + index) * 0x9E3779B97F4A7C15 % word
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % word
    z = (z ^ z >> 27) * 0x94D049BB133111EB % word
    return float((z ^ z >> 31) >> 11) / 2.0**53


def by_torch(key: int, step: int) -> Array:
    import torch

    from dualnet.backends.torch.dropout import uniforms

    made: Array = uniforms(key, step, SIZE, torch.device("cpu")).numpy()
    return made


def by_tensorflow(mode: str) -> Callable[[int, int], Array]:
    def run(key: int, step: int) -> Array:
        import tensorflow as tf

        from dualnet.backends.keras.dropout import uniforms

        def draw(at: object) -> object:
            return uniforms(key, at, tf.constant(np.arange(SIZE, dtype=np.uint64)))

        compiled = {"eager": draw, "graph": tf.function(draw), "xla": tf.function(draw, jit_compile=True)}[mode]
        made: Array = compiled(tf.Variable(step, dtype=tf.int64)).numpy()
        return made

    return run


IMPLEMENTATIONS = {"torch": by_torch} | {mode: by_tensorflow(mode) for mode in ("eager", "graph", "xla")}


@pytest.mark.parametrize(("key", "step"), KEYS)
def test_numpy_is_splitmix64(key: int, step: int) -> None:
    expected = [by_integers(key, step, index) for index in range(SIZE)]
    np.testing.assert_array_equal(masks.uniforms(key, step, SIZE), expected)


@pytest.mark.parametrize(("key", "step"), KEYS)
@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_frameworks_draw_the_same_bits(both: object, name: str, key: int, step: int) -> None:
    np.testing.assert_array_equal(IMPLEMENTATIONS[name](key, step), masks.uniforms(key, step, SIZE), strict=True)


def test_draws_are_uniform_and_unrelated_from_step_to_step_and_layer_to_layer() -> None:
    first, later, other = (masks.uniforms(masks.key(0, path), step, 20000) for path, step in
                           (("a", 0), ("a", 1), ("b", 0)))  # fmt: skip
    # fixed seeds; a fair generator would fail each of these once in 1e6 seeds
    assert stats.kstest(first, "uniform").pvalue > 1e-6
    for second in (later, other, first[1:], later[7:]):
        assert abs(np.corrcoef(first[: second.size], second)[0, 1]) < stats.norm.isf(5e-7) / np.sqrt(second.size)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout_keeps_its_share_and_scales_it(backend: Backend, rate: float, dtype: str) -> None:
    session = backend.session(S.Spec("drop", S.Dropout(rate), (5, 10, 8)), dtype=dtype, seed=3)
    x = np.random.default_rng(60).normal(size=(25, 5, 10, 8)).astype(dtype)
    made = session.forward({"input": x}, training=True, step=4)["outputs"][0]
    kept = made != 0
    np.testing.assert_array_equal(kept, masks.uniforms(masks.key(3, "dropout"), 4, x.size).reshape(x.shape) >= rate)
    np.testing.assert_allclose(made[kept], (x / (1 - rate))[kept], rtol=float(np.finfo(dtype).eps))
    assert abs(kept.mean() - (1 - rate)) <= 5 * np.sqrt(rate * (1 - rate) / x.size)
    np.testing.assert_array_equal(session.forward({"input": x}, step=4)["outputs"][0], x)


def test_each_training_step_draws_a_mask_of_its_own(both: tuple[Backend, Backend]) -> None:
    spec = S.Spec("drop", S.Sequential(S.Dropout(0.5), S.Linear(2)), (6,))
    x = np.random.default_rng(61).normal(size=(4, 6))
    losses = []
    for backend in both:
        session = backend.session(spec, dtype="float64", seed=3)
        session.hold("train", {"input": x}, targets=np.ones((4, 2)))
        session.prepare(S.MeanSquaredError(), S.SGD())
        losses.append(session.steps("train", np.tile(np.arange(4), (3, 1)), np.zeros(3))["loss"])
        each = [session.forward({"input": x}, training=True, step=step)["outputs"][0] for step in range(3)]
        # one squared mean of eight values: a handful of roundings
        np.testing.assert_allclose(losses[-1], [((made - 1) ** 2).mean() for made in each], rtol=1e-14)
    assert len(set(losses[0])) == 3
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-14)
