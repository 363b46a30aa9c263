"""What spatial layers refuse, what Keras's own layers are in their terms, and their source in both frameworks."""

import math
from typing import Any

import numpy as np
import pytest
import torch

import dualnet
import tests.spatial  # enters its rows
from dualnet import specs as S
from dualnet.backends import Backend, backend
from dualnet.errors import SpecError
from dualnet.specs.text import loads
from tests.cases import CASES, CLOSE, arrays, weights

SIGNAL, IMAGE, VOLUME = (4, 11), (4, 9, 6), (4, 5, 6, 4)


def refused(layer: Any, shape: tuple[int, ...] = IMAGE) -> str:
    with pytest.raises(SpecError) as error:
        S.Spec("refused", S.Sequential(layer() if callable(layer) else layer), shape)
    return str(error.value)


REFUSED: list[tuple[Any, tuple[int, ...], str]] = [
    (S.Conv1d(2, 3), IMAGE, "Conv1d 'conv1d': it takes signals [C, L]. Received: [4, 9, 6] (without the batch axis)."),
    (S.MaxPool3d(2), IMAGE, "it takes volumes [C, D, H, W]."),
    (S.BatchNorm3d(), IMAGE, "it takes volumes [C, D, H, W]."),
    (S.Pad(1), (7,), "it takes channels and one to three axes of places."),
    (S.Pad([1, 2]), SIGNAL, "2 values do not go with 1 axes of places."),
    (S.Pad(9, "reflect"), IMAGE, "'reflect' pads an axis of 9 places by at most 8 and not by 9."),
    (S.Pad([[0, 0], [0, 7]], "circular"), IMAGE, "'circular' pads an axis of 6 places by at most 6 and not by 7."),
    (S.Conv2d(2, 3, padding=6, padding_mode="reflect"), IMAGE, "by at most 5 and not by 6."),
    (S.Conv2d(8, 3, groups=2, fans="depthwise"), IMAGE, "fans='depthwise' is for a group for each of the 4 channels"),
    (S.ConvTranspose2d(3, 2, groups=3), IMAGE, "groups=3 does not divide the 4 input channels."),
    (S.ConvTranspose1d(3, 2, groups=2), SIGNAL, "groups=2 does not divide the 3 output channels."),
    (
        S.ConvTranspose1d(3, 4, stride=3, padding="same", output_padding=0),
        SIGNAL,
        "30 places at stride 3 are no 11: 'same' fits no output_padding here but the default.",
    ),
    (S.AvgPool1d(3, padding=2), SIGNAL, "padding 2 is more than half of the kernel 3."),
    (S.Cropping([5, 0]), IMAGE, "nothing is left of [4, 9, 6]"),
    (S.Upsample(2, mode="cubic"), SIGNAL, "mode 'cubic' is for images [C, H, W]."),
    (S.PixelShuffle(3), IMAGE, "factor²=9 does not divide the 4 channels."),
    (S.PixelUnshuffle(2), IMAGE, "factor=2 does not divide the 9 x 6 places."),
    (S.ChannelShuffle(3), IMAGE, "groups=3 does not divide the 4 channels."),
    (S.Fold((4, 4), 2), (8, 5), "it takes columns [C·4, 9]: 9 windows of 4 places."),
    (S.InstanceNorm1d(), (4, 1), "one place has no variance; it takes two or more."),
    (lambda: S.AvgPool2d(2, padding="same", ceil_mode=True), IMAGE, "Leave ceil_mode out."),
    (lambda: S.ConvTranspose2d(2, 2, stride=2, output_padding=2), IMAGE, "output_padding must lie below the stride"),
    (lambda: S.Pad(1, "reflect", 2.0), IMAGE, "value is what mode 'constant' pads with."),
    (S.Upsample, IMAGE, "it takes scale or size, one of the two. Received: scale=None and size=None"),
    (lambda: S.Upsample(2, align_corners=True), IMAGE, "align_corners is for mode 'linear' or 'cubic'."),
    (lambda: S.Conv2d(2, 3, padding="causal"), IMAGE, "two of them, or 'same'."),
    (lambda: S.Conv1d(2, 3, padding="valid"), SIGNAL, "must be an integer of at least 0, 'same', or 'causal'."),
    (lambda: S.Conv3d(2, (3, 3)), VOLUME, "kernel must be a positive integer or three of them."),
    (lambda: S.Conv1d(2, 0), SIGNAL, "kernel must be a positive integer."),
    (lambda: S.Pad([1, 2, 3, 4]), VOLUME, "or a list of one for each axis."),
]


