"""Topics of building blocks: formulas against counting, kernels against scipy, statistics by NumPy, planted faults."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from dualnet import specs as S
from dualnet.data import augmented, load_dataset
from dualnet.errors import SpecError
from dualnet.experiments.bench import Bench
from dualnet.experiments.building import TOPICS, blocks
from dualnet.experiments.topics import kernels, norm, parts, pictures, separable, shapes
from dualnet.report.exhibits import Bars, Lines, Pictures, Table
from dualnet.specs import cost
from tests.benches import IDLE, Planted, table_of, telling, whole

# Float64 sums of a few hundred products in two orders: 2^-53 with three digits to spare.
CLOSE = 1e-12
TORCH = Bench(backends=("torch",))


@pytest.fixture(autouse=True)
def digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feed every topic with digits, which need no network."""
    monkeypatch.setattr(pictures, "SET", "digits")
    for page in (norm, separable):
        monkeypatch.setattr(page, "Data", partial(S.Data, "digits"))


def test_digits_are_shown_as_large_as_other_images() -> None:
    images, source = pictures.images(3, first=5)
    assert (images.shape, images.dtype) == ((3, 1, 28, 28), np.dtype(np.float64))
    small = load_dataset("digits").test_images[5:8] / 16
    np.testing.assert_array_equal(images[:, :, 2:26:3, 2:26:3], small)
    assert images.sum() == pytest.approx(9 * small.sum())
    assert source.startswith("scikit-learn's handwritten digits")


def counted(width: int, k: int, s: int, p: Any, d: int) -> int:
    """Return how many places a kernel is put at, by putting it there; padding same asks for ⌈width / stride⌉."""
    if p == "same":
        return len(range(0, width, s))
    reach = (k - 1) * d + 1
    return sum(1 for first in range(-p, width + p, s) if first + reach <= width + p)


def test_widths_are_those_counted_place_by_place(both: Any) -> None:
    said: list[str] = []
    found = blocks("shapes", bench=telling(said))
    whole(found)
    assert len(said) == 1
    assert said[0].startswith("45 convolutions of an image 28 pixels wide; about ")
    assert found.verdict == "equal"
    assert found.says == ["45 convolutions: none off the formula"]
    for k, s, p, d, *widths in found.data["rows"]:
        padding = p if p == "same" else int(p)
        assert {int(width) for width in widths} == {counted(28, int(k), int(s), padding, int(d))}
    assert len({tuple(row[:4]) for row in found.data["rows"]}) == 45


def test_a_width_off_the_formula_is_divergent(monkeypatch: pytest.MonkeyPatch, both: Any) -> None:
    def change(session: Any, answer: Any) -> Any:
        layers = answer["layers"]
        return answer | {"layers": layers | {"conv3": layers["conv3"][..., :-1]}}

    found = blocks("shapes", bench=Bench(host=Planted("forward", change)))
    assert (found.verdict, found.says) == ("divergent", ["45 convolutions: 1 off the formula"])
    monkeypatch.setattr(shapes, "conv_size", lambda *a: 1)
    assert blocks("shapes", bench=TORCH).verdict == "divergent"


def test_feature_maps_are_scipys(both: Any) -> None:
    found = blocks("kernels")
    whole(found)
    assert found.verdict == "equal"
    image = pictures.images(1)[0][0, 0]
    for name, kernel in kernels.KERNELS.items():
        expected = ndimage.correlate(image, np.array(kernel), mode="constant")
        for side in ("torch", "keras"):
            np.testing.assert_allclose(found.data[name][side], expected, rtol=0, atol=CLOSE)
    rows = {row[0]: row for row in table_of(found, "Fixed kernels").rows}
    laplace = ndimage.correlate(image, np.array(kernels.KERNELS["Laplace"]), mode="constant")
    assert rows["Laplace"][2] == f"{np.abs(laplace).mean():.6f}"
    (grid,) = [each for each in found.exhibits if isinstance(each, Pictures)]
    assert grid.columns == ("image", "kernel", "torch", "keras", "difference")


@pytest.mark.parametrize("topic", ["kernels", "block"])
def test_outputs_that_differ_are_divergent(topic: str, both: Any) -> None:
    def change(session: Any, answer: Any) -> Any:
        return answer | {"outputs": [array + 1e-6 for array in answer["outputs"]]}

    assert blocks(topic, bench=Bench(host=Planted("forward", change))).verdict == "divergent"


