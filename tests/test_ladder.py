"""The ladder as a whole: which stages run, what is said of those that cannot, and faults that only training shows."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import dualnet
from dualnet import specs as S
from dualnet.compare.ladder import QUICK, STAGES
from dualnet.errors import SpecError, UnsupportedError
from dualnet.specs import text, zoo

# The embedded digits, enlarged to 28 × 28: real data that every machine has.
DIGITS = S.Spec(
    "digits",
    S.Sequential(S.Flatten(), S.Linear(24, name="hidden"), S.ReLU(), S.Linear(10, name="logits")),
    (1, 28, 28),
    data=S.Data("digits"),
    training=S.Training(optimizer=S.Adam(1e-3), batch_size=32, epochs=2),
)
ON_DATA = ("training", "accuracy", "distillation")


def test_every_stage_speaks_on_a_classifier_and_the_pair_agrees() -> None:
    report = dualnet.check(DIGITS, stages="all", climb_options={"steps": 5, "seeds": 2})
    assert [stage.name for stage in report.stages] == list(STAGES)
    assert report.agrees, report.to_json()
    assert report.not_checked == {"state": "the model has no buffers"}
    assert "digits" in report.source
    found = json.loads(report.to_json())
    assert found["verdict"] == report.verdict
    assert {stage["name"]: stage["verdict"] for stage in found["stages"]}["training"] == report.stage(
        "training"
    ).verdict


FAULTS = {
    "learning rate": ("training", {"optimizer": S.Adam(1.01e-3)}),
    "momentum": ("training", {"optimizer": S.Adam(1e-3, beta1=0.8)}),
    "the teacher's label smoothing": ("distillation", {"loss": S.CrossEntropy(label_smoothing=0.1)}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_training_settings_shows_in_the_curves(fault: str) -> None:
    stage, changes = FAULTS[fault]
    right = replace(DIGITS, training=replace(DIGITS.training, **changes))
    assert dualnet.check(DIGITS, right, stages=(stage,)).stage(stage).verdict == "divergent"


def test_another_start_is_told_from_statistics() -> None:
    layers = (
        S.Flatten(),
        S.Linear(24, name="hidden", weight_init=S.XavierUniform()),
        S.ReLU(),
        S.Linear(10, name="logits"),
    )
    report = dualnet.check(DIGITS, replace(DIGITS, model=S.Sequential(*layers)), stages=("init",))
    stage = report.stage("init")
    assert (stage.verdict, stage.where) == ("divergent", "native: hidden.weight")
    assert stage.cause.startswith("keras variance against theory: probability ")


def test_two_models_of_one_framework_can_be_checked() -> None:
    report = dualnet.check(DIGITS, stages=("forward",), backends=("torch", "torch"))
    assert report.sides == ["torch (left)", "torch (right)"]
    assert (report.verdict, report.stage("forward").gap64) == ("equal", 0.0)


def test_the_default_stages_need_no_data_set() -> None:
    report = dualnet.check(S.Spec("tiny", S.Linear(3), (4,)))
    assert set(report.not_checked) == {*ON_DATA, "state"}
    assert set(QUICK) - set(report.not_checked) == {stage.name for stage in report.stages if stage.findings}


def test_what_cannot_be_fed_is_not_checked_with_the_reason() -> None:
    report = dualnet.check("siamese", stages=("forward", "training"))
    assert report.agrees
    assert report.not_checked["training"].startswith("siamese: the data set 'fashion_mnist' gives one image")


def test_a_spec_file_is_checked_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text.dumps(DIGITS))
    assert dualnet.check(path, stages=("structure",)).verdict == "equal"


def test_bad_words_are_refused() -> None:
    with pytest.raises(SpecError, match=r"There is no stage 'forwrad'\. Did you mean 'forward'\?"):
        dualnet.check(DIGITS, stages="forwrad")
    with pytest.raises(UnsupportedError, match=r"There is no backend 'troch'\. Did you mean 'torch'\?"):
        dualnet.check(DIGITS, stages=("forward",), backends=("troch", "keras"))


def test_an_autoencoder_is_stepped_on_its_own_input() -> None:
    report = dualnet.check("autoencoder", stages=("gradients", "step"), climb_options={"steps": 3})
    assert report.agrees, report.to_json()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", zoo.names())
def test_correct_pairs_raise_no_alarm(name: str, seed: int) -> None:
    report = dualnet.check(name, seed=seed)
    assert report.agrees, report.to_json()
