"""Embeddings, recurrent layers and attention beside the stock classes of both frameworks, in training and as source."""

from typing import Any

import numpy as np
import pytest

import dualnet
import tests.sequence_cases
import tests.transform_cases  # noqa: F401 - enters its rows
from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.protocol import Array, Arrays
from dualnet.specs.cost import multiply_adds, total
from tests.cases import CASES, CLOSE, inputs, weights

Q, K, V = (6, 8), (5, 7), (5, 3)


def given_back(backend: Backend, spec: S.Spec, arrays: Arrays, loaded: Arrays) -> Array:
    session = backend.session(spec, dtype="float64")
    session.load(loaded)
    return session.forward(arrays)["outputs"][0]


def close(found: Array, expected: Any) -> None:
    expected = np.asarray(expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=CLOSE * max(np.abs(expected).max(), 1e-300))


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("kind", ["Encoder", "Decoder"])
def test_transformer_layers_are_those_of_torch(backend: Backend, kind: str, norm_first: bool) -> None:
    import torch

    options: dict[str, Any] = {"norm_first": norm_first, "activation": S.GELU(), "epsilon": 1e-3}
    make = getattr(S, f"Transformer{kind}Layer")
    shapes = {"target": Q, "memory": (5, 8)} if kind == "Decoder" else {"target": Q}
    more = {} if kind == "Decoder" else {"name": "t"}
    spec = S.Spec("t", S.Block((make(8, 2, 11, 0.0, **options, **{"name": "t", **more}),)), shapes)
    stock = getattr(torch.nn, f"Transformer{kind}Layer")(
        8, 2, 11, 0.0, "gelu", 1e-3, batch_first=True, norm_first=norm_first, dtype=torch.float64
    )
    loaded, x = weights(spec, 5), inputs(spec, 6)
    names = {n: n.removeprefix("t.").replace("out_proj_", "out_proj.") for n in loaded}
    stock.load_state_dict({names[n]: torch.tensor(array) for n, array in loaded.items()})
    mask = torch.nn.Transformer.generate_square_subsequent_mask(6, dtype=torch.float64)
    masked = {"tgt_mask": mask} if kind == "Decoder" else {}
    with torch.no_grad():
        expected = stock(*(torch.tensor(array) for array in x.values()), **masked)
    close(given_back(backend, spec, x, loaded), expected)


def stock_heads(wires: list[Array], w: Arrays, grouped: bool) -> Array:
    """Keras's own layer of 4 heads of size 4, whose root float32 holds; its kernels cut out of PyTorch's matrices."""
    import keras

    groups = 2 if grouped else 4
    if grouped:
        stock = keras.layers.GroupQueryAttention(4, 4, groups, dtype="float64")
    else:
        stock = keras.layers.MultiHeadAttention(4, 4, dtype="float64")
    query, key, value = wires
    stock.build(*(each.shape for each in (query, value, key)))
    sizes = (4, groups, groups)
    biases = np.split(w["m.in_proj_bias"], np.cumsum([4 * size for size in sizes])[:2])
    arrays = []
    for name, bias, size in zip("qkv", biases, sizes, strict=True):
        arrays += [w[f"m.{name}_proj_weight"].T.reshape(-1, size, 4), bias.reshape(size, 4)]
    stock.set_weights([*arrays, w["m.out_proj_weight"].T.reshape(4, 4, -1), w["m.out_proj_bias"]])
    return np.asarray(stock(query, value, key))


@pytest.mark.parametrize("grouped", [False, True])
def test_heads_of_any_size_are_those_of_keras(both: tuple[Backend, Backend], grouped: bool) -> None:
    layer = S.MultiheadAttention(4, head_features=4, key_heads=2 if grouped else None, name="m", inputs=("q", "k", "v"))
    spec = S.Spec("heads", S.Block((layer,)), {"q": Q, "k": K, "v": V})
    loaded, x = weights(spec, 7), inputs(spec, 8)
    expected = stock_heads(list(x.values()), loaded, grouped)
    for backend in both:
        close(given_back(backend, spec, x, loaded), expected)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("causal", [True, False])
