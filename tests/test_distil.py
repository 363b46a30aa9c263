"""Distillation: three roles, one start for both students, and a teacher that stays as it was."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dualnet import specs as S
from dualnet import store
from dualnet.backends import Backend
from dualnet.data import epoch_order
from dualnet.errors import SpecError
from dualnet.run.distil import ROLES, Distilled, distil, soft_decisions, summary
from dualnet.run.feed import Feed, feed
from dualnet.run.hosts import Here
from dualnet.run.plan import Settings
from dualnet.specs import text, zoo

# A dozen steps in float64, each a sum of 784 products in two orders: 2^-53 with four digits to spare.
CLOSE = 1e-11
EPOCHS = 2


def spec(name: str, **changes: Any) -> S.Spec:
    """Return a spec of the zoo that is fed digits, which need no network."""
    return text.with_fields(zoo.load(name), data=S.Data(set="digits"), epochs=EPOCHS, **changes)


TEACHER = text.with_fields(spec("fashion_mlp"), optimizer=S.Adam(0.003))
STUDENT = spec("fashion_student")


class Watched(Here):
    """Sessions here, kept with the weights that each started from."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, Any]] = []
        self.starts: list[dict[str, Any]] = []

    def open(self, name: str, spec: S.Spec, **options: Any) -> Any:
        session: Any = super().open(name, spec, **options)
        self.opened.append((spec.name, session))
        self.starts.append(session.weights())
        return session


@pytest.fixture(scope="module")
def fed() -> Feed:
    return feed(TEACHER, dtype="float64", limit=400)


@pytest.fixture(scope="module")
def run(both: tuple[Backend, Backend], fed: Feed, tmp_path_factory) -> tuple[Watched, dict[str, Distilled], Path]:
    host, out = Watched(), tmp_path_factory.mktemp("distil")
    settings = Settings(dtype="float64", out=out)
    results = distil(host, [backend.name for backend in both], TEACHER, STUDENT, S.Distillation(), fed, settings)
    return host, results, out


def test_each_side_trains_three_roles(run, fed: Feed) -> None:
    host, results, _ = run
    assert ROLES == ("teacher", "student alone", "student distilled")
    assert [name for name, _ in host.opened] == ["fashion_mlp", "fashion_student", "fashion_student"] * 2
    for result in results.values():
        assert list(result.histories) == list(ROLES)
        assert all([epoch.epoch for epoch in history] == [1, 2] for history in result.histories.values())
        assert all(logits.shape == (len(fed.test.labels), 10) for logits in result.logits.values())
        for role in ROLES:
            hits = result.logits[role].argmax(axis=1) == fed.test.labels
            assert result.test_accuracy(role) == hits.mean()


def test_the_student_starts_from_the_same_weights_both_times_and_learns_otherwise(run) -> None:
    host, results, _ = run
    for first in (0, 3):
        _, alone, distilled = host.starts[first : first + 3]
        assert sorted(alone) == sorted(distilled)
        assert all(np.array_equal(alone[name], distilled[name]) for name in alone)
    for result in results.values():
        assert not np.array_equal(result.logits["student alone"], result.logits["student distilled"])


def test_the_teacher_is_as_its_own_training_left_it(run, fed: Feed) -> None:
    host, results, out = run
    for name, (_, teacher) in zip(results, host.opened[::3], strict=True):
        saved, _ = store.load(out / "teacher" / f"{name}.safetensors")  # written before any student was trained
        for key, array in teacher.weights().items():
            np.testing.assert_array_equal(array, saved[f"weights/{key}"], err_msg=f"{name}: {key}")
        np.testing.assert_array_equal(teacher.predict("test"), results[name].logits["teacher"])


def test_both_sides_agree_in_every_role(run) -> None:
    left, right = run[1].values()
    for role in ROLES:
        np.testing.assert_allclose(left.losses[role], right.losses[role], rtol=CLOSE)
        np.testing.assert_allclose(left.logits[role], right.logits[role], rtol=0, atol=10 * CLOSE)


