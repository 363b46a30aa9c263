"""How embeddings, recurrent layers, attention, slopes and bilinear layers start, by each framework's own rule."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.protocol import Arrays
from tests.test_native_init import assert_drawn_from, drawn, flat

H, F, E = 30, 20, 24
MODEL = S.Spec(
    "starts",
    S.Block(
        (
            S.Embedding(60, 50, padding_idx=3, name="rows", inputs=("words",)),
            S.EmbeddingBag(60, 50, name="bag", inputs=("words",)),
            S.RNN(H, bias="one", name="rnn", inputs=("x",)),
            S.LSTM(H, layers=2, name="lstm", inputs=("x",)),
            S.GRU(H, name="gru", inputs=("x",)),
            S.MultiheadAttention(4, name="heads", inputs=("e",)),
            S.MultiheadAttention(3, head_features=7, name="apart", inputs=("e",)),
            S.Attention("additive", scaled=True, name="score", inputs=("w",)),
            S.Attention("concat", scaled=True, name="concat", inputs=("w",)),
            S.PReLU("channels", name="slopes", inputs=("w",)),
            S.Bilinear(9, name="pair", inputs=("x", "e")),
            S.RMSNorm(name="norm", inputs=("x",)),
        ),
        outputs=("rows", "bag", "rnn", "lstm", "gru", "heads", "apart", "score", "concat", "slopes", "pair", "norm"),
    ),
    {"words": (3,), "x": (2, F), "e": (2, E), "w": (2, 900)},
)
FROZEN = {"concat.scale": 1.0, "concat.concat_weight": 1.0, "norm.weight": 1.0}


def glorot(i: int, o: int) -> Any:
    return flat(math.sqrt(6 / (i + o)))


LOOP = [f"{kind}.{part}_l0" for kind in ("rnn", "lstm", "gru") for part in ("weight_ih", "weight_hh", "bias_ih")]
LOOP += [f"{kind}.bias_hh_l0" for kind in ("lstm", "gru")] + ["lstm.weight_ih_l1", "lstm.bias_hh_l1"]
TORCH = dict.fromkeys(LOOP, flat(1 / math.sqrt(H))) | {
    "bag.weight": stats.norm(),
    "heads.in_proj_weight": glorot(E, 3 * E),
    "heads.out_proj_weight": flat(1 / math.sqrt(E)),
    "apart.q_proj_weight": glorot(E, 21),
    "apart.out_proj_weight": flat(1 / math.sqrt(21)),
    "pair.weight": flat(1 / math.sqrt(F)),
    "score.scale": glorot(900, 900),
}
KERAS = {
    "bag.weight": flat(0.05),
    "rnn.weight_ih_l0": glorot(F, H),
    "lstm.weight_ih_l0": glorot(F, 4 * H),
    "lstm.weight_ih_l1": glorot(H, 4 * H),
    "gru.weight_ih_l0": glorot(F, 3 * H),
    "heads.in_proj_weight": glorot(E, E),
    "heads.out_proj_weight": glorot(E, E),
    "apart.v_proj_weight": glorot(E, 21),
    "score.scale": glorot(900, 900),
}
ZERO = {
    "torch_default": {"heads.in_proj_bias", "heads.out_proj_bias", "apart.in_proj_bias"},
    "keras_default": {"heads.in_proj_bias", "gru.bias_ih_l0", "gru.bias_hh_l0", "lstm.bias_hh_l0", "slopes.weight"},
}


@pytest.mark.parametrize("preset", ["torch_default", "keras_default"])
def test_every_weight_starts_by_the_rule_of_its_framework(backend: Backend, preset: Any) -> None:
    found = drawn(backend, replace(MODEL, init=preset))
    for name, theory in (TORCH if preset == "torch_default" else KERAS).items():
        assert_drawn_from(found[name], theory, name)
    for name in ZERO[preset]:
        assert not found[name].any(), name
    for name, value in FROZEN.items():
        assert (found[name] == value).all(), name
    assert_drawn_from(
        np.delete(found["rows.weight"], 3, 0), stats.norm() if preset == "torch_default" else flat(0.05), ""
    )
    assert not found["rows.weight"][3].any()


def test_what_only_keras_does(backend: Backend) -> None:
    found = drawn(backend, replace(MODEL, init="keras_default"))
    forget = np.repeat([0.0, 1.0, 0.0, 0.0], H)
    for end in ("_l0", "_l1"):
        np.testing.assert_array_equal(found[f"lstm.bias_ih{end}"], forget)
        recurrent = found[f"lstm.weight_hh{end}"]
        np.testing.assert_allclose(recurrent.T @ recurrent, np.eye(H), atol=1e-12)
    assert (drawn(backend, MODEL)["slopes.weight"] == 0.25).all()


def test_initializers_of_ones_own_reach_every_weight(backend: Backend) -> None:
    start: dict[str, Any] = {"weight_init": S.Constant(2.0), "bias_init": S.Constant(3.0)}
    layers = (
        S.LSTM(3, recurrent_init=S.Constant(4.0), projection=2, name="loop", **start),
        S.MultiheadAttention(2, name="heads", **start),
        S.Linear(2, name="flat"),
    )
    found = values(drawn(backend, S.Spec("own", S.Sequential(*layers), (4, 5))))
    assert found | {"flat.weight": 0, "flat.bias": 0} == {
        **dict.fromkeys(("loop.weight_ih_l0", "loop.weight_hr_l0"), 2.0),
        "loop.weight_hh_l0": 4.0,
        **dict.fromkeys(("loop.bias_ih_l0", "loop.bias_hh_l0"), 3.0),
        **dict.fromkeys(("heads.in_proj_weight", "heads.out_proj_weight"), 2.0),
        **dict.fromkeys(("heads.in_proj_bias", "heads.out_proj_bias"), 3.0),
        "flat.weight": 0,
        "flat.bias": 0,
    }


def values(arrays: Arrays) -> dict[str, float]:
    return {name: float(array.flat[0]) for name, array in arrays.items()}


def test_a_padding_row_starts_at_zero_whatever_starts_the_rest(backend: Backend) -> None:
    spec = S.Spec("rows", S.Embedding(4, 3, padding_idx=-1, weight_init=S.Ones()), (2,))
    for found in (drawn(backend, spec), backend.session(spec, seed=2).weights()):
        np.testing.assert_array_equal(found["embedding.weight"], [[1] * 3] * 3 + [[0] * 3])


def test_a_stock_model_without_a_seed_starts_by_its_framework_too(backend: Backend) -> None:
    import dualnet

    layers = S.LSTM(3, weight_init=S.Constant(2.0), name="a"), S.PReLU(weight_init=S.Constant(0.5), name="b")
    spec = S.Spec("own", S.Sequential(*layers), (4, 5), init="keras_default")
    found = dualnet.weights(dualnet.build(spec, backend.name, seed=None), spec)
    assert (found["a.weight_ih_l0"] == 2).all()
    assert (found["b.weight"] == 0.5).all()
    np.testing.assert_array_equal(found["a.bias_ih_l0"], np.repeat([0.0, 1.0, 0.0, 0.0], 3))