def test_heads_of_one_matrix_are_those_of_torch(backend: Backend, bias: bool, causal: bool) -> None:
    import torch

    spec = S.Spec("heads", S.MultiheadAttention(4, bias=bias, causal=causal, name="m"), Q)
    loaded, x = weights(spec, 9), inputs(spec, 10)
    stock = torch.nn.MultiheadAttention(8, 4, bias=bias, batch_first=True, dtype=torch.float64)
    names = {n: n.removeprefix("m.").replace("out_proj_", "out_proj.") for n in loaded}
    stock.load_state_dict({names[n]: torch.tensor(array) for n, array in loaded.items()})
    wire = torch.tensor(x["input"])
    mask = torch.ones(6, 6, dtype=torch.bool).triu(1) if causal else None
    with torch.no_grad():
        close(given_back(backend, spec, x, loaded), stock(wire, wire, wire, attn_mask=mask)[0])


@pytest.mark.parametrize("score", ["dot", "concat", "additive"])
@pytest.mark.parametrize("causal", [True, False])
def test_one_head_is_that_of_keras(both: tuple[Backend, Backend], score: str, causal: bool) -> None:
    import keras

    layer = S.Attention(score, scaled=True, causal=causal, name="a", inputs=("q", "k", "v"))  # type: ignore[arg-type]
    spec = S.Spec("head", S.Block((layer,)), {"q": (6, 7), "k": K, "v": V})
    loaded, x = weights(spec, 11), inputs(spec, 12)
    additive = score == "additive"
    kind = keras.layers.AdditiveAttention if additive else keras.layers.Attention
    stock = kind(use_scale=True, dtype="float64", **({} if additive else {"score_mode": score}))
    query, key, value = x.values()
    stock.build([query.shape, value.shape, key.shape])
    stock.set_weights([array.reshape(v.shape) for array, v in zip(loaded.values(), stock.weights, strict=True)])
    expected = np.asarray(stock([query, value, key], use_causal_mask=causal))
    for backend in both:
        close(given_back(backend, spec, x, loaded), expected)


TEXT = S.Spec(
    "text",
    S.Sequential(
        S.Embedding(5, 6, padding_idx=0, name="rows"),
        S.LSTM(4, bidirectional=True, dropout=0.3, layers=2, name="read"),
        S.MultiheadAttention(2, dropout=0.2, name="look"),
        S.GRU(3, bias="one", returns="last", name="end"),
        S.Linear(3, name="scores"),
    ),
    (7,),
    training=S.Training(optimizer=S.Adam(0.01)),
)


@pytest.mark.slow
def test_a_model_of_words_agrees_on_every_stage() -> None:
    report = dualnet.check(TEXT, stages=("structure", "forward", "gradients", "step", "init"))
    assert report.agrees, report.to_json()


@pytest.mark.slow
def test_rows_looked_up_more_than_once_learn_alike(both: tuple[Backend, Backend]) -> None:
    rows = np.random.default_rng(3).integers(0, 4, (6, 8))
    found = []
    for backend in both:
        session = backend.session(TEXT, dtype="float64", seed=1)
        session.hold("train", {"input": np.array([[1, 1, 0, 2, 2, 2, 4]] * 8)}, targets=np.arange(8) % 3)
        session.prepare(S.CrossEntropy(), S.Adam(0.05), S.Clip("global_norm", 0.5))
        session.steps("train", rows, np.full(6, 0.05))
        found.append(session.weights())
    start = both[0].session(TEXT, dtype="float64", seed=1).weights()["rows.weight"]
    for name, array in found[0].items():
        # Adam divides by the root of a square: a rounding of a small gradient grows
        np.testing.assert_allclose(found[1][name], array, rtol=0, atol=1e-10, err_msg=name)
    np.testing.assert_array_equal(found[0]["rows.weight"][[0, 3]], start[[0, 3]])
    assert (found[0]["rows.weight"][[1, 2, 4]] != start[[1, 2, 4]]).all()
    assert not start[0].any()


