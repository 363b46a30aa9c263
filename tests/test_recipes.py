"""Losses and optimizers of live pairs: sound ones agree, each kind of fault is told, bad input is refused."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

from torch import nn  # noqa: E402

import dualnet  # noqa: E402
from dualnet.compare.report import Report  # noqa: E402
from dualnet.errors import SpecError  # noqa: E402
from dualnet.specs.draw import normal  # noqa: E402

X, LABELS = normal(6 * 5, "x").reshape(6, 5).astype("float32"), np.array([0, 2, 1, 3, 2, 0])
CROSS = (nn.CrossEntropyLoss(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
SGD = (lambda p: torch.optim.SGD(p, 0.1, momentum=0.9), lambda: keras.optimizers.SGD(0.1, momentum=0.9))


def checked(**given: Any) -> Report:
    """Return the report on a perceptron of each framework, weights in common."""
    torch.manual_seed(0)
    left = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 4))
    right = keras.Sequential([keras.Input((5,)), keras.layers.Dense(7, "tanh"), keras.layers.Dense(4)])
    return dualnet.check(left, right, X, weights_from="left", **({"targets": LABELS, "loss": CROSS} | given))


def test_sound_training_agrees_in_loss_steps_and_state() -> None:
    report = checked(optimizer=SGD)
    assert report.verdict in ("equal", "rounding")
    assert {stage.name for stage in report.stages if stage.verdict != "not checked"} >= {"loss", "step", "state"}
    assert "of the optimizers that were given" in report.stage("step").note


FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "label smoothing": ("loss", {"loss": (nn.CrossEntropyLoss(label_smoothing=0.1), CROSS[1])}),
    "reduction": ("loss", {"loss": (nn.CrossEntropyLoss(reduction="sum"), CROSS[1])}),
    "from logits": ("loss", {"loss": (lambda o, t: CROSS[0](o.softmax(-1), t), CROSS[1])}),
    "learning rate": ("step", {"optimizer": (lambda p: torch.optim.SGD(p, 0.11, momentum=0.9), SGD[1])}),
    "momentum": ("state", {"optimizer": (lambda p: torch.optim.SGD(p, 0.1, momentum=0.8), SGD[1])}),
    "nesterov": ("step", {"optimizer": (lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True), SGD[1])}),
    "clip kind": ("step", {
        "optimizer": (SGD[0], lambda: keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=0.1)),
        "clip": (lambda p: nn.utils.clip_grad_norm_(p, 0.1), None),
    }),
    "schedule": ("state", {
        "optimizer": SGD, "scheduler": (lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.5), None),
    }),
}  # fmt: skip


@pytest.mark.parametrize("trap", FAULTS)
def test_a_fault_is_seen_first_where_it_is_and_named(trap: str) -> None:
    stage, given = FAULTS[trap]
    report = checked(**given)
    first = next(each for each in report.stages if each.verdict == "divergent")
    assert (first.name, first.cause.partition(":")[0]) == (stage, trap), first.cause


REFUSED: dict[str, dict[str, Any]] = {
    r"optimizer and targets need a loss: loss=\(left, right\)\.": {"loss": None, "optimizer": SGD},
    r"loss= needs targets=, an array": {"targets": None},
    r"loss= must be a pair of functions \(left, right\)\. Received: 3": {"loss": 3},
    r"clip= must be a pair of functions": {"clip": (1, 2)},
    r"loss= and optimizer= must name both sides' own\.": {"optimizer": (SGD[0], None)},
}


@pytest.mark.parametrize("words", REFUSED)
def test_bad_input_is_refused_by_name(words: str) -> None:
    with pytest.raises(SpecError, match=words):
        checked(**REFUSED[words])
