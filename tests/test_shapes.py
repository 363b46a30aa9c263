"""The shape each layer gives back, against values worked out by hand, height and width never alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualnet import specs as S
from dualnet.errors import SpecError
from dualnet.specs.extents import conv_size, pool_size
from dualnet.specs.layers import Layer
from dualnet.specs.shapes import Shape, output_shape

IMAGE = (6, 11, 8)

KNOWN: list[tuple[Layer, Shape, Shape]] = [
    (S.Linear(5), (7,), (5,)),
    (S.Linear(5), (3, 7), (3, 5)),
    (S.Conv2d(4, 3), IMAGE, (4, 9, 6)),
    (S.Conv2d(4, (3, 2)), IMAGE, (4, 9, 7)),
    (S.Conv2d(4, 3, stride=2), IMAGE, (4, 5, 3)),  # ⌊(11-3)/2⌋+1, ⌊(8-3)/2⌋+1
    (S.Conv2d(4, 3, stride=(2, 3), padding=(1, 0)), IMAGE, (4, 6, 2)),  # ⌊(13-3)/2⌋+1, ⌊(8-3)/3⌋+1
    (S.Conv2d(4, 3, dilation=(2, 3)), IMAGE, (4, 7, 2)),  # the kernel reaches over 5 and 7 pixels
    (S.Conv2d(4, 5, padding=2), IMAGE, (4, 11, 8)),
    (S.Conv2d(4, 3, padding="same"), IMAGE, (4, 11, 8)),
    (S.Conv2d(4, 3, padding="same", stride=2), IMAGE, (4, 6, 4)),  # ⌈11/2⌉, ⌈8/2⌉
    (S.Conv2d(4, 4, padding="same", stride=3), IMAGE, (4, 4, 3)),  # ⌈11/3⌉, ⌈8/3⌉
    (S.Conv2d(4, 3, padding="same", dilation=2), IMAGE, (4, 11, 8)),
    (S.Conv2d(6, 3, groups=6), IMAGE, (6, 9, 6)),
    (S.Conv2d(1, 1), IMAGE, (1, 11, 8)),
    (S.Conv2d(4, (11, 8)), IMAGE, (4, 1, 1)),
    (S.MaxPool2d(2), IMAGE, (6, 5, 4)),
    (S.MaxPool2d(2, ceil_mode=True), IMAGE, (6, 6, 4)),
    (S.MaxPool2d(3, stride=2), IMAGE, (6, 5, 3)),
    (S.MaxPool2d(3, stride=2, ceil_mode=True), IMAGE, (6, 5, 4)),
    (S.MaxPool2d(3, stride=2, padding=1), IMAGE, (6, 6, 4)),
    (S.MaxPool2d((2, 3), stride=(3, 1)), IMAGE, (6, 4, 6)),
    (
        S.MaxPool2d(1, stride=4, ceil_mode=True),
        IMAGE,
        (6, 3, 2),
    ),  # rows 0, 4, 8; columns 0, 4: a third would start at 8
    (S.AvgPool2d(3), IMAGE, (6, 3, 2)),
    (S.AvgPool2d(3, padding=1), IMAGE, (6, 4, 3)),
    (S.AvgPool2d(4, stride=3, padding=2, ceil_mode=True), IMAGE, (6, 5, 4)),  # the last starts at 12 and at 9, inside
    (S.AvgPool2d(2, stride=5, ceil_mode=True), IMAGE, (6, 3, 3 - 1)),  # a third column would start at 10, outside
    (S.AdaptiveAvgPool2d((3, 2)), IMAGE, (6, 3, 2)),
    (S.AdaptiveAvgPool2d((20, 1)), IMAGE, (6, 20, 1)),  # larger than the image: pixels are repeated
    (S.BatchNorm2d(), IMAGE, IMAGE),
    (S.BatchNorm1d(), (6,), (6,)),
    (S.BatchNorm1d(), (6, 9), (6, 9)),
    (S.LayerNorm(axes=3), IMAGE, IMAGE),
    (S.GroupNorm(3), IMAGE, IMAGE),
    (S.Dropout(), IMAGE, IMAGE),
    (S.Flatten(), IMAGE, (528,)),
    (S.Flatten(), (7,), (7,)),
    (S.Reshape([4, -1, 3]), IMAGE, (4, 44, 3)),
    (S.Reshape([528]), IMAGE, (528,)),
    (S.Softmax(dim=1), IMAGE, IMAGE),
    (S.LogSoftmax(dim=-3), IMAGE, IMAGE),
    (S.ReLU(), IMAGE, IMAGE),
]


@pytest.mark.parametrize(
    ("layer", "given", "made"), KNOWN, ids=lambda value: str(value) if isinstance(value, Layer) else ""
)
def test_a_layer_gives_back_the_shape_worked_out_by_hand(layer: Layer, given: Shape, made: Shape) -> None:
    assert output_shape(layer, (given,), "here") == made


@pytest.mark.parametrize(
    ("layer", "given", "made"),
    [
        (S.Add(), (IMAGE, IMAGE, IMAGE), IMAGE),
        (S.Add(), (IMAGE, (6, 1, 1)), IMAGE),
        (S.Multiply(), ((1, 11, 1), (6, 1, 8)), IMAGE),
        (S.Concat(), (IMAGE, (2, 11, 8)), (8, 11, 8)),
        (S.Concat(dim=-1), (IMAGE, (6, 11, 2), (6, 11, 1)), (6, 11, 11)),
        (S.Concat(dim=2), ((3, 2), (3, 5)), (3, 7)),
    ],
)
def test_a_joining_layer_gives_back_the_shape_worked_out_by_hand(
    layer: Layer, given: tuple[Shape, ...], made: Shape
) -> None:
    assert output_shape(layer, given, "here") == made


@pytest.mark.parametrize(
    ("layer", "given"),
    [
        (S.Add(), (IMAGE, (6, 8, 11))),
        (S.Multiply(), (IMAGE, (6,))),
        (S.Concat(), (IMAGE, (6, 8, 11))),
        (S.Concat(dim=2), ((3, 4), (3,))),
        (S.Concat(dim=4), (IMAGE, IMAGE)),
        (S.Concat(dim=0), (IMAGE, IMAGE)),
        (S.Conv2d(1, 9), (IMAGE,)),
        (S.MaxPool2d(9, ceil_mode=True, stride=1), (IMAGE,)),
        (S.Softmax(dim=-4), (IMAGE,)),
        (S.GroupNorm(4), (IMAGE,)),
        (S.Reshape([5, -1]), (IMAGE,)),
        (S.Reshape([529]), (IMAGE,)),
        (S.ReLU(), (IMAGE, IMAGE)),
    ],
)
def test_a_shape_that_cannot_flow_is_refused(layer: Layer, given: tuple[Shape, ...]) -> None:
    with pytest.raises(SpecError, match=r"^here: "):
        output_shape(layer, given, "here")


sizes, steps = st.integers(1, 30), st.integers(1, 5)


@given(sizes, steps, steps, st.integers(0, 4), steps)
def test_a_convolution_counts_the_places_where_its_kernel_fits(
    size: int, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    reach = dilation * (kernel - 1)
    fits = [start for start in range(-padding, size + padding, stride) if start + reach < size + padding]
    assert max(conv_size(size, kernel, stride, padding, dilation), 0) == len(fits)


@given(sizes, steps, steps, st.data())
def test_pooling_counts_whole_windows_and_in_ceil_mode_those_that_start_inside(
    size: int, kernel: int, stride: int, data: st.DataObject
) -> None:
    padding = data.draw(st.integers(0, kernel // 2))
    starts = range(-padding, size + padding, stride)
    whole = [start for start in starts if start + kernel <= size + padding]
    assert max(pool_size(size, kernel, stride, padding, ceil_mode=False), 0) == len(whole)
    reached = next((n for n, start in enumerate(starts) if start + kernel >= size + padding), len(starts) - 1)
    ceil = [start for start in starts[: reached + 1] if start < size]
    if size + 2 * padding >= kernel:
        assert pool_size(size, kernel, stride, padding, ceil_mode=True) == len(ceil)