EMITTED = (
    *("embedding_padding", "embedding_pairs", "bag_mean_padding", "bag_max"),
    *("rnn_relu", "rnn_one_bias", "lstm_deep_both_ways", "lstm_projection", "lstm_last_one_bias"),
    *("gru_last", "gru_before", "multihead_causal", "multihead_cross_grouped"),
    *("attention_dot_cross", "attention_concat-True", "attention_additive_cross"),
    *("alpha_dropout-image", "gaussian_noise-image", "gaussian_dropout-features", "rrelu-image"),
    *("prelu_channels-image", "prelu_entries-image", "glu_3", "softmin_1", "rms_3", "unit_1"),
    *("normalization_columns", "rescaling-image", "permute-flatten", "unflatten-image", "repeat"),
    *("dot_cosine-sequence", "distance-sequence", "bilinear"),
)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("to", ["torch", "keras"])
@pytest.mark.parametrize("name", EMITTED)
def test_source_gives_what_the_layer_gives(both: tuple[Backend, Backend], name: str, to: str) -> None:
    from dualnet.run.port import program_of, written

    spec = CASES[name]
    ported, x = written(program_of(spec), to), inputs(spec, 13)
    x = {n: array.astype(np.float32) if array.dtype.kind == "f" else array for n, array in x.items()}
    found = ported(*x.values())
    expected = both[0].session(spec, dtype="float32", seed=0).forward(x)["outputs"]
    for left, right in zip(found if isinstance(found, tuple) else (found,), expected, strict=True):
        # float32: some hundred roundings of 6e-8 of entries about 1
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=5e-6)


@pytest.mark.parametrize(
    "name", ["embedding_padding", "gru_last", "lstm_one_bias", "gru_before", "dot_cosine-sequence"]
)
def test_the_stock_keras_model_can_be_ported(both: tuple[Backend, Backend], name: str) -> None:
    spec = CASES[name]
    x = [array.astype(np.float32) if array.dtype.kind == "f" else array for array in inputs(spec, 14).values()]
    ported = dualnet.port(dualnet.build(spec, "keras"), tuple(x) if len(x) > 1 else x[0], to="torch")
    assert ported.report.agrees, ported.report


COSTS = [
    (S.RNN(3), SEQUENCE := (6, 5), 6 * (15 + 9)),
    (S.LSTM(3, bidirectional=True), SEQUENCE, 6 * 2 * 4 * (15 + 9)),
    (S.LSTM(4, projection=2), SEQUENCE, 6 * (16 * 5 + 16 * 2 + 2 * 4)),
    (S.GRU(3, layers=2), SEQUENCE, 6 * 3 * (15 + 9 + 9 + 9)),
    (S.MultiheadAttention(2), (6, 4), 6 * 4 * 4 * 4 + 2 * 6 * 6 * 4),
    (S.Attention(), SEQUENCE, 6 * 6 * 10),
    (S.Tanh(), SEQUENCE, 0),
]


@pytest.mark.parametrize(("layer", "shape", "products"), COSTS, ids=str)
def test_costs_are_those_counted_by_hand(layer: S.Layer, shape: tuple[int, ...], products: int) -> None:
    assert total(S.Spec("cost", layer, shape)) == products


def test_a_bilinear_layer_costs_its_weight_for_each_position() -> None:
    spec = CASES["bilinear_no_bias"]
    assert multiply_adds(next(spec.graph.leaves())) == 6 * 2 * 3 * 5


def test_an_embedding_costs_nothing() -> None:
    assert total(S.Spec("cost", S.Embedding(9, 5), (6,))) == 0
