"""The fuzz: some random graphs, the graphs that once found a fault, and faults that it must find."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dualnet import specs as S
from dualnet.backends.keras.session import KerasSession
from tests import fuzz

FINE = ["equal", "source for torch: equal", "source for keras: equal"]

# What random graphs have found, shrunk.
FOUND = {
    "a norm used twice": S.Spec(
        "x", S.Block((S.BatchNorm1d(name="n"), S.Linear(4, bias=False), S.Shared("n"), S.Linear(2))), (4,)
    ),
    "numbers in torch.where": S.Spec("x", S.Block((S.Linear(3), S.CELU(0.75))), (4,)),
    "one step of a sequence": S.Spec("x", S.RNN(2, activation="hard_sigmoid"), (1, 3)),
    "noise upon noise": S.Spec(
        "x", S.Block((S.GaussianNoise(name="n"), S.Linear(4, name="l"), S.Shared("n", inputs=("n",)))), (4,)
    ),
    "one feature, normalised": S.Spec("random", S.Block((S.Linear(1), S.LayerNorm())), (6,)),
    "a size kept by a scale that is not 1": S.Spec("x", S.Block((S.Tanh(), S.Upsample(1.125, mode="linear"))), (3, 6)),
    "one kernel for two sizes": S.Spec(
        "x",
        S.Block(
            (
                S.Sum(name="s"),
                S.ConvTranspose2d(1, 1, padding="same", name="c", inputs=("input",)),
                S.Shared("c", inputs=("s",)),
            )
        ),
        (2, 7, 5),
    ),
    "as many samples as features": S.Spec(
        "x", S.Block((S.Linear(3, name="l"), S.Sum(name="s"), S.Add(inputs=("l", "s")))), (4,)
    ),
    "rows of a bag": S.Spec("x", S.Block((S.EmbeddingBag(3, 4), S.RMSNorm(), S.Linear(2))), (5,)),
    "a gain whose square is zero": S.Spec(
        "x", S.Block((S.Linear(3, weight_init=S.XavierNormal(1e-300, truncated=True)), S.Linear(2))), (4,)
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_is_mended(name: str) -> None:
    assert fuzz.examine(FOUND[name]) == (["unstable", *FINE[1:]] if "one feature" in name else FINE)


def test_a_norm_of_several_ranks_is_refused() -> None:
    norm = S.Block((S.GroupNorm(1, name="g"), S.Reshape((2, 4, 3, 1)), S.Shared("g")))
    (told,) = fuzz.examine(S.Spec("x", norm, (2, 4, 3)))
    assert told.startswith("refused: keras: ")


@pytest.mark.timeout(600)  # three quarters of a minute on an idle machine
@pytest.mark.usefixtures("eagerly")
def test_random_graphs() -> None:
    found = fuzz.piece(2026, 60)
    assert found["graphs"] == 60
    assert found["equal"] > 45


def test_a_fault_is_found_and_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    own = KerasSession.forward

    def off(session: KerasSession, *inputs: Any, **options: Any) -> Any:
        made = own(session, *inputs, **options)
        tanh = [step.path for step in session.spec.graph.leaves() if isinstance(step.layer, S.Tanh)]
        made["layers"] |= {path: made["layers"][path] * 1.001 for path in tanh}
        return made

    monkeypatch.setattr(KerasSession, "forward", off)
    with pytest.raises(AssertionError, match=r"layer \w+, training=False: they differ by 1.0e-03") as caught:
        fuzz.piece(3, 60)
    assert 'op = "Tanh"' in "".join(caught.value.__notes__)


def test_a_fault_in_the_source_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    own = fuzz.written

    def off(program: Any, to: str) -> Any:
        made = own(program, to)
        if to == "torch":
            with torch.no_grad():
                next(iter(made.model.parameters())).mul_(1.001)
        return made

    spec = S.Spec("x", S.Linear(3, bias=False), (4,))
    assert fuzz.examine(spec) == FINE
    monkeypatch.setattr(fuzz, "written", off)
    with pytest.raises(AssertionError, match=r"source for torch: output 0: they differ by 1.0e-03"):
        fuzz.examine(spec)


def test_noise_is_told_from_a_fault() -> None:
    ours, near, far = ({"x": fuzz.np.array([1.0, value])} for value in (0.5, 0.5 + 1e-8, 0.5 + 1e-6))
    assert fuzz.apart(ours, near, lambda: {"x": 1e-8}, dict) is True
    assert fuzz.apart(ours, ours, dict, dict) is False
    with pytest.raises(AssertionError, match=r"x: they differ by 1.0e-06, an ulp moves it by 1e-08"):
        fuzz.apart(ours, far, lambda: {"x": 1e-8}, lambda: (ours,))


def test_what_is_zero_in_theory_is_told_by_its_size_in_float32() -> None:
    ours, theirs, rough, true = ({"x": fuzz.np.array([value, 1.0])[:1]} for value in (3e-14, -2e-14, 1e-6, 4e-14))
    assert fuzz.apart(ours, theirs, lambda: {"x": 0.01}, lambda: (rough,)) is True
    with pytest.raises(AssertionError, match="they differ by"):
        fuzz.apart(ours, theirs, lambda: {"x": 0.01}, lambda: (true,))


def test_a_gap_that_float32_makes_far_larger_is_rounding() -> None:
    ours, theirs, rough, same = ({"x": fuzz.np.array([1.0, value])} for value in (0.5, 0.5 + 1e-6, 0.9, 0.5 + 2e-6))
    assert fuzz.apart(ours, theirs, lambda: {"x": 1e-16}, lambda: (ours, rough)) is True
    with pytest.raises(AssertionError, match="they differ by"):
        fuzz.apart(ours, theirs, lambda: {"x": 1e-16}, lambda: (ours, same))


SHARED = """
dualnet = 1
name = "shared"
inputs = {words = [5]}
layers = [
  {name = "rows", op = "Embedding", inputs = ["words"], num_embeddings = 4, features = 2},
  {name = "l0", op = "Upsample", inputs = ["rows"], scale = 1.5},
  {name = "l1", op = "Shared", inputs = ["l0"], of = "l0"},
]
"""


def test_an_upsampling_is_shared_by_two_sizes() -> None:
    assert fuzz.examine(fuzz.text.loads(SHARED)) == FINE


def test_it_goes_on_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record, asked = tmp_path / "new" / "fuzz.jsonl", []

    def pieces(numbers: list[int], jobs: int) -> Any:
        asked.append(list(numbers))
        yield from ((n, "AssertionError: apart" if n == 3 else dict(Counter(graphs=50, equal=50))) for n in numbers[:2])

    monkeypatch.setattr(fuzz, "pieces", pieces)
    words = ["--count", "200", "--record", str(record)]
    assert fuzz.main(words) == 0
    assert "piece 1: fine, 2 of 4" in capsys.readouterr().out
    assert fuzz.main(words) == 1
    assert asked == [[0, 1, 2, 3], [2, 3]]
    said = capsys.readouterr().out
    assert "    150  graphs" in said
    assert "1 of 4 pieces failed: 3" in said
    assert [json.loads(line)["piece"] for line in record.read_text().splitlines()] == [0, 1, 2, 3]
