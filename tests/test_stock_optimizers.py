"""Fifty float64 steps of both backends against torch.optim's and keras.optimizers' own classes, argument by argument.

The sets for torch are those of its own test suite (``torch.testing._internal.common_optimizers.optim_db``): every one
that a spec can say, and every one that must be refused.
"""

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

from dualnet import specs as S
from dualnet.backends import Backend
from dualnet.backends.protocol import Arrays
from dualnet.errors import SpecError
from dualnet.specs import text
from tests.stock import MATRICES, SPEC, by_keras, by_torch, fields_of, spec_of, trained, unrounded
from tests.torch_samples import listed

# One step agrees to about 1e-15; fifty of them, each a division by a root that can be small, reach 1e-13 in the worst
# row of the table. A wrong coefficient, even by float32's rounding of it, is 1e-9 and more.
CLOSE = 1e-11
STEPS = 50

DECAY: dict[str, Any] = {"weight_decay": 0.1}
UP: dict[str, Any] = {"maximize": True}
TORCH: dict[str, list[dict[str, Any]]] = {
    "Adadelta": [{}, {"lr": 0.01}, DECAY, UP, DECAY | UP, {"rho": 0.95, "weight_decay": 0.9}],
    "Adafactor": [{}, DECAY | {"lr": 0.01}, DECAY | UP, {"beta2_decay": -1.0}, {"d": 1.5}],
    "Adagrad": [
        {},
        DECAY,
        DECAY | UP,
        {"lr": 0.1},
        DECAY | {"initial_accumulator_value": 0.1},
        DECAY | {"lr": 0.1, "lr_decay": 0.5},
        {"lr": 0.001},
    ],
    "Adam": [{}, {"lr": 0.01}, DECAY, DECAY | UP, DECAY | {"amsgrad": True}],
    "AdamW": [{}, {"lr": 0.01}, DECAY, DECAY | UP, DECAY | {"amsgrad": True}],
    "Adamax": [{}, {"lr": 0.1}, DECAY, UP, DECAY | UP],
    "ASGD": [{}, {"lambd": 0.1}, {"lr": 0.02}, {"t0": 100}, UP, DECAY, DECAY | UP, {"t0": 10, "alpha": 0.5, "lr": 0.1}],
    "Muon": [
        {},
        {"lr": 0.01},
        {"lr": 0.001},
        {"weight_decay": 0.2},
        {"momentum": 0.8},
        {"ns_steps": 6},
        {"ns_coefficients": (3.4, -4.7, 2.0)},
        {"adjust_lr_fn": "match_rms_adamw", "nesterov": False},
    ],
    "NAdam": [
        {},
        {"lr": 0.001},
        {"momentum_decay": 0.006},
        DECAY,
        DECAY | {"momentum_decay": 0.006},
        DECAY | {"momentum_decay": 0.006, "decoupled_weight_decay": True},
        DECAY | UP,
    ],
    "RAdam": [
        {},
        {"lr": 0.002},
        {"eps": 1e-6},
        DECAY,
        DECAY | {"decoupled_weight_decay": True},
        DECAY | UP,
    ],
    "RMSprop": [
        {},
        {"lr": 0.001},
        DECAY,
        UP,
        DECAY | {"centered": True},
        DECAY | UP,
        DECAY | {"centered": True, "momentum": 0.1},
        DECAY | UP | {"centered": True, "momentum": 0.1},
    ],
    "Rprop": [{}, {"lr": 0.0002}, {"etas": (0.5, 1.5)}, {"step_sizes": (2e-6, 100)}, UP],
    "SGD": [
        {},
        {"lr": 0.01},
        {"lr": 0.001},
        {"weight_decay": 0.5},
        {"momentum": 0.9},
        DECAY | UP,
        {"momentum": 0.9, "dampening": 0.5},
        DECAY | {"momentum": 0.9},
        DECAY | {"momentum": 0.9, "nesterov": True},
    ],
}