def test_a_gap_that_is_no_number_is_divergent() -> None:
    assert pictures.agreement({"a": np.ones(2), "b": np.array([1.0, np.nan])})[1] == "divergent"
    assert pictures.agreement({"a": np.zeros(2), "b": np.zeros(2)}) == (0.0, "equal")
    assert pictures.agreement({"a": np.ones(2)})[1] == ""
    gap, verdict = pictures.agreement({"a": np.array([2.0, 4.0]), "b": np.array([2.0, 3.0])})
    assert (gap, verdict) == (0.25, "divergent")


def test_a_block_part_by_part_is_numpys(both: Any) -> None:
    found = blocks("block")
    whole(found)
    assert found.verdict == "equal"
    images = pictures.images(256)[0]
    session = TORCH.open("torch", S.Spec("block", parts.BLOCK, (1, 28, 28)), dtype="float64")
    weight, bias = session.weights()["conv.weight"][:, 0], session.weights()["conv.bias"]
    conv = np.stack(
        [ndimage.correlate(images[:, 0], w[None], mode="constant") + b for w, b in zip(weight, bias, strict=True)], 1
    )
    axes = (0, 2, 3)
    normed = (conv - conv.mean(axes, keepdims=True)) / np.sqrt(conv.var(axes, keepdims=True) + 1e-5)
    relu = np.maximum(normed, 0)
    pooled = relu.reshape(256, 16, 14, 2, 14, 2).max(axis=(3, 5))
    for name, values in {"conv": conv, "norm": normed, "relu": relu, "pool": pooled}.items():
        made = found.data[name]["mean"], found.data[name]["std"]
        np.testing.assert_allclose(made, (values.mean(), values.std()), rtol=1e-9, atol=1e-12)  # means of 3e6 values
    rows = {row[0]: row[1:4] for row in table_of(found, "The block").rows}
    assert rows["conv"] == ("16 x 28 x 28", f"{16 * 9 + 16}", f"{28 * 28 * 16 * 9:,}")
    assert rows["pool"] == ("16 x 14 x 14", "0", "0")
    spreads = next(each for each in found.exhibits if isinstance(each, Bars))
    assert [group.name for group in spreads.groups] == ["torch", "keras"]


def test_what_moves_with_a_shift_and_what_does_not(both: Any) -> None:
    found = blocks("equivariance")
    whole(found)
    for side in ("torch", "keras"):
        gaps = {name: np.array(each[side]) for name, each in found.data.items()}
        assert np.isfinite(gaps["convolution"]).all()
        assert gaps["convolution"].max() < CLOSE
        for name, stride in {"convolution, stride 2": 2, "max pooling 2": 2, "two of these": 4}.items():
            known = [shift % stride == 0 for shift in (1, 2, 4)]
            np.testing.assert_array_equal(np.isfinite(gaps[name]), known)
            assert gaps[name][known].max() < CLOSE
        assert gaps["Linear"].min() > 0.1  # it knows nothing of neighbours
        pooled = gaps["… and global average pooling"]
        assert pooled[1] < CLOSE > pooled[2]
    shown = {row[0]: row[2:] for row in table_of(found, "Gaps").rows if row[1] == "torch"}
    assert shown["max pooling 2"] == ("-", "exact", "exact")


def test_augmented_images_are_those_that_training_sees() -> None:
    found = blocks("augment", bench=Bench(host=IDLE.host, seed=3))  # which needs no framework
    whole(found)
    plain, _ = pictures.images(1000)
    from dualnet.experiments.topics.augment import KINDS

    (grid,) = [each for each in found.exhibits if isinstance(each, Pictures)]
    for (name, how), cells in zip(KINDS.items(), grid.cells, strict=True):
        varied = augmented(plain, how, 3, 0)
        assert found.data[name] == {"mean": round(varied.mean(), 4), "std": round(varied.std(), 4)}
        np.testing.assert_allclose(cells[0].pixels, varied[0, 0], rtol=5e-4, atol=1e-12)  # type: ignore[union-attr]
    rows = {row[0]: row for row in table_of(found, "What augmentation does to pixels").rows}
    assert rows["as published"][3] == "0.0"
    assert float(rows["flip"][3]) == pytest.approx(50, abs=8)  # five standard errors of 360 images


