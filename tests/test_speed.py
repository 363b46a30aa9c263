"""The fast paths are the same training: what XLA compiles gives the numbers of what it does not; when it is taken."""

import numpy as np
import pytest

from dualnet import specs as S
from dualnet.backends import backend
from dualnet.backends.protocol import Session
from dualnet.specs import zoo

pytest.importorskip("keras")

from dualnet.backends.keras.speed import PAYS, WHOLE, xla

DENSE = S.Spec(
    "dense",
    S.Sequential(S.Flatten(), S.Linear(9), S.ReLU(), S.Dropout(0.3), S.Linear(8), S.Tanh(), S.Linear(4)),
    (1, 5, 3),
)
# XLA sums in another order: 1e-16 a number, over some hundred numbers in a sum and 120 steps of Adam.
ROUNDING = 1e-12


def taught(steps: int) -> Session:
    """Return a session that took 120 steps: two calls that XLA may compile, and a rest."""
    rng = np.random.default_rng(0)
    session = backend("keras").session(DENSE, dtype="float64", seed=3)
    labels = rng.integers(0, 4, 64)
    session.hold("train", {"input": rng.normal(size=(64, 1, 5, 3))}, labels, labels)
    session.prepare(S.CrossEntropy(), S.Adam(0.01), S.Clip("global_norm", 0.5), steps)
    for count in (WHOLE, WHOLE, 20):
        session.steps("train", rng.integers(0, 64, (count, 16)), np.full(count, 0.01))
    return session


def test_what_xla_compiles_trains_the_same() -> None:
    plain, fast = taught(0), taught(PAYS)
    assert "no XLA" in plain.speed()
    assert f"XLA for every {WHOLE} steps" in fast.speed()
    assert fast.trainer.fast.experimental_get_tracing_count() == 1  # type: ignore[attr-defined]
    for found, other in ((plain.weights(), fast.weights()), (plain.slots(), fast.slots())):
        for name, array in found.items():
            assert np.abs(array - other[name]).max() <= ROUNDING * max(np.abs(array).max(), 1), name


@pytest.mark.parametrize(
    ("spec", "device", "steps", "taken"),
    [
        (DENSE, "/CPU:0", PAYS, True),
        (DENSE, "/CPU:0", PAYS - 1, False),
        (DENSE, "/CPU:0", 0, False),
        (DENSE, "/GPU:0", PAYS, False),
        (zoo.load("fashion_cnn"), "/CPU:0", PAYS, False),
    ],
)
def test_xla_is_taken_for_long_trainings_of_dense_nets(spec: S.Spec, device: str, steps: int, taken: bool) -> None:
    found, why = xla(spec, device, steps)
    assert found is taken
    assert why.startswith("XLA") is taken


def test_torch_trains_by_its_fused_optimizer() -> None:
    pytest.importorskip("torch")
    session = backend("torch").session(zoo.load("fashion_cnn"))
    session.prepare(S.CrossEntropy(), S.Adam(0.01))
    assert session.speed() == "resident data, rows by index_select; a fused optimizer; channels_last for convolutions"
    session.prepare(S.CrossEntropy(), S.Lion(0.01))
    assert "no fused optimizer" in session.speed()
