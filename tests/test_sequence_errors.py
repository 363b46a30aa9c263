"""What sequences, tables and losses refuse: what was expected, what came, what to do."""

from typing import Any

import numpy as np
import pytest

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.errors import SpecError, WeightsError
from dualnet.specs.losses import Loss
from dualnet.specs.node import make
from dualnet.specs.text import loads

WORDS = {"words": (6,), "more": (6, 5)}
READS: dict[str, tuple[tuple[S.Layer, ...], str]] = {
    "what a layer gives": (
        (S.Linear(3, inputs=("more",)), S.Embedding(3, 4, name="e")),
        "Embedding 'e': it takes integers, and reads what a layer gives. Let it read an input of the model.",
    ),
    "integers and floats": (
        (S.Embedding(3, 4, inputs=("words",)), S.Linear(2, name="l", inputs=("words",))),
        "The input 'words' holds integers for embeddings, and Linear 'l' reads it too. Give that an input of its own.",
    ),
    "integers in a block": (
        (
            S.Embedding(3, 4, inputs=("words",)),
            S.Block((S.Tanh(name="t"),), name="b", inputs=("words",)),
        ),
        "The input 'words' holds integers for embeddings, and Tanh 'b.t' reads it too.",
    ),
    "three axes": (
        (S.Linear(4, inputs=("more",)), S.LSTM(3, name="l"), S.Flatten(), S.GRU(2, name="g")),
        "GRU 'g': it takes sequences [L, F]. Received: [18]",
    ),
    "other lengths": (
        (S.Linear(4, inputs=("more",), name="a"), S.Attention(name="b", inputs=("more", "a"))),
        "Attention 'b': query and key must have one size F.",
    ),
    "heads": (
        (S.MultiheadAttention(2, name="h", inputs=("more",)),),
        "heads=2 do not divide the query's 5 features. Name head_features.",
    ),
    "four wires": (
        (S.MultiheadAttention(5, name="h", inputs=("more",) * 4),),
        "MultiheadAttention 'h': it takes 1 or 2 or 3 inputs and reads 4.",
    ),
    "halves": ((S.GLU(name="g", inputs=("more",)),), "GLU 'g': dim -1 has no two halves. Received: [6, 5]"),
    "sizes": (
        (S.Unflatten(1, (4, -1), name="u", inputs=("more",)),),
        "Unflatten 'u': dim 1 does not split into [4, -1].",
    ),
    "numbers": (
        (S.Normalization([1, 2], [1.0], name="n", inputs=("more",)),),
        "mean and variance must hold one number, or 6, one for each entry of dim 1.",
    ),
}


@pytest.mark.parametrize("case", READS)
def test_what_cannot_flow_is_refused_by_name(case: str) -> None:
    layers, message = READS[case]
    with pytest.raises(SpecError) as caught:
        S.Spec("net", S.Block(layers), WORDS)
    assert message in str(caught.value)


def test_integers_are_found_through_blocks_with_the_smallest_bound() -> None:
    inner = S.Block((S.Embedding(9, 4, name="a"),), name="b", inputs=("words",), ports=("x",))
    layers = inner, S.Embedding(7, 4, name="c", inputs=("words",)), S.Add(inputs=("b", "c"))
    spec = S.Spec("net", S.Block(layers), {"words": (6,)})
    assert spec.integers == {"words": 7}
    assert S.Spec("net", S.Linear(2), (4,)).integers == {}


@pytest.mark.parametrize(
    ("array", "came"),
    [
        (np.full((2, 6), 3), "int64 from 3 to 3"),
        (np.full((2, 6), -1), "int64 from -1 to -1"),
        (np.zeros((2, 6)), "float64"),
    ],
    ids=["above", "below", "floats"],
)
def test_what_names_no_row_is_refused_before_a_framework_sees_it(backend: Backend, array: Any, came: str) -> None:
    session = backend.session(S.Spec("net", S.Embedding(3, 4), (6,)))
    with pytest.raises(
        WeightsError, match=r"'input' holds integers from 0 to 2, rows of its embedding\. Received: " + came
    ):
        session.forward({"input": array})


CALLS: dict[str, tuple[Any, str]] = {
    "max_norm": (lambda: S.Embedding(3, 4, max_norm=1.0), "Embedding has no field 'max_norm'. Torch rescales rows"),
    "mask_zero": (lambda: S.Embedding(3, 4, mask_zero=True), "It hands a mask to the layers below"),
    "recurrent_dropout": (lambda: S.LSTM(3, recurrent_dropout=0.1), "Keras draws its masks inside the loop"),
    "kdim": (lambda: S.MultiheadAttention(2, kdim=3), "Sizes of what comes in are inferred"),
    "padding_idx": (lambda: S.Embedding(3, 4, padding_idx=3), "padding_idx must name a row of the table. Received: 3"),
    "both ways": (
        lambda: S.GRU(3, bidirectional=True, backwards=True),
        "reads both ways already. Leave backwards out.",
    ),
    "merge": (lambda: S.RNN(3, merge="sum"), "there is one way, and nothing to merge. Leave merge='sum' out."),
    "dims": (lambda: S.Permute((1, 3)), "dims must hold each of 1 … 2 once. Received: [1, 3]"),
    "slopes": (lambda: S.RReLU(0.5, 0.2), "lower must not exceed upper. Received: lower=0.5 and upper=0.2"),
    "rows": (lambda: S.Rows(S.Zeros(), 3, 2), "first must lie below end. Received: first=3 and end=2"),
}


@pytest.mark.parametrize("case", CALLS)
def test_a_field_that_cannot_be_is_refused_with_its_reason(case: str) -> None:
    call, message = CALLS[case]
    with pytest.raises(SpecError) as caught:
        call()
    assert message in str(caught.value)


@pytest.mark.parametrize(("name", "why"), S.Layer.refused.items())
def test_a_layer_that_is_not_there_says_what_to_do(name: str, why: str) -> None:
    with pytest.raises(SpecError) as caught:
        loads(f'name = "net"\ninputs = [4]\nlayers = [{{op = "{name}"}}]')
    assert str(caught.value).endswith(f"unknown layer {name!r}. {why}")


@pytest.mark.parametrize(("name", "why"), Loss.refused.items())
def test_a_loss_that_is_not_there_says_what_to_do(name: str, why: str) -> None:
    with pytest.raises(SpecError) as caught:
        make(Loss, name, {}, "training.loss")
    assert str(caught.value) == f"training.loss: unknown loss {name!r}. {why[:1].upper()}{why[1:]}"


@pytest.mark.parametrize(("theirs", "ours"), [("SimpleRNN", "RNN"), ("GroupQueryAttention", "MultiheadAttention")])
def test_a_layer_that_has_another_name_here_is_named(theirs: str, ours: str) -> None:
    with pytest.raises(SpecError, match=f"Here it is called '{ours}'"):
        loads(f'name = "net"\ninputs = [4, 3]\nlayers = [{{op = "{theirs}"}}]')


def test_rows_past_the_end_cannot_be_filled(backend: Backend) -> None:
    spec = S.Spec("net", S.Linear(3, weight_init=S.Rows(S.Zeros(), 2, 9)), (4,))
    with pytest.raises(SpecError, match="Rows fills parameters of 9 rows or more"):
        backend.session(spec)
