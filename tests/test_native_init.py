"""Each framework's own draws, by its own generator: the distributions that the initializers' docstrings promise."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

import dualnet
from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.protocol import Array, Arrays

# Each check fails by chance once in 1e7 seeds; the 200 of this page together once in 50,000. The seeds are fixed, so
# what passes once passes always, until the draws themselves change.
FALSE_ALARM = 1e-7
SIGMAS = float(stats.norm.isf(FALSE_ALARM / 2))

# keras.random takes its bounds through float32, which moves them by up to 6e-8 of their size.
ROUNDED = 1e-7

IMAGE = (20, 5, 4)
KERNELS = "conv", "grouped", "depthwise", "keras_depthwise", "transposed", "stock_transposed", "conv1d", "conv3d"
ANY_SHAPE = ("linear", *KERNELS)
MADE = {"flat", "signal", "volume"}  # what layers read that do not read the input


def spec(weight: S.Initializer | None, bias: S.Initializer | None = None, only: tuple[str, ...] = ANY_SHAPE) -> S.Spec:
    """Return a model of one layer of each kind, side by side."""
    start: dict[str, Any] = {"weight_init": weight, "bias_init": bias, "inputs": ("input",)}
    layers = (
        S.Flatten(name="flat"),
        S.Linear(30, name="linear", **start | {"inputs": ("flat",)}),
        S.Conv2d(48, (3, 2), name="conv", **start),
        S.Conv2d(48, (3, 2), groups=4, name="grouped", **start),
        S.Conv2d(60, 3, groups=20, name="depthwise", **start),
        S.Conv2d(60, 3, groups=20, fans="depthwise", name="keras_depthwise", **start),
        S.ConvTranspose2d(32, (3, 2), groups=2, stride=2, dilation=2, name="transposed", **start),
        S.ConvTranspose2d(32, (3, 2), padding="same", name="stock_transposed", **start),
        S.Reshape((20, -1), name="signal", inputs=("input",)),
        S.Conv1d(48, 5, padding="causal", name="conv1d", **start | {"inputs": ("signal",)}),
        S.Reshape((20, 5, 2, 2), name="volume", inputs=("input",)),
        S.Conv3d(40, 2, groups=4, name="conv3d", **start | {"inputs": ("volume",)}),
    )
    return S.Spec(
        "drawn", S.Block(tuple(layer for layer in layers if layer.name in {*only, *MADE}), outputs=only), IMAGE
    )


def drawn(backend: Backend, model: S.Spec, seed: int = 50) -> Arrays:
    session = backend.session(model, dtype="float64")
    session.draw(seed)
    return session.weights()


def fans(name: str, weights: Arrays) -> tuple[int, int]:
    """Return the fans of a layer's kernel: torch's rule, but for Keras's own depthwise one."""
    shape = weights[f"{name.partition('.')[0]}.weight"].shape
    area = math.prod(shape[2:])
    if name.startswith("keras_depthwise"):
        return 20 * area, shape[0] // 20 * area
    return shape[1] * area, shape[0] * area


def flat(bound: float) -> Any:
    return stats.uniform(-bound, 2 * bound)


def cut(variance: float) -> Any:
    """Return the normal that is cut at 2σ and has this variance after the cut."""
    return stats.truncnorm(-2, 2, scale=math.sqrt(variance) / stats.truncnorm(-2, 2).std())