BETAS: dict[str, Any] = {"beta_1": 0.7, "beta_2": 0.8, "epsilon": 0.01}
KERAS: dict[str, list[dict[str, Any]]] = {
    "SGD": [{}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}],
    "Adam": [{}, BETAS | DECAY, {"amsgrad": True, "learning_rate": 0.05}],
    "AdamW": [{}, BETAS | DECAY],
    "Adamax": [{}, BETAS | DECAY],
    "Nadam": [{}, BETAS | DECAY],
    "Lamb": [{}, BETAS | DECAY | {"learning_rate": 0.05}],
    "ScheduleFreeAdamW": [{}, BETAS | DECAY | {"warmup_steps": 20}],
    "RMSprop": [{}, {"rho": 0.8, "momentum": 0.7, "epsilon": 0.01, "centered": True} | DECAY],
    "Adagrad": [{}, {"learning_rate": 0.1, "initial_accumulator_value": 0.3, "epsilon": 0.01} | DECAY],
    "Adadelta": [{}, {"learning_rate": 1.0, "rho": 0.8, "epsilon": 0.01} | DECAY],
    "Adafactor": [{}, {"learning_rate": 0.05, "beta_2_decay": -0.6, "clip_threshold": 1.3, "epsilon_1": 1e-4} | DECAY],
    "Lion": [{}, {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.7} | DECAY],
    "Muon": [{}, {"momentum": 0.8, "nesterov": False, "ns_steps": 4, "rms_rate": 0.3, "learning_rate": 0.02}],
    "Ftrl": [
        {},
        {
            "learning_rate": 0.1,
            "learning_rate_power": -0.4,
            "l1_regularization_strength": 0.01,
            "l2_regularization_strength": 0.02,
            "l2_shrinkage_regularization_strength": 0.03,
            "beta": 0.1,
        }
        | DECAY,
    ],
}


def cases(table: dict[str, list[dict[str, Any]]]) -> list[Any]:
    """Return a row for each set of arguments; the fast tests take every second one."""
    every = [(name, at, row) for name, rows in table.items() for at, row in enumerate(rows)]
    slow = [pytest.mark.slow]
    return [pytest.param(name, row, id=f"{name}-{at}", marks=slow if at % 2 else []) for name, at, row in every]


def close(found: Arrays, expected: Arrays) -> None:
    assert sorted(found) == sorted(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=CLOSE * np.abs(array).max(), err_msg=name)


def meets(both: tuple[Backend, Backend], spec: S.Spec, optimizer: S.Optimizer, stock: Arrays) -> None:
    (by_torchs, torchs, _), (by_kerass, kerass, _) = (trained(backend, spec, optimizer, STEPS) for backend in both)
    close(by_torchs, stock)
    close(by_kerass, stock)
    close(kerass, torchs)


@pytest.mark.parametrize(("name", "given"), cases(TORCH))
def test_both_sides_are_torchs_own(both: tuple[Backend, Backend], name: str, given: dict[str, Any]) -> None:
    spec = MATRICES if name == "Muon" else SPEC
    with unrounded() if name == "Muon" else nullcontext():
        stock = by_torch(both[0], spec, name, given, STEPS)
    meets(both, spec, spec_of("torch", name, given), stock)


@pytest.mark.parametrize(("name", "given"), cases(KERAS))
def test_both_sides_are_kerass_own(both: tuple[Backend, Backend], name: str, given: dict[str, Any]) -> None:
    meets(both, SPEC, spec_of("keras", name, given), by_keras(both[1], SPEC, name, given, STEPS))


def test_every_class_of_either_framework_is_met_or_refused() -> None:
    torch, keras = pytest.importorskip("torch"), pytest.importorskip("keras")
    refused = set(S.Optimizer.refused)
    assert classes(torch.optim) == {*TORCH} | (refused & {"LBFGS", "SparseAdam"})
    assert classes(keras.optimizers) == {*KERAS} | (refused & {"LossScaleOptimizer", "MultiOptimizer"})


def classes(module: Any) -> set[str]:
    """Return the names of a framework's optimizers."""
    found = {name: value for name, value in vars(module).items() if isinstance(value, type)}
    return {name for name, value in found.items() if issubclass(value, module.Optimizer)} - {"Optimizer"}


def test_torchs_own_list_holds_no_other_set() -> None:
    for info in listed("common_optimizers").optim_db:
        for sample in info.optim_inputs_func(device="cpu"):
            name = info.optim_cls.__name__
            given = {argument: plain(value) for argument, value in sample.kwargs.items()}
            if name not in S.Optimizer.refused:
                assert fields_of(name, given) in [fields_of(name, row) for row in TORCH[name]], (name, given)


