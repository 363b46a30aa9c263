"""Pairs of weights between models that two people wrote: recurrent layers, attention, kernels of flattened images."""

from functools import partial
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

import keras
import torch
from keras import layers as K
from torch import nn

from dualnet import build, check, record
from dualnet import specs as S
from dualnet.backends.fact import Piece
from dualnet.errors import WeightsError
from dualnet.run.recording import Recording
from tests.seeded.drawn import KINDS, DrawnPair

TOKENS = np.random.default_rng(0).integers(0, 11, (4, 7))
IMAGES = np.random.default_rng(0).normal(size=(3, 2, 5, 4)).astype("float32")


class Reader(nn.Module):
    """Every recurrent layer there is, both ways and stacked, and attention; second biases keep still if asked to."""

    def __init__(self, still: bool = True) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.lstm = nn.LSTM(6, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.gru = nn.GRU(8, 5, batch_first=True)
        self.rnn = nn.RNN(5, 4, batch_first=True)
        self.head = nn.Linear(4, 3)
        for layer in (self.lstm, self.rnn):
            for name, parameter in layer.named_parameters():
                parameter.requires_grad_(not (still and name.startswith("bias_hh")))

    def forward(self, tokens: Any) -> Any:
        x, _ = self.lstm(self.embed(tokens))
        x = self.norm(x + self.attention(x, x, x, need_weights=False)[0])
        x, _ = self.rnn(self.gru(x)[0])
        return self.head(x[:, -1])


def reader() -> keras.Model:
    tokens = keras.Input((7,), dtype="int32")
    x = K.Embedding(11, 6)(tokens)
    for _ in range(2):
        x = K.Bidirectional(K.LSTM(4, return_sequences=True))(x)
    x = K.LayerNormalization(epsilon=1e-5)(x + K.MultiHeadAttention(2, 4)(x, x))
    x = K.SimpleRNN(4)(K.GRU(5, return_sequences=True)(x))
    return keras.Model(tokens, K.Dense(3)(x))


@pytest.mark.parametrize(
    ("order", "source"),
    [(1, "left"), pytest.param(-1, "left", marks=pytest.mark.slow), pytest.param(1, "right", marks=pytest.mark.slow)],
    ids=["torch to keras", "keras to torch", "keras to torch, from the right"],
)
def test_recurrent_layers_and_attention_are_paired(order: int, source: str) -> None:
    torch.manual_seed(1)
    report = check(*(Reader(), reader())[::order], TOKENS, weights_from=source)
    assert report.agrees, report
    assert len(report.stage("structure").figures["matching"]) == 32
    assert "added to the first bias: lstm.bias_hh_l0" in report.stage("structure").note


def compiled(framework: str, biases: str) -> Any:
    """Return what ``reader`` and ``Reader`` are, out of a spec."""
    layers = (
        S.Embedding(11, 6, name="embed"),
        S.LSTM(4, layers=2, bidirectional=True, bias=biases, name="lstm"),
        S.MultiheadAttention(2, name="attention"),
        S.Add(name="sum", inputs=("lstm", "attention")),
        S.LayerNorm(1, name="norm"),
        S.GRU(5, name="gru"),
        S.RNN(4, bias=biases, returns="last", name="rnn"),
        S.Linear(3, name="head"),
    )
    return build(S.Spec("reader", S.Block(layers), (7,)), framework)


@pytest.mark.parametrize("framework", ["torch", "keras"])
@pytest.mark.parametrize("theirs", [partial(Reader, still=False), reader], ids=["torch", "keras"])
def test_a_compiled_spec_meets_what_people_wrote(framework: str, theirs: Any) -> None:
    keras.utils.set_random_seed(5)
    ours = compiled(framework, "one" if theirs is reader else "two")
    report = check(ours, theirs(), TOKENS, weights_from="right", stages="structure,weights,forward,gradients")
    assert report.agrees, report
    assert len(report.stage("structure").figures["matching"]) == (32 if theirs is reader else 37)


def test_a_second_bias_of_ours_in_keras_has_no_counterpart() -> None:
    report = check(compiled("keras", "two"), reader(), TOKENS, weights_from="right", stages="structure,forward")
    assert report.stage("structure").verdict == "divergent"
    assert report.stage("structure").where == "lstm/bias_hh_l0"


def test_a_second_bias_that_trains_is_named() -> None:
    keras.utils.set_random_seed(1)  # torch's generator too
    report = check(Reader(still=False), reader(), TOKENS, weights_from="left")
    assert report.verdict == "divergent"
    assert report.stage("forward").verdict in ("equal", "rounding")
    assert report.stage("state").cause.startswith("double bias")


@pytest.mark.slow
def test_recordings_pair_them_too() -> None:
    torch.manual_seed(1)
    first: Recording = record(reader(), TOKENS)
    report = check(first, record(Reader(), like=first))
    assert report.agrees, report


def permuted(*, turn: bool) -> keras.Model:
    """Return a net that flattens its image in PyTorch's order, or in Keras's own."""
    turned = [K.Permute((3, 1, 2))] if turn else []
    return keras.Sequential([K.Input((5, 4, 2)), K.Conv2D(3, 2), *turned, K.Flatten(), K.Dense(4)])


@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize("order", [1, -1])
def test_a_kernel_that_reads_a_flattened_image_is_paired_as_it_reads(turn: bool, order: int) -> None:
    torch.manual_seed(2)
    module = nn.Sequential(nn.Conv2d(2, 3, 2), nn.Flatten(), nn.Linear(36, 4))
    given = IMAGES if order == 1 else IMAGES.transpose(0, 2, 3, 1)
    report = check(*(module, permuted(turn=turn))[::order], given, weights_from="left")
    assert report.agrees, report
    assert "1 by what they read" in report.stage("structure").note


def test_it_is_paired_rightly_behind_a_layer_that_differs() -> None:
    torch.manual_seed(2)
    module = nn.Sequential(nn.Conv2d(2, 3, 2), nn.LeakyReLU(0.01), nn.Flatten(), nn.Linear(36, 4))
    model = keras.Sequential(
        [K.Input((5, 4, 2)), K.Conv2D(3, 2), K.LeakyReLU(0.3, name="leaky"), K.Flatten(), K.Dense(4)]
    )
    report = check(module, model, IMAGES, weights_from="left")
    assert report.stage("forward").where == "1 (leaky) (eval mode)"
    assert report.stage("forward").cause.startswith("negative slope")


class Other(nn.Module):
    """A dense layer whose kernel has no layer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(5, 6))
        self.head = nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        return self.head(torch.relu(x @ self.w))


class Kernel(K.Layer):
    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(6, 5), name="transposed")

    def call(self, x: Any) -> Any:
        return keras.ops.matmul(x, keras.ops.transpose(self.kernel))


def test_weights_that_cannot_be_given_across_are_asked_for() -> None:
    model = keras.Sequential([K.Input((5,)), Kernel(name="own"), K.ReLU(), K.Dense(3)])
    x = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    with pytest.raises(WeightsError, match=r"no pairs of them were found: w \(torch\); .*own/transposed \(keras\)"):
        check(Other(), model, x, weights_from="left")
    assert check(Other(), model, x, weights_from="left", table={"w": "own/transposed"}).agrees


class Placed(nn.Module):
    """Positions and a scale that are parameters by themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.places, self.scale = nn.Parameter(torch.randn(1, 7, 6)), nn.Parameter(torch.randn(6))
        self.embed, self.head = nn.Embedding(11, 6), nn.Linear(6, 3)

    def forward(self, tokens: Any) -> Any:
        return self.head((self.embed(tokens) + self.places) * self.scale)


class Places(K.Layer):
    def build(self, shape: Any) -> None:
        self.table = self.add_weight(shape=(1, 7, 6), name="table")
        self.factor = self.add_weight(shape=(6,), name="factor")

    def call(self, x: Any) -> Any:
        return (x + self.table) * self.factor


def test_parameters_by_themselves_are_paired_by_shape() -> None:
    model = keras.Sequential([K.Input((7,), dtype="int32"), K.Embedding(11, 6), Places(), K.Dense(3)])
    report = check(Placed(), model, TOKENS, weights_from="left")
    assert report.agrees, report
    assert "2 by shape" in report.stage("structure").note


def test_a_piece_goes_forth_and_back() -> None:
    source, whole = np.arange(6.0), np.zeros((2, 6))
    piece = Piece("a", "b[x]", (6,), (6,), (0,), (6,), turn=(1, 0, 2), at=(1, 2))
    put = piece.put(source, whole)
    assert put.tolist() == [[0] * 6, [2, 3, 0, 1, 4, 5]]
    assert piece.back(put).tolist() == source.tolist()
    assert not whole.any()


def _sound(seed: int) -> None:
    report = DrawnPair(seed).check()
    assert report.verdict in ("equal", "rounding"), report
    assert report.stage("forward").verdict in ("equal", "rounding")


@pytest.mark.parametrize("seed", range(0, 4 * len(KINDS), 4))
def test_a_drawn_pair_is_sound(seed: int) -> None:
    _sound(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(16, 80))
def test_drawn_pairs_are_sound(seed: int) -> None:
    _sound(seed)