Theory = Callable[[int, int], Any]
THEORY: dict[S.Initializer, Theory] = {
    S.Uniform(-0.3, 0.7): lambda i, o: stats.uniform(-0.3, 1.0),
    S.Normal(0.4, 0.2): lambda i, o: stats.norm(0.4, 0.2),
    S.TruncatedNormal(0.1, 0.5, -0.3, 0.9): lambda i, o: stats.truncnorm(-0.8, 1.6, 0.1, 0.5),
    S.TruncatedNormal(0.0, 0.05): lambda i, o: stats.norm(0.0, 0.05),  # bounds are absolute: ±2 is 40σ away
    S.XavierUniform(1.5): lambda i, o: flat(1.5 * math.sqrt(6 / (i + o))),
    S.XavierNormal(1.5): lambda i, o: stats.norm(0, 1.5 * math.sqrt(2 / (i + o))),
    S.XavierNormal(0.5, truncated=True): lambda i, o: cut(0.25 * 2 / (i + o)),
    S.KaimingUniform(): lambda i, o: flat(math.sqrt(6 / i)),
    S.KaimingUniform("fan_out", "leaky_relu", 0.3): lambda i, o: flat(math.sqrt(6 / (1 + 0.09) / o)),
    S.KaimingUniform("fan_in", "tanh"): lambda i, o: flat(5 / 3 * math.sqrt(3 / i)),
    S.KaimingNormal("fan_in", "selu"): lambda i, o: stats.norm(0, 0.75 / math.sqrt(i)),
    S.KaimingNormal("fan_out", "linear"): lambda i, o: stats.norm(0, 1 / math.sqrt(o)),
    S.KaimingNormal("fan_out", truncated=True): lambda i, o: cut(2 / o),
    S.LecunUniform(): lambda i, o: flat(math.sqrt(3 / i)),
    S.LecunNormal(): lambda i, o: stats.norm(0, 1 / math.sqrt(i)),
    S.LecunNormal(truncated=True): lambda i, o: cut(1 / i),
    S.FanInUniform(): lambda i, o: flat(1 / math.sqrt(i)),
    S.VarianceScaling(2.0): lambda i, o: cut(2 / i),
    S.VarianceScaling(0.5, "fan_out", "untruncated_normal"): lambda i, o: stats.norm(0, math.sqrt(0.5 / o)),
    S.VarianceScaling(1.5, "fan_avg", "uniform"): lambda i, o: flat(math.sqrt(9 / (i + o))),
}


def assert_drawn_from(array: Array, theory: Any, what: str) -> None:
    """Assert mean, variance, bounds and the whole distribution (Kolmogorov and Smirnov's test)."""
    entries, size = array.ravel(), array.size
    mean, variance, kurtosis = theory.stats(moments="mvk")
    assert abs(entries.mean() - mean) < SIGMAS * math.sqrt(variance / size), what
    # the variance of a sample variance is σ⁴·(kurtosis - 1) / n, kurtosis being 3 for a normal; scipy's is 0 there
    assert abs(entries.var() / variance - 1) < SIGMAS * math.sqrt((kurtosis + 2) / size) + 1 / size, what
    assert stats.kstest(entries, theory.cdf).pvalue > FALSE_ALARM, what
    low, high = theory.support()
    assert entries.min() >= low - ROUNDED * abs(low), what
    assert entries.max() <= high + ROUNDED * abs(high), what


@pytest.mark.parametrize("start", THEORY, ids=str)
def test_weights_of_every_kind_follow_their_initializer(backend: Backend, start: S.Initializer) -> None:
    weights = drawn(backend, spec(start, start))
    for name, array in weights.items():
        assert_drawn_from(array, THEORY[start](*fans(name, weights)), name)


@pytest.mark.parametrize("preset", ["torch_default", "keras_default"])
def test_presets(backend: Backend, preset: Any) -> None:
    model = S.Spec("preset", spec(None).model, IMAGE, init=preset)
    for name, array in (weights := drawn(backend, model)).items():
        i, o = fans(name, weights)
        if preset == "torch_default":
            assert_drawn_from(array, flat(1 / math.sqrt(i)), name)
        elif name.endswith("weight"):
            assert_drawn_from(array, flat(math.sqrt(6 / (i + o))), name)
        else:
            assert not array.any()


def test_orthogonal_rows_are_output_channels_of_every_kind(backend: Backend) -> None:
    for name, array in drawn(backend, spec(S.Orthogonal(1.3))).items():
        if name.endswith("weight"):
            rows = array.reshape(len(array), -1)
            rows = rows if len(rows) <= rows.shape[1] else rows.T
            # QR in float64 is orthonormal to 1e-15; torch and Keras draw a float64 parameter in float64
            np.testing.assert_allclose(rows @ rows.T, 1.69 * np.eye(len(rows)), atol=1e-12, err_msg=name)
            assert abs(array.mean()) < SIGMAS * array.std() / math.sqrt(array.size)