@pytest.mark.parametrize(("layer", "shape", "words"), REFUSED, ids=[words for _, _, words in REFUSED])
def test_what_cannot_be_is_refused_by_name_and_reason(layer: Any, shape: tuple[int, ...], words: str) -> None:
    assert words in refused(layer, shape)


MEANT = {
    "MaxPooling1D": "MaxPool1d",
    "GlobalMaxPooling3D": "AdaptiveMaxPool3d",
    "Conv2DTranspose": "ConvTranspose2d",
    "DepthwiseConv1D": "Conv1d",
    "ReflectionPad3d": "Pad",
    "UpSampling2D": "Upsample",
    "SpatialDropout1D": "Dropout1d",
}


@pytest.mark.parametrize("name", MEANT)
def test_a_framework_s_own_name_is_answered_with_the_spec_s(name: str) -> None:
    with pytest.raises(SpecError, match=f"Here it is called '{MEANT[name]}'"):
        loads(f'name = "a"\ninputs = {{x = [4, 9]}}\nlayers = [{{op = "{name}"}}]')


def test_a_separable_convolution_is_said_to_be_two() -> None:
    with pytest.raises(SpecError, match=r"It is two: Conv2d\(in, kernel, groups=in, bias=False\) and Conv2d"):
        loads('name = "a"\ninputs = {x = [4, 9]}\nlayers = [{op = "SeparableConv2D"}]')


# What a stock layer of Keras is in a spec's terms, with its options.
STOCK: dict[str, tuple[Any, tuple[S.Layer, ...], tuple[int, ...]]] = {
    "GlobalAveragePooling1D": ({}, (S.AdaptiveAvgPool1d(1), S.Flatten()), SIGNAL),
    "GlobalAveragePooling3D": ({}, (S.AdaptiveAvgPool3d(1), S.Flatten()), VOLUME),
    "GlobalMaxPooling1D": ({}, (S.AdaptiveMaxPool1d(1), S.Flatten()), SIGNAL),
    "GlobalMaxPooling2D": ({}, (S.AdaptiveMaxPool2d(1), S.Flatten()), IMAGE),
    "GlobalMaxPooling3D": ({}, (S.AdaptiveMaxPool3d(1), S.Flatten()), VOLUME),
    "MaxPooling1D": ({"pool_size": 2, "strides": 3, "padding": "same"}, (S.MaxPool1d(2, 3, "same"),), SIGNAL),
    "AveragePooling2D": (
        {"pool_size": 4, "padding": "same"},
        (S.AvgPool2d(4, padding="same", count_include_pad=False),),
        IMAGE,
    ),
    "ZeroPadding3D": ({"padding": ((1, 2), (0, 1), (3, 0))}, (S.Pad([[1, 2], [0, 1], [3, 0]]),), VOLUME),
    "Cropping2D": ({"cropping": ((1, 2), (0, 1))}, (S.Cropping([[1, 2], [0, 1]]),), IMAGE),
    "UpSampling1D": ({"size": 3}, (S.Upsample(3),), SIGNAL),
    "UpSampling3D": ({"size": (1, 2, 3)}, (S.Upsample((1, 2, 3)),), VOLUME),
    "GroupNormalization": ({"groups": -1, "epsilon": 1e-5}, (S.InstanceNorm2d(affine=True),), IMAGE),
}


@pytest.mark.parametrize("name", STOCK)
def test_stock_keras_is_what_the_docstring_says(name: str, both: tuple[Backend, Backend]) -> None:
    import keras

    options, layers, shape = STOCK[name]
    x = arrays({"x": shape}, 80)["x"]
    stock = getattr(keras.layers, name)(**options, dtype="float64")
    made = stock(keras.ops.convert_to_tensor(np.moveaxis(x, 1, -1))).numpy()
    for side in both:
        found = side.session(S.Spec("s", S.Sequential(*layers), shape), dtype="float64").forward({"input": x})
        np.testing.assert_allclose(found["outputs"][0], np.moveaxis(made, -1, 1) if made.ndim > 2 else made, atol=CLOSE)