def test_normalisations_are_trained_at_every_size(monkeypatch: pytest.MonkeyPatch, both: Any) -> None:
    """Both backends are trained at one size only, for keras takes a second to trace each net."""
    monkeypatch.setattr(norm, "SIZES", (16,))
    assert list(blocks("norm", limit=32).data) == ["torch", "keras"]
    monkeypatch.setattr(norm, "SIZES", (8, 16))
    said: list[str] = []
    found = blocks("norm", limit=48, bench=telling(said, backends=("torch",)))
    whole(found)
    assert said[0].startswith("3 normalisations at 2 batch sizes; about ")
    runs = found.data["torch"]
    assert list(runs) == [f"{kind}, {size}" for size in (8, 16) for kind in ("BatchNorm", "GroupNorm", "none")]
    gain = 100 * (runs["BatchNorm, 8"]["test_accuracy"] - runs["GroupNorm, 8"]["test_accuracy"])
    assert found.says[0] == f"batch size 8: BatchNorm is {gain:+.1f} points against GroupNorm"
    (chart,) = [each for each in found.exhibits if isinstance(each, Lines)]
    assert chart.series[0].y == pytest.approx([100 * runs[f"BatchNorm, {size}"]["test_accuracy"] for size in (8, 16)])
    kinds = [[type(step.layer).__name__ for step in norm.net(kind, 8, 1).graph.leaves()] for kind in norm.KINDS]
    assert [sum("Norm" in name for name in each) for each in kinds] == [2, 2, 0]


def test_separable_and_bottleneck_nets_are_built_as_their_papers_say() -> None:
    def kernels_of(kind: str) -> list[tuple[int, int, int]]:
        layers = [step.layer for step in separable.net(kind, 1).graph.leaves() if isinstance(step.layer, S.Conv2d)]
        return [
            (layer.kernel[0], layer.channels, layer.groups) for layer in layers[1:]
        ]  # behind the stem's 16 channels

    assert kernels_of("standard") == [(3, 32, 1), (3, 64, 1)]
    assert kernels_of("separable") == [(3, 16, 16), (1, 32, 1), (3, 32, 32), (1, 64, 1)]
    assert kernels_of("bottleneck") == [(1, 8, 1), (3, 8, 1), (1, 32, 1), (1, 16, 1), (3, 16, 1), (1, 64, 1)]


@pytest.mark.parametrize("sides", [("torch",), pytest.param(("torch", "keras"), marks=pytest.mark.slow)])
def test_separable_nets_are_set_against_their_cost(sides: tuple[str, ...], both: Any) -> None:
    found = blocks("separable", limit=40, bench=Bench(backends=sides))
    whole(found)
    rows = {row[0]: row for row in table_of(found, "Size, cost, accuracy, time").rows}
    assert list(rows) == ["standard", "bottleneck", "separable"]
    for kind, row in rows.items():
        net = separable.net(kind, 1)
        session = TORCH.open("torch", net)
        weights = session.weights()
        assert found.data["parameters"][kind] == sum(weights[name].size for name in session.trainable())
        assert row[1] == f"{found.data['parameters'][kind]:,}"
        assert found.data["multiply_adds"][kind] == cost.total(net)
        assert row[3] == f"{cost.total(net) / cost.total(separable.net('standard', 1)):.2f}"
        for side in sides:
            column = table_of(found, "Size, cost, accuracy, time").heads.index(f"{side} test %")
            assert row[column] == f"{100 * found.data[side][kind]['test_accuracy']:.2f}"


def test_topics_are_listed_and_others_refused() -> None:
    found = blocks("list", bench=IDLE)
    whole(found)
    (table,) = found.exhibits
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows] == list(TOPICS)
    with pytest.raises(SpecError, match=r"There is no topic 'shape'\. Did you mean 'shapes'\?"):
        blocks("shape", bench=IDLE)
    with pytest.raises(SpecError, match=r"There is no topic 'q'\. There are: shapes, block, kernels, equivariance,"):
        blocks("q", bench=IDLE)
    with pytest.raises(SpecError, match="epochs must be"):
        blocks("separable", epochs=0, bench=IDLE)
