"""Seeded pairs: what a person wrote twice is found to be the same, and every trap that is planted there is found.

``python -m tests.seeded`` runs them all, in processes, and writes ``docs/seeded_faults.md``.
"""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

from dualnet.backends.keras.live import precision
from tests.seeded import page
from tests.seeded.judge import alarm, located, tried
from tests.seeded.pair import KNOWN, NAMES, SETTINGS, sound
from tests.seeded.run import run
from tests.seeded.train import apart
from tests.seeded.trap import Fault, planted, sites, where
from tests.seeded.traps import BY_NAME, TRAPS

# Losses of two float64 runs over four updates: rounding is 1e-16 a number, a few hundred numbers and four steps make
# 1e-13 of it. A constant that leaked through float32 makes 1e-9.
ALIKE = 1e-11

NAMED = """epsilon, epsilon placement, batch-norm momentum, biased variance, gate order, double bias, reset placement,
flatten order, kernel transposed, spatial kernel transposed, channels swapped, padding side, padding amount,
padding mode, ceil mode, pad counted, align corners, interpolation, GELU form, negative slope, activation, softmax axis,
dropout rate, mode, normalised axes, groups, stride, dilation, bias dropped, attention scale, attention mask,
tied weights split, buffer trained, parameter frozen, dtype cast, input scale, channel order, pooling kind,
residual missing, embedding scale, layer missing, weight edited, label smoothing, reduction, batchmean,
temperature squared, from logits, loss epsilon, learning rate, decay coupling, weight decay, nesterov, momentum,
amsgrad, Adam epsilon, bias correction, initial accumulator, clip kind, clip epsilon, schedule"""

SOME = (
    Fault("epsilon", "mlp", "left", "norm"),
    Fault("GELU form", "mlp", "right", "gelu"),
    Fault("dropout rate", "mlp", "left", "dropout"),
    Fault("kernel transposed", "mlp", "right", "dense2"),
    Fault("flatten order", "cnn", "right", "fc1"),
    Fault("padding side", "cnn", "left", "pad"),
    Fault("biased variance", "cnn", "right", "bn1"),
)


def test_every_trap_has_its_name() -> None:
    assert set(" ".join(NAMED.split()).split(", ")) <= set(BY_NAME)
    assert len(BY_NAME) == len(TRAPS)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_a_sound_pair_is_not_blamed(name: str) -> None:
    assert alarm(name, 1, None)["blamed"] == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NAMES)
def test_no_sound_pair_is_blamed(name: str, seed: int) -> None:
    assert alarm(name, seed, (None, 2, 6)[seed])["blamed"] == []


@pytest.mark.parametrize("fault", SOME, ids=str)
def test_a_fault_is_detected_located_and_named(fault: Fault) -> None:
    row = tried(fault)
    assert (row["outcome"], row["in stage"], row["located"], row["named"]) == ("detected", True, True, True), row


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_fault_is_detected(name: str) -> None:
    faults = [fault for trap in TRAPS for fault in sites(trap, sound(name))]
    rows = [tried(fault) for fault in faults if fault.site not in SETTINGS or fault.site in KNOWN]
    assert [row for row in rows if row["outcome"] == "missed"] == []


def test_a_pair_trains_alike_and_a_fault_shows() -> None:
    with precision("float64"):
        assert apart(sound("mlp")) < ALIKE
        assert apart(planted(BY_NAME["weight decay"], Fault("weight decay", "mlp", "left", "optimizer"))) > 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_pair_trains_alike_and_every_fault_of_training_shows(name: str) -> None:
    with precision("float64"):
        pair = sound(name)
        faults = [fault for trap in TRAPS for fault in sites(trap, pair) if fault.site in SETTINGS]
        assert apart(pair) < ALIKE
        shown = {str(each): apart(planted(BY_NAME[each.trap], each)) for each in faults}
    # 1e-11: amsgrad shows least, by a mean of squares that falls by a thousandth in a step
    assert {each: gap for each, gap in shown.items() if not gap > ALIKE} == {}


def test_a_place_is_located_by_the_names_of_either_side() -> None:
    pair = sound("resnet")
    names = where(Fault("epsilon", "resnet", "left", "block2.down.1"), pair)
    assert {"block2.down.1", "block2_down_bn"} <= names
    assert located("block2.down.1.running_var", names)
    assert located("first in block2_down_bn, which is a norm", names)
    assert not located("block2.bn1", names)
    assert not located("", names)


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    row = {"pair": "mlp", "seed": 0, "batch": None, "verdict": "rounding", "blamed": []}
    record = tmp_path / "record.jsonl"
    record.write_text(json.dumps(row) + "\n")
    assert run(_never, [("mlp", 0, None)], ("pair", "seed", "batch"), record, 1) == [row]


def _never(piece: object) -> dict[str, object]:
    raise AssertionError(piece)


def test_the_page_counts_what_was_found() -> None:
    one = {"trap": "epsilon", "pair": "mlp", "side": "left", "site": "norm", "outcome": "detected"}
    rows = [
        {**one, "in stage": True, "located": True, "named": False},
        {**one, "side": "right", "outcome": "missed"},
        {**one, "pair": "cnn", "outcome": "refused"},
    ]
    made = page.written(rows)
    assert "| epsilon | 1 / 1 / 0 / 2 | refused |" in made
    assert "detected: 1 of 2 (50.0 %)" in made
    assert "- epsilon: mlp, right, norm" in made
    assert "- not in this run: resnet, depthwise, lstm" in made