def test_keras_s_bilinear_upsampling_is_linear(both: tuple[Backend, Backend]) -> None:
    import keras

    x = arrays({"x": IMAGE}, 81)["x"]
    stock = keras.layers.UpSampling2D((2, 3), interpolation="bilinear", dtype="float64")
    made = stock(keras.ops.convert_to_tensor(np.moveaxis(x, 1, -1))).numpy()
    spec = S.Spec("s", S.Sequential(S.Upsample((2, 3), mode="linear")), IMAGE)
    for side in both:
        found = side.session(spec, dtype="float64").forward({"input": x})["outputs"][0]
        np.testing.assert_allclose(found, np.moveaxis(made, -1, 1), atol=3e-6)  # TensorFlow resizes by way of float32


SEPARABLE = {1: (S.Conv1d, (3,)), 2: (S.Conv2d, (3, 2))}


@pytest.mark.parametrize("axes", SEPARABLE)
@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize("options", [{}, {"strides": 2}, {"padding": "same", "dilation_rate": 2}], ids=str)
def test_a_stock_separable_convolution_is_two(
    axes: int, multiplier: int, options: dict[str, Any], both: tuple[Backend, Backend]
) -> None:
    import keras

    conv, kernel = SEPARABLE[axes]
    shape = {1: SIGNAL, 2: IMAGE}[axes]
    words = {"strides": "stride", "dilation_rate": "dilation", "padding": "padding"}
    first = conv(
        4 * multiplier, kernel, groups=4, bias=False, **{words[name]: value for name, value in options.items()}
    )
    spec = S.Spec("s", S.Sequential(first, conv(5, 1)), shape)
    x, held = arrays({"x": shape}, 82)["x"], weights(spec, 83)
    stock = getattr(keras.layers, f"SeparableConv{axes}D")(
        5, kernel, depth_multiplier=multiplier, **options, dtype="float64"
    )
    given = keras.ops.convert_to_tensor(np.moveaxis(x, 1, -1))
    stock.build(given.shape)
    deep, point, bias = held.values()
    last = (*range(2, 2 + axes), 0, 1)
    stock.set_weights(
        [deep.reshape(4, multiplier, *kernel).transpose(last), point.T.reshape(stock.weights[1].shape), bias]
    )
    for side in both:
        session = side.session(spec, dtype="float64")
        session.load(held)
        found = session.forward({"input": x})["outputs"][0]
        np.testing.assert_allclose(found, np.moveaxis(stock(given).numpy(), -1, 1), atol=1e-12 * np.abs(found).max())


# Fans: torch's own by its function, Keras's own by its function of the kernel as Keras holds it.
FANS: dict[str, tuple[S.Layer, tuple[int, ...], Any, Any]] = {
    "conv": (S.Conv2d(6, (3, 2)), IMAGE, (6, 4, 3, 2), (3, 2, 4, 6)),
    "grouped": (S.Conv1d(6, 3, groups=2), SIGNAL, (6, 2, 3), (3, 2, 6)),
    "volume": (S.Conv3d(8, 2), VOLUME, (8, 4, 2, 2, 2), (2, 2, 2, 4, 8)),
    "depthwise in torch": (S.Conv2d(8, 3, groups=4), IMAGE, (8, 1, 3, 3), None),
    "depthwise in Keras": (S.Conv2d(8, 3, groups=4, fans="depthwise"), IMAGE, None, (3, 3, 4, 2)),
    "depthwise signal in Keras": (S.Conv1d(4, 3, groups=4, fans="depthwise"), SIGNAL, None, (3, 4, 1)),
    "transposed": (S.ConvTranspose2d(6, (3, 2)), IMAGE, (4, 6, 3, 2), (3, 2, 6, 4)),
    "transposed groups": (S.ConvTranspose1d(6, 3, groups=2), SIGNAL, (4, 3, 3), None),
}


@pytest.mark.parametrize("name", FANS)
def test_fans_are_the_frameworks_own(name: str) -> None:
    from keras.src.initializers.random_initializers import compute_fans

    layer, shape, of_torch, of_keras = FANS[name]
    parameter = S.Spec("f", S.Sequential(layer), shape).parameters[f"{type(layer).__name__.lower()}.weight"]
    found = parameter.fan_in, parameter.fan_out
    if of_torch:
        assert parameter.shape == of_torch
        assert found == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(of_torch))
    if of_keras:
        assert found == compute_fans(of_keras)
    assert math.prod(parameter.shape) == math.prod(of_torch or of_keras)


