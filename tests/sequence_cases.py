"""The table of cases of embeddings, recurrent layers and attention."""

from typing import Any

from dualnet import specs as S
from tests.cases import SEQUENCE, case

WORDS, PAIRS = (6,), (3, 4)

case("embedding", WORDS, S.Embedding(7, 5))
case("embedding_pairs", PAIRS, S.Embedding(5, 3), S.Conv2d(2, 2))
case("embedding_padding", WORDS, S.Embedding(4, 5, padding_idx=2), S.Linear(3))
case("embedding_padding_last", PAIRS, S.Embedding(4, 5, padding_idx=-1))
case("embedding_fixed", WORDS, S.Embedding(4, 5, trainable=False), S.Linear(3))
case("embedding_shared", {"a": WORDS, "b": PAIRS}, S.Embedding(6, 5, name="e", inputs=("a",)),
     S.Shared("e", name="f", inputs=("b",)), outputs=("e", "f"))  # fmt: skip
case(
    "embedding_and_floats",
    {"words": WORDS, "more": (6, 5)},
    S.Block((S.Embedding(6, 5), S.Tanh()), name="read", inputs=("words",), ports=("x",)),
    S.Add(inputs=("read", "more")),
)
for mode in ("sum", "mean", "max"):
    case(f"bag_{mode}", WORDS, S.EmbeddingBag(7, 4, mode=mode))
    case(f"bag_{mode}_padding", (3,), S.EmbeddingBag(3, 5, mode=mode, padding_idx=1), S.Linear(2))
case("bag_alone", (1,), S.EmbeddingBag(2, 5, padding_idx=0))
case("bag_fixed", WORDS, S.EmbeddingBag(4, 5, trainable=False), S.Linear(3))

COMMON: dict[str, dict[str, Any]] = {
    "": {},
    "_deep": {"layers": 3},
    "_one_bias": {"bias": "one"},
    "_no_bias": {"bias": "none"},
    "_both_ways": {"bidirectional": True},
    "_deep_both_ways": {"bidirectional": True, "layers": 2},
    "_sum": {"bidirectional": True, "merge": "sum", "layers": 2, "bias": "one"},
    "_mul": {"bidirectional": True, "merge": "mul"},
    "_ave": {"bidirectional": True, "merge": "ave", "returns": "last"},
    "_backwards": {"backwards": True, "layers": 2},
    "_backwards_last": {"backwards": True, "returns": "last"},
    "_last": {"returns": "last", "layers": 2},
    "_last_both_ways": {"returns": "last", "bidirectional": True, "layers": 2},
    "_last_one_bias": {"returns": "last", "bidirectional": True, "bias": "one"},
    "_dropout": {"dropout": 0.4, "layers": 3},
    "_dropout_both_ways": {"dropout": 0.4, "layers": 2, "bidirectional": True, "bias": "one"},
    "_relu": {"activation": "relu"},
    "_sigmoid": {"activation": "sigmoid"},
    "_hard_sigmoid": {"activation": "hard_sigmoid"},
    "_linear": {"activation": "linear", "bias": "one"},
}
GATED: dict[str, dict[str, Any]] = {
    "_hard_gates": {"recurrent_activation": "hard_sigmoid"},
    "_tanh_gates": {"recurrent_activation": "tanh", "bias": "one"},
}
for kind in (S.RNN, S.LSTM, S.GRU):
    for title, options in (COMMON | ({} if kind is S.RNN else GATED)).items():
        case(f"{kind.__name__.lower()}{title}", SEQUENCE, kind(3, **options))
    case(f"{kind.__name__.lower()}_fixed", SEQUENCE, kind(3, trainable=False), S.Linear(2))
    case(f"{kind.__name__.lower()}_one_step", (1, 4), kind(3, bias="one", returns="last"))
    case(f"{kind.__name__.lower()}_shared", SEQUENCE, kind(5, name="a"), S.Tanh(), S.Shared("a"))
for title, options in (
    ("", {}),
    ("_one_bias", {"bias": "one"}),
    ("_no_bias", {"bias": "none", "layers": 2}),
    ("_both_ways", {"bidirectional": True, "layers": 2}),
):
    case(f"gru_before{title}", SEQUENCE, S.GRU(3, reset="before", **options))
case("lstm_projection", SEQUENCE, S.LSTM(4, projection=2))
case("lstm_projection_last", SEQUENCE, S.LSTM(4, projection=2, returns="last", bidirectional=True, layers=2))
case("lstm_projection_one_bias", SEQUENCE, S.LSTM(4, projection=3, bias="one"))

QUERY, KEY, VALUE = (6, 4), (5, 7), (5, 3)
HEADS: dict[str, dict[str, Any]] = {
    "": {},
    "_no_bias": {"bias": False},
    "_causal": {"causal": True},
    "_dropout": {"dropout": 0.3},
    "_causal_dropout": {"dropout": 0.5, "causal": True, "bias": False},
    "_sizes": {"head_features": 3, "value_features": 5, "features": 7},
    "_grouped": {"key_heads": 1},
}
for title, options in HEADS.items():
    case(f"multihead{title}", QUERY, S.MultiheadAttention(2, **options))
    case(f"multihead_cross{title}", dict(zip("qkv", (QUERY, KEY, VALUE), strict=True)),
         S.MultiheadAttention(2, **options, inputs=("q", "k", "v")))  # fmt: skip
case("multihead_one", QUERY, S.MultiheadAttention(1))
case("multihead_fixed", QUERY, S.MultiheadAttention(4, trainable=False), S.Linear(2))
case("multihead_memory", {"q": QUERY, "m": KEY}, S.MultiheadAttention(4, key_heads=2, inputs=("q", "m")))
case("multihead_shared", QUERY, S.MultiheadAttention(2, dropout=0.3, name="a"), S.Tanh(), S.Shared("a"))
for score in ("dot", "concat", "additive"):
    for scaled in (False, True):
        case(f"attention_{score}-{scaled}", QUERY, S.Linear(5), S.Attention(score, scaled=scaled))
    case(f"attention_{score}_cross", {"q": (6, 7), "k": KEY, "v": VALUE},
         S.Attention(score, causal=True, dropout=0.3, scaled=True, inputs=("q", "k", "v")))  # fmt: skip
