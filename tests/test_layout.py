"""Which flattened images keep their channels-last order on Keras, and what that spares."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tests.spatial
import tests.wirings  # noqa: F401 - both enter their rows
from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.specs import zoo
from tests.cases import CASES

IMAGE = (4, 9, 6)
KEPT = {
    "flatten_linear": ["flat", "linear"],
    "flatten_through": ["flat", "relu", "dropout", "gelu", "linear"],
    "flatten_linears": ["flat", "a", "b"],
    "flatten_after_block": ["block.flatten", "block_2.relu"],
    "flatten_eye": ["flat"],
    "signal_net": ["flatten"],
    "volume_net": ["flatten"],
    "dropout_then_flatten": ["flatten"],
    "shared_inside_shared": [],
}
PERMUTED = [
    "flatten-image",
    "flatten_dropout",
    "flatten_softmax",
    "flatten_batchnorm",
    "flatten_layernorm",
    "flatten_groupnorm",
    "flatten_reshape",
    "flatten_linear_and_add",
    "flatten_linear_and_output",
    "flatten_concat",
    "flatten_shared_linear",
    "siamese",  # a Linear used twice has one kernel for two wires
]
SPARED = ["flatten-grey", "flatten-pixel", "flatten-sequence", "flatten-features", "flatten_grey_linear"]


@pytest.fixture(autouse=True)
def _needs_keras(both: tuple[Backend, Backend]) -> None:
    """Skip where Keras is not tested."""


def flattened(spec: S.Spec) -> list[str]:
    """Return the paths of the wires that hold an image flattened in channels-last order."""
    from dualnet.backends.keras.layout import layouts

    found = layouts(spec.graph, [len(shape) for shape in spec.inputs.values()])
    return [path for path, layout in found.gives.items() if layout.image]


def kinds(model: Any) -> Iterator[str]:
    """Yield the class names of a live Keras model's layers, through all nesting."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from kinds(layer)
        else:
            yield type(layer).__name__


@pytest.mark.parametrize("name", KEPT)
def test_flattened_images_that_only_linear_layers_read_keep_their_order(name: str) -> None:
    linear = {step.path for step in CASES[name].graph.leaves() if isinstance(step.layer, S.Linear)}
    assert flattened(CASES[name]) == [path for path in KEPT[name] if path not in linear]


@pytest.mark.parametrize("name", PERMUTED)
def test_other_readers_get_the_order_of_the_spec(both: tuple[Backend, Backend], name: str) -> None:
    assert flattened(CASES[name]) == []
    assert list(kinds(both[1].build(CASES[name]))).count("Permute") == 1 + (name == "flatten_reshape")


@pytest.mark.parametrize("name", [*KEPT, *SPARED])
def test_no_permutation_where_none_is_needed(both: tuple[Backend, Backend], name: str) -> None:
    assert "Permute" not in kinds(both[1].build(CASES[name]))


NO_TURN = ["signal_net", "volume_net", "signal_output", "signal_dropout", "conv_plain_1d", "conv_causal_both"]
TURNS = {
    "signal_linear": 2,  # a Linear over places, between convolutions
    "signal_joins": 3,  # a Linear reads what a convolution reads later; Add and Concat are given a sequence
    "signal_reshape": 3,  # in front of each Reshape, and of the convolution that reads one
    "signal_flatten": 1,  # read by a norm over what was flattened
    "volume_flatten": 1,
    "unfold_linear": 0,
    "batchnorm-sequence": 0,
}


@pytest.mark.parametrize("name", NO_TURN)
def test_nets_of_signals_and_volumes_turn_nothing(both: tuple[Backend, Backend], name: str) -> None:
    assert "Permute" not in kinds(both[1].build(CASES[name]))


@pytest.mark.parametrize("name", TURNS)
def test_a_turn_stands_only_where_an_order_changes(both: tuple[Backend, Backend], name: str) -> None:
    assert list(kinds(both[1].build(CASES[name]))).count("Permute") == TURNS[name]


def test_an_input_lies_as_its_first_reader_of_places_wants_it(both: tuple[Backend, Backend]) -> None:
    shapes = {
        name: [tuple(each.shape) for each in both[1].build(CASES[name]).inputs]
        for name in ("signal_output", "signal_net", "signal_joins", "linear_sequence", "volume_net")
    }
    assert shapes == {
        "signal_output": [(None, 11, 4)],
        "signal_net": [(None, 11, 4)],
        "signal_joins": [(None, 11, 4), (None, 11, 4)],
        "linear_sequence": [(None, 6, 5)],
        "volume_net": [(None, 5, 6, 4, 4)],
    }


def test_the_fashion_cnn_is_the_model_a_keras_user_would_write(both: tuple[Backend, Backend]) -> None:
    made = [kind for kind in kinds(both[1].build(zoo.load("fashion_cnn"))) if kind != "InputLayer"]
    block = ["Conv2D", "UnbiasedBatchNormalization", "ReLU", "MaxPooling2D"]
    assert made == [*block, *block, "Flatten", "Dense", "ReLU", "Dropout", "Dense"]


@pytest.mark.parametrize("image", [None, IMAGE])
def test_memory_and_spec_are_each_others_inverse(image: tuple[int, ...] | None) -> None:
    from dualnet.backends.keras.layout import Layout

    layout = Layout((0,), image) if image else Layout((1, 2, 0))
    x = np.random.default_rng(70).normal(size=(2, *IMAGE))
    given = x.reshape(2, -1) if image else x
    np.testing.assert_array_equal(layout.logical(layout.physical(given)), given)
    last = np.moveaxis(x, 1, -1)
    np.testing.assert_array_equal(layout.physical(given), last.reshape(2, -1) if image else last)


def test_an_axis_is_found_where_it_lies() -> None:
    from dualnet.backends.keras.layout import last, plain

    assert [plain(3).axis(dim) for dim in (1, 2, 3, -1, -3)] == [3, 1, 2, 2, 3]
    assert [plain(2).axis(dim) for dim in (1, 2, -1, -2)] == [1, 2, 2, 1]
    assert plain(1).axis(-1) == 1
    assert [plain(4).axis(dim) for dim in (1, 2, 3, 4)] == [4, 1, 2, 3]
    assert [last(2).axis(dim) for dim in (1, 2)] == [2, 1]


def test_a_turn_brings_one_order_into_another() -> None:
    from dualnet.backends.keras.layout import Layout, last

    x, spec = np.random.default_rng(71).normal(size=(2, 3, 4, 5, 6)), Layout((0, 1, 2, 3))
    there = x.transpose(0, *spec.turn(last(4)))
    np.testing.assert_array_equal(there, np.moveaxis(x, 1, -1))
    np.testing.assert_array_equal(there.transpose(0, *last(4).turn(spec)), x)