def one_of_each() -> list[str]:
    """Return the names of the first row and the last of every spatial layer."""
    by_kind: dict[str, list[str]] = {}
    for name in tests.spatial.NAMES:
        by_kind.setdefault(type(next(CASES[name].graph.leaves()).layer).__name__, []).append(name)
    return sorted({name for names in by_kind.values() for name in (names[0], names[-1])})


@pytest.mark.parametrize("name", one_of_each())
def test_source_of_both_frameworks_gives_the_same(name: str) -> None:
    spec = CASES[name]
    module = backend("torch").build(spec, dtype="float64").eval()
    given = [torch.tensor(array) for array in arrays(spec.inputs, 1).values()]
    with torch.no_grad():
        wanted = module(*given)
    for to, close in (("keras", 1e-11), ("torch", 1e-5)):  # a torch module without weights is written for float32
        ported = dualnet.port(module, tuple(given), to, certificate=False)
        made = ported(*(tensor.numpy() for tensor in given))
        scale = max(float(wanted.abs().max()), 1.0)
        np.testing.assert_allclose(made, wanted.numpy(), rtol=0, atol=close * scale)
        assert "dualnet" not in dualnet.emit(spec, to).replace("Written by dualnet", "")


@pytest.mark.parametrize("name", one_of_each())
def test_a_keras_model_of_them_survives_its_configuration(name: str) -> None:
    import keras

    model = backend("keras").build(CASES[name], dtype="float64")
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    x = [keras.ops.convert_to_tensor(np.random.default_rng(84).normal(size=(2, *i.shape[1:]))) for i in model.inputs]
    given = x if len(x) > 1 else x[0]
    for left, right in zip(keras.tree.flatten(model(given)), keras.tree.flatten(again(given)), strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())


@pytest.mark.parametrize(
    "loss", [S.CosineSimilarity(), S.CategoricalHinge(), S.MeanSquaredError("sum_of_means")], ids=str
)
@pytest.mark.parametrize("shape", [SIGNAL, IMAGE, VOLUME], ids=str)
def test_a_loss_along_an_axis_is_that_of_the_spec(loss: S.Loss, shape: Any, both: tuple[Backend, Backend]) -> None:
    conv = {2: S.Conv1d, 3: S.Conv2d, 4: S.Conv3d}[len(shape)]
    spec, x = S.Spec("s", S.Sequential(conv(3, 2)), shape), arrays({"x": shape}, 85)["x"]
    target = arrays({"t": spec.output_shapes[0]}, 86)["t"]
    found, steps = [], []
    for side in both:
        session = side.session(spec, dtype="float64")
        session.load(weights(spec, 87))
        found.append(session.gradients({"input": x}, loss, target))
        session.hold("train", {"input": x}, targets=target)
        session.prepare(loss, S.SGD(learning_rate=0.1))
        steps.append(session.steps("train", np.arange(3)[None], np.full(1, 0.1))["loss"][0])
        steps.append(session.loss(loss, target, target))
    np.testing.assert_allclose(found[1]["loss"], found[0]["loss"], rtol=CLOSE)
    np.testing.assert_allclose(steps[2:], steps[:2], rtol=CLOSE, atol=CLOSE)
    for name, gradient in found[0]["parameters"].items():
        np.testing.assert_allclose(
            found[1]["parameters"][name], gradient, atol=CLOSE * max(np.abs(gradient).max(), 1.0)
        )


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_groups_are_convolved_one_by_one(axes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras would compile a grouped convolution anew at each eager call."""
    import keras

    from dualnet.backends.keras import windows

    asked: list[int] = []
    monkeypatch.setattr(windows.parts, "grouped_conv", lambda x, kernel, groups, *rest: asked.append(groups) or x)
    layer = getattr(windows, f"GroupedConv{axes}D")(4, 1, groups=2, dtype="float64")
    layer(keras.ops.ones((1, *[2] * axes, 4), dtype="float64"))
    assert set(asked) == {2}