def test_the_student_learns_from_the_logits_of_this_teacher(run, fed: Feed) -> None:
    """The first loss, worked out by hand from the student's start and the teacher's end."""
    host, results, _ = run
    _, teacher = host.opened[0]
    fresh = Here().open("torch", STUDENT, dtype="float64")
    fed.give(fresh, S.CrossEntropy())
    rows = epoch_order(len(fed.train.labels), 0, 0)[: STUDENT.training.batch_size]
    taught, own = teacher.predict("train")[rows], fresh.predict("train")[rows]
    hard = -np.log(soft_decisions(own)[1.0][np.arange(len(rows)), fed.train.labels[rows]]).mean()
    p, q = soft_decisions(taught)[10.0], soft_decisions(own)[10.0]
    kl = (p * np.log(p / q)).sum(axis=1).mean()
    expected = 0.1 * hard + 0.9 * 10.0**2 * kl
    assert results["torch"].losses["student distilled"][0] == pytest.approx(expected, rel=CLOSE)


def test_the_summary_is_plain_data(run, fed: Feed) -> None:
    data = json.loads(json.dumps(summary(run[1], fed)))
    assert {name: list(roles) for name, roles in data.items()} == {name: list(ROLES) for name in run[1]}
    for name, roles in data.items():
        for role, found in roles.items():
            assert found["test_accuracy"] == run[1][name].test_accuracy(role)
            assert [each["epoch"] for each in found["history"]] == [1, 2]


def test_a_role_has_a_folder_of_checkpoints(run) -> None:
    found = sorted(path.relative_to(run[2]).as_posix() for path in run[2].rglob("*.*"))
    names = ("keras.safetensors", "torch.safetensors")
    assert found == [f"{role}/{name}" for role in ("student_alone", "student_distilled", "teacher") for name in names]


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (
            replace(STUDENT, data=S.Data(set="mnist")),
            "fashion_student must read what its teacher fashion_mlp reads",
        ),
        (replace(STUDENT, inputs=(1, 32, 32)), "fashion_student must read what its teacher fashion_mlp reads"),
        (
            replace(STUDENT, model=S.Sequential(S.Flatten(), S.Linear(9))),
            r"must give what its teacher fashion_mlp gives, \[10\]. Received: \[9\]",
        ),
    ],
    ids=["data", "input", "output"],
)
def test_a_student_that_does_not_match_is_refused_before_any_work(student, message, fed: Feed) -> None:
    host = Watched()
    with pytest.raises(SpecError, match=message):
        distil(host, ["torch"], TEACHER, student, S.Distillation(), fed, Settings())
    assert host.opened == []


LOGITS = np.array([[4.0, -2.0, 1.0, 0.0], [1000.0, 1001.0, 999.0, -1000.0]], np.float32)


def entropy(p: Any) -> Any:
    return -(p * np.log(np.maximum(p, 1e-300))).sum(axis=-1)


def test_soft_decisions_are_softmax_of_logits_over_t() -> None:
    found = soft_decisions(LOGITS, (1.0, 10.0))
    assert list(found) == [1.0, 10.0]
    for t, soft in found.items():
        assert (soft.dtype, soft.shape) == (np.float64, LOGITS.shape)
        powers = np.exp(LOGITS[0].astype(np.float64) / t)
        np.testing.assert_allclose(soft[0], powers / powers.sum(), rtol=1e-14)  # a division and a sum of four
        np.testing.assert_allclose(soft.sum(axis=-1), 1.0, rtol=1e-15)  # four numbers, each rounded once
        np.testing.assert_array_equal(soft.argsort(axis=-1, kind="stable"), LOGITS.argsort(axis=-1, kind="stable"))
    assert (entropy(found[10.0]) > entropy(found[1.0])).all()
    assert (entropy(found[10.0]) < np.log(4)).all()