def test_sparse_columns_have_their_zeros_and_the_rest_its_spread(backend: Backend) -> None:
    array = drawn(backend, spec(S.Sparse(0.37, 0.2), S.Zeros(), only=("linear",)))["linear.weight"]
    assert set((array == 0).sum(axis=0)) == {12}  # ⌈0.37·30⌉ of the 30 weights of each input
    assert_drawn_from(array[array != 0], stats.norm(0, 0.2), "sparse")
    assert len({tuple(column) for column in (array == 0).T}) > 100  # not the same rows each time


def test_fixed_starts_are_exact(backend: Backend) -> None:
    eye = drawn(backend, spec(S.Eye(), S.Constant(0.1), only=("linear",)))
    np.testing.assert_array_equal(eye["linear.weight"], np.eye(30, 400))
    np.testing.assert_array_equal(eye["linear.bias"], np.full(30, 0.1))
    dirac = drawn(backend, spec(S.Dirac(), S.Ones(), only=("conv", "grouped", "depthwise")))
    for name in ("conv", "grouped", "depthwise"):
        expected = np.zeros(dirac[f"{name}.weight"].shape)
        for channel in range(min(expected.shape[:2])):
            expected[channel, channel, 1, 1] = 1.0
        np.testing.assert_array_equal(dirac[f"{name}.weight"], expected)
        np.testing.assert_array_equal(dirac[f"{name}.bias"], 1.0)
    for name, array in drawn(backend, spec(S.Zeros(), S.Zeros())).items():
        assert not array.any(), name


def test_a_seed_fixes_the_draws_and_no_two_tensors_share_them(backend: Backend) -> None:
    model = S.Spec("twins", S.Sequential(S.Linear(8), S.BatchNorm1d(), S.Linear(8)), (8,))
    first, again, other = drawn(backend, model, 1), drawn(backend, model, 1), drawn(backend, model, 2)
    for name, array in first.items():
        np.testing.assert_array_equal(again[name], array)
        assert ("linear" in name) == (not np.array_equal(other[name], array))
    assert not np.array_equal(first["linear.weight"], first["linear_2.weight"])
    np.testing.assert_array_equal(first["batchnorm1d.running_var"], np.ones(8))
    np.testing.assert_array_equal(first["batchnorm1d.bias"], np.zeros(8))


def test_a_stock_model_without_a_seed_starts_by_its_framework(backend: Backend) -> None:
    model = backend.build(spec(S.Uniform(2.0, 3.0), S.Constant(0.25)), dtype="float64", seed=None)
    if backend.name == "torch":
        arrays = [tensor.numpy() for tensor in model.state_dict().values()]
    else:
        arrays = model.get_weights()
    for array in arrays:
        assert (
            (array == 0.25).all() if array.ndim == 1 else abs(array.mean() - 2.5) < SIGMAS / math.sqrt(12 * array.size)
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("init", ["torch_default", "keras_default", S.XavierNormal(), S.FanInUniform()])
def test_a_stock_model_draws_what_its_spec_says_whether_or_not_its_layers_draw_that_themselves(
    backend: Backend, dtype: str, init: Any
) -> None:
    net = spec(None) if isinstance(init, str) else spec(init)
    net = S.Spec("stock", net.model, IMAGE, init=init) if isinstance(init, str) else net
    weights = dualnet.weights(backend.build(net, dtype=dtype, seed=None), net)
    for name, array in weights.items():
        if not name.endswith("weight"):
            continue
        i, o = fans(name, weights)
        law = {"torch_default": flat(1 / math.sqrt(i)), "keras_default": flat(math.sqrt(6 / (i + o)))}
        by_class = {S.XavierNormal: stats.norm(0, math.sqrt(2 / (i + o))), S.FanInUniform: flat(1 / math.sqrt(i))}
        assert_drawn_from(array, law[init] if isinstance(init, str) else by_class[type(init)], name)
