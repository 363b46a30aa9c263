"""Maps: each against a slow reference of its own, on both frameworks; what a net must be built like, in words."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.errors import SpecError
from dualnet.explain import maps
from dualnet.explain.maps import METHODS, Asked, cam, enlarged, gradcam, last_images, pooled_head, saliency, smoothgrad
from dualnet.specs.draw import normal

# Float64 sums of some hundred products in two orders: 2^-53 with three digits to spare.
CLOSE = 1e-12
SHAPE = (2, 9, 8)
# Smooth activations, so that finite differences have no kinks to fall over; two channels, so that "largest" tells.
CNN = S.Spec(
    "cnn",
    S.Sequential(
        S.Conv2d(4, 3, padding=1, name="first"),
        S.Tanh(name="tanh"),
        S.AvgPool2d(2, name="halved"),
        S.Conv2d(5, 3, name="last"),
        S.SiLU(name="silu"),
        S.AdaptiveAvgPool2d(1, name="pool"),
        S.Flatten(name="flat"),
        S.Dropout(0.5, name="drop"),
        S.Linear(3, name="head"),
    ),
    SHAPE,
)
IMAGES = np.random.default_rng(8).normal(size=(3, *SHAPE))
ASKED = Asked(CNN, IMAGES, np.array([2, 0, 1]), copies=3)


@pytest.fixture(scope="module")
def session(request: pytest.FixtureRequest, backend: Backend) -> Any:
    return backend.session(CNN, dtype="float64", seed=1)


def scores(session: Any, images: Any, classes: Any) -> Any:
    return session.forward({"input": images})["outputs"][0][np.arange(len(images)), classes]


def slopes(session: Any, images: Any, classes: Any) -> Any:
    """Return ∂s/∂x by central differences, every pixel nudged by itself."""
    reach = 1e-5
    nudges = reach * np.eye(images[0].size).reshape(-1, *images.shape[1:])
    found = []
    for image, c in zip(images, classes, strict=True):
        up, down = (scores(session, image + sign * nudges, np.full(len(nudges), c)) for sign in (1, -1))
        found.append(((up - down) / (2 * reach)).reshape(image.shape))
    return np.stack(found)


# 1e-5 squared times a third derivative, and 2^-53 over 1e-5
DIFFERENCES = 1e-9


def test_saliency_is_the_largest_slope_over_channels(session: Any) -> None:
    found = saliency(session, ASKED)
    assert (found.shape, found.dtype) == ((3, 9, 8), np.dtype(np.float64))
    expected = np.abs(slopes(session, IMAGES, ASKED.classes)).max(axis=1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=DIFFERENCES)


def test_smoothgrad_is_the_mean_over_noisy_copies(session: Any) -> None:
    total = np.zeros(IMAGES.shape)
    reach = np.array([0.15 * (image.max() - image.min()) for image in IMAGES])[:, None, None, None]
    for copy in range(3):
        noisy = IMAGES + reach * normal(IMAGES.size, "smoothgrad", 0, copy).reshape(IMAGES.shape)
        total += slopes(session, noisy, ASKED.classes)
    expected = np.abs(total / 3).max(axis=1)
    np.testing.assert_allclose(smoothgrad(session, ASKED), expected, rtol=0, atol=DIFFERENCES)


def test_smoothgrad_without_noise_is_saliency_and_in_pieces_the_same(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = smoothgrad(session, replace(ASKED, noise=0.0))
    np.testing.assert_allclose(still, saliency(session, ASKED), rtol=0, atol=CLOSE)
    whole = smoothgrad(session, ASKED)
    monkeypatch.setattr(maps, "AT_ONCE", 3)  # one copy at a time
    np.testing.assert_allclose(smoothgrad(session, ASKED), whole, rtol=0, atol=CLOSE)
    assert np.abs(smoothgrad(session, replace(ASKED, seed=1)) - whole).max() > 1e-4


def naive_cam(session: Any, asked: Asked) -> Any:
    """Return Σ_k w_ck·A_k with loops, not enlarged."""
    kept, weights = session.forward({"input": asked.images})["layers"]["silu"], session.weights()["head.weight"]
    return np.stack(
        [sum(weights[c, k] * image[k] for k in range(5)) for image, c in zip(kept, asked.classes, strict=True)]
    )


def test_cam_is_the_weighted_sum_of_features_and_adds_up_to_the_score(session: Any) -> None:
    small = naive_cam(session, ASKED)
    np.testing.assert_allclose(cam(session, ASKED), enlarged(small, (9, 8)), rtol=0, atol=CLOSE)
    biases = session.weights()["head.bias"][ASKED.classes]
    expected = scores(session, IMAGES, ASKED.classes) - biases  # Zhou et al.: the score is the map's mean
    np.testing.assert_allclose(small.mean(axis=(1, 2)), expected, rtol=0, atol=CLOSE)


def test_gradcam_of_such_a_net_is_cam_by_the_number_of_pixels_without_what_speaks_against(session: Any) -> None:
    """Selvaraju et al. 2017, section 3: α_k is w_ck over the number of pixels of A_k."""
    assert last_images(CNN) == "silu"
    pixels = 2 * 2
    expected = enlarged(np.maximum(naive_cam(session, ASKED), 0) / pixels, (9, 8))
    np.testing.assert_allclose(gradcam(session, ASKED), expected, rtol=0, atol=CLOSE)
    assert expected.max() > 1e-3


def test_gradcam_of_a_layer_inside_is_that_of_finite_differences(session: Any) -> None:
    """The layers above are run by themselves on features that are nudged one by one."""
    kept = session.forward({"input": IMAGES})["layers"]["tanh"]

    def above(features: Any) -> Any:
        for path in ("halved", "last", "silu", "pool", "flat", "drop", "head"):
            features = session.layer(path, [features])
        return features[np.arange(3), ASKED.classes]

    alphas = np.zeros((3, 4))
    for k in range(4):
        nudge = np.zeros(kept.shape[1:])
        nudge[k] = 1e-5  # every pixel at once: the sum of the slopes
        alphas[:, k] = (above(kept + nudge) - above(kept - nudge)) / 2e-5 / kept[0, 0].size
    expected = np.maximum(sum(alphas[:, k, None, None] * kept[:, k] for k in range(4)), 0)
    found = gradcam(session, replace(ASKED, layer="tanh"))
    np.testing.assert_allclose(found, enlarged(expected, (9, 8)), rtol=0, atol=DIFFERENCES)


@pytest.mark.parametrize("method", METHODS)
def test_both_frameworks_draw_the_same_map(method: str, both: tuple[Backend, Backend]) -> None:
    left, right = (METHODS[method](b.session(CNN, dtype="float64", seed=1), ASKED) for b in both)
    np.testing.assert_allclose(left, right, rtol=0, atol=CLOSE)
    assert np.abs(left).max() > 1e-3


# Enlarging


@settings(max_examples=60, deadline=None)
@given(st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6)), st.integers(1, 20), st.integers(1, 20))
def test_enlarging_is_scipys_between_pixel_centres(shape: tuple[int, ...], height: int, width: int) -> None:
    small = np.random.default_rng(0).normal(size=shape)
    found = enlarged(small, (height, width))
    rows = (np.arange(height) + 0.5) * shape[1] / height - 0.5
    columns = (np.arange(width) + 0.5) * shape[2] / width - 0.5
    places = np.meshgrid(rows, columns, indexing="ij")
    expected = [ndimage.map_coordinates(image, places, order=1, mode="nearest") for image in small]
    np.testing.assert_allclose(found, np.stack(expected), rtol=0, atol=CLOSE)
    assert found.dtype == np.float64


def test_enlarging_by_hand() -> None:
    found = enlarged(np.array([[[0.0, 4.0]]]), (1, 4))
    np.testing.assert_array_equal(found, [[[0.0, 1.0, 3.0, 4.0]]])
    same = np.arange(6.0).reshape(1, 2, 3)
    np.testing.assert_array_equal(enlarged(same, (2, 3)), same)


# What a net must be built like

FLAT = S.Spec("flat", S.Sequential(S.Flatten(), S.Linear(5, name="one"), S.ReLU(name="relu"), S.Linear(3)), SHAPE)


def net(*layers: S.Layer) -> S.Spec:
    return S.Spec("net", S.Sequential(*layers), SHAPE)


def test_the_features_are_those_that_the_pool_reads() -> None:
    assert pooled_head(CNN) == ("silu", "head")
    aside = S.Block(
        (
            S.Conv2d(3, 3, name="features"),
            S.Conv2d(3, 3, name="aside", inputs=("input",)),
            S.AdaptiveAvgPool2d(1, name="pool", inputs=("features",)),
            S.Flatten(),
            S.Linear(3, name="head"),
        ),
        outputs=("head", "aside"),
    )
    assert pooled_head(S.Spec("aside", aside, SHAPE)) == ("features", "head")


@pytest.mark.parametrize(
    ("spec", "ends"),
    [
        (FLAT, "It ends in relu and linear"),
        (
            net(S.Conv2d(3, 3), S.AdaptiveAvgPool2d(2), S.Flatten(), S.Linear(3)),
            "It ends in adaptiveavgpool2d and linear",
        ),
        (net(S.AdaptiveAvgPool2d(1), S.Flatten(), S.Linear(3)), "It ends in adaptiveavgpool2d and linear"),
        (net(S.Flatten()), "It ends in "),
        (net(S.Conv2d(3, 3), S.AdaptiveAvgPool2d(1), S.Flatten()), "It ends in conv2d and adaptiveavgpool2d"),
    ],
)
def test_cam_of_another_net_is_refused(spec: S.Spec, ends: str) -> None:
    with pytest.raises(SpecError, match=r"CAM needs a net that ends in global average pooling") as raised:
        pooled_head(spec)
    assert ends in str(raised.value)


def test_gradcam_of_a_net_without_feature_maps_is_refused() -> None:
    with pytest.raises(SpecError, match="flat: Grad-CAM looks at a layer of feature maps, and it has none"):
        last_images(FLAT)
    with pytest.raises(SpecError, match="and it has none"):
        last_images(net(S.Conv2d(3, (9, 8)), S.ReLU(), S.Flatten(), S.Linear(3)))  # maps of one pixel