def plain(value: Any) -> Any:
    """Return the number that a tensor of one stands for: 0.001, of which float32 holds only seven digits."""
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    return float(f"{value.item():.7g}") if hasattr(value, "item") else value


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("Adadelta", {"lr": 0.01, "rho": 1.1}, r"rho must be a number from 0 to 1\. Received: rho=1\.1"),
    ("Adafactor", {"eps": (-1e-30, 1e-3)}, r"epsilon1 must be .* at least 0.* Received: epsilon1=-1e-30"),
    ("Adafactor", {"d": 0.0}, r"threshold must be a finite number above 0"),
    ("Adafactor", {"d": 0.5}, r"threshold must be at least 1.* Received: threshold=0\.5"),
    ("Adafactor", {"beta2_decay": 0.8}, r"beta2_decay must be a finite number of at most 0.*=0\.8"),
    ("Adagrad", {"lr": 0.01, "lr_decay": -0.5}, r"rate_decay must be .* at least 0\. Received: rate_decay=-0\.5"),
    ("Adam", {"lr": 0.01, "betas": (1.0, 0.0)}, r"beta1 must be .* not including, 1\. Received: beta1=1\.0"),
    ("Adam", {"lr": 0.01, "weight_decay": -1}, r"weight_decay must be .* Received: weight_decay=-1"),
    ("Adam", {"foreach": True}, r"has no field 'foreach'"),
    ("Adam", {"lr": np.array([0.001, 0.001])}, r"learning_rate must be a finite number of at least 0"),
    ("Adamax", {"lr": 0.01, "betas": (0.0, 1.0)}, r"beta2 must be .* Received: beta2=1\.0"),
    ("AdamW", {"lr": 0.01, "betas": (1.0, 0.0)}, r"beta1 must be .* Received: beta1=1\.0"),
    ("AdamW", {"lr": 0.01, "weight_decay": -1}, r"weight_decay must be .* Received: weight_decay=-1"),
    ("ASGD", {"lr": 0.01, "weight_decay": -0.5}, r"weight_decay must be .* Received: weight_decay=-0\.5"),
    ("Muon", {"adjust_lr_fn": "arbitrary"}, r"scale must be 'rows' or 'largest' or 'none'\. Received: .*arbitrary"),
    ("Muon", {"precision": "bfloat16"}, r"precision must be 'own': products in bfloat16 depend on the library"),
    ("Muon", {"ns_steps": 100}, r"steps must be below 100\. Received: steps=100"),
    ("Muon", {"others": S.Muon()}, r"others must be another optimizer\. Received: others=Muon"),
    ("Muon", {"others": S.SGD(maximize=True)}, r"maximize belong on Muon itself"),
    ("Muon", {"lr": 0.0, "others": S.SGD()}, r"learning_rate must be above 0 for others"),
    ("NAdam", {"lr": 0.01, "betas": (1.0, 0.0)}, r"beta1 must be .* Received: beta1=1\.0"),
    ("NAdam", {"lr": 0.01, "momentum_decay": -0.2}, r"momentum_decay must be .* Received: momentum_decay=-0\.2"),
    ("RAdam", {"lr": 0.01, "betas": (1.0, 0.0)}, r"beta1 must be .* Received: beta1=1\.0"),
    ("RAdam", {"lr": 0.01, "weight_decay": -1}, r"weight_decay must be .* Received: weight_decay=-1"),
    ("RMSprop", {"lr": 0.01, "momentum": -1.0}, r"momentum must be .* Received: momentum=-1\.0"),
    ("Rprop", {"lr": 0.01, "etas": (1.0, 0.5)}, r"shrink must be below 1 and grow above 1\. Received: 1\.0 and 0\.5"),
    ("Rprop", {"step_sizes": (2.0, 1.0)}, r"least must not exceed most\. Received: 2\.0 and 1\.0"),
    ("Rprop", {"weight_decay": 0.1}, r"weight_decay must be 0: .* Received: weight_decay=0\.1"),
    ("SGD", {"lr": 0.01, "momentum": -0.5}, r"momentum must be .* Received: momentum=-0\.5"),
]


@pytest.mark.parametrize(("name", "given", "message"), REFUSED)
def test_what_must_be_refused_is(name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        spec_of("torch", name, given)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: S.Ftrl(0.0), r"learning_rate must be above 0, for z is divided by it"),
        (lambda: S.Ftrl(power=0.5), r"power must be a finite number of at most 0\. Received: power=0\.5"),
        (lambda: S.ScheduleFreeAdamW(beta1=0), r"beta1 must be above 0, for x is found by dividing by it"),
        (lambda: S.Adafactor(epsilon_placement="added"), r"epsilon1 must be given for epsilon_placement='added'"),
    ],
)
def test_a_setting_that_divides_by_nothing_is_refused(make: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make()


def test_muon_asks_for_the_way_of_what_is_no_matrix() -> None:
    with pytest.raises(SpecError, match=r"linear\.bias is no matrix but \[2\]; others must say how"):
        S.Spec("a", S.Linear(2), (3,), training=S.Training(optimizer=S.Muon()))


@pytest.mark.parametrize(
    ("op", "message"),
    [
        ("LBFGS", "unknown optimizer 'LBFGS'. It takes the loss and gradient several times a step, in a line search"),
        ("SparseAdam", "unknown optimizer 'SparseAdam'. It is for sparse gradients"),
        ("LossScaleOptimizer", "Give the optimizer a loss_scale"),
        ("Nadam", "Here it is called 'NAdam'"),
    ],
)
def test_an_optimizer_that_is_refused_has_a_reason(op: str, message: str) -> None:
    spec = f'name="a"\ninputs=[3]\nlayers=[{{op="Linear",features=2}}]\n[training]\noptimizer={{op="{op}"}}'
    with pytest.raises(SpecError) as error:
        text.loads(spec)
    assert message in str(error.value)
