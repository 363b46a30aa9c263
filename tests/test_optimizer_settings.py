"""Schedules follow their closed forms, and each flavour is what its framework does by default."""

import ast
import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualnet.errors import SpecError
from dualnet.specs import SGD, Adam, AdamW, Clip, CosineDecay, Optimizer, RMSprop, StepDecay
from dualnet.specs.optimizers import FLAVOURS
from dualnet.specs.rates import learning_rates


def test_without_a_schedule_the_rate_stays() -> None:
    assert learning_rates(Adam(0.25), None, 3, 4).tolist() == [0.25] * 4


def test_step_decay_multiplies_after_every_so_many_steps() -> None:
    rates = learning_rates(SGD(0.5), StepDecay(3, 0.5), 0, 8)
    assert rates.tolist() == [0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125]


def test_cosine_decay_is_half_a_cosine_down_to_its_floor() -> None:
    rates = learning_rates(SGD(2.0), CosineDecay(4, 0.5), 0, 7)
    half = math.sqrt(0.5)
    expected = [2.0, 1 + (1 + half) / 2, 1.5, 1 + (1 - half) / 2, 1.0, 1.0, 1.0]
    assert rates == pytest.approx(expected, rel=1e-15)  # one cosine and four roundings of numbers near 1
    assert rates[0] == 2.0
    assert rates[4:].tolist() == [1.0] * 3


schedules = st.builds(StepDecay, st.integers(1, 9), st.floats(0.1, 1)) | st.builds(
    CosineDecay, st.integers(1, 30), st.floats(0, 0.9)
)


@given(schedules, st.integers(0, 40), st.integers(0, 20))
def test_rates_never_rise_and_do_not_depend_on_where_the_count_begins(
    schedule: StepDecay | CosineDecay, first: int, count: int
) -> None:
    whole = learning_rates(SGD(0.1), schedule, 0, first + count)
    assert np.array_equal(learning_rates(SGD(0.1), schedule, first, count), whole[first:])
    assert np.all(np.diff(whole) <= 0)
    assert whole.dtype == np.float64


# Of torch.optim's and keras.optimizers' reference pages: what the call has when nothing is given.
FIELDS = {"momentum": 0.0, "nesterov": False, "amsgrad": False, "centered": False, "dampening": 0.0}
FIELDS |= {"maximize": False, "groups": (), "accumulate": None, "average": None, "loss_scale": None}
TORCH: dict[str, dict[str, Any]] = {
    "SGD": {"learning_rate": 1e-3, "weight_decay": 0.0, "decay": "coupled", "velocity": "gradient"},
    "Adam": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0,
             "decay": "coupled", "epsilon_placement": "after_correction"},
    "AdamW": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01,
              "decay": "decoupled", "epsilon_placement": "after_correction"},
    "RMSprop": {"learning_rate": 1e-2, "alpha": 0.99, "epsilon": 1e-8, "weight_decay": 0.0, "decay": "coupled",
                "epsilon_placement": "outside_root", "velocity": "gradient"},
}  # fmt: skip
KERAS: dict[str, dict[str, Any]] = {
    "SGD": {"learning_rate": 1e-2, "weight_decay": 0.0, "decay": "decoupled", "velocity": "update"},
    "Adam": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7, "weight_decay": 0.0,
             "decay": "decoupled", "epsilon_placement": "before_correction"},
    "AdamW": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7, "weight_decay": 0.004,
              "decay": "decoupled", "epsilon_placement": "before_correction"},
    "RMSprop": {"learning_rate": 1e-3, "alpha": 0.9, "epsilon": 1e-7, "weight_decay": 0.0, "decay": "decoupled",
                "epsilon_placement": "inside_root", "velocity": "update"},
}  # fmt: skip


@pytest.mark.parametrize(("flavour", "documented"), [("torch", TORCH), ("keras", KERAS)])
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_a_flavour_is_what_the_framework_documents(flavour: str, documented: dict[str, Any], name: str) -> None:
    own = vars(FLAVOURS[flavour][name])
    assert {field: value for field, value in own.items() if field not in FIELDS} == documented[name]
    assert {field: own[field] for field in own if field in FIELDS}.items() <= FIELDS.items()


# framework: its name for a field, and the file of an optimizer
NAMES = {"lr": "learning_rate", "eps": "epsilon", "rho": "alpha", "beta_1": "beta1", "beta_2": "beta2"}
FILES = {"torch": "optim/{}.py", "keras": "src/optimizers/{}.py"}


def defaults(framework: str, name: str) -> dict[str, Any]:
    """Return the defaults of an optimizer's call, read from the framework's source: importing it takes seconds."""
    found = importlib.util.find_spec(framework)
    if found is None or found.origin is None:
        pytest.skip(f"{framework} is not installed here")
    tree = ast.parse((Path(found.origin).parent / FILES[framework].format(name.lower())).read_text(encoding="utf-8"))
    (cls,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    (call,) = (node for node in cls.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    plain, named = call.args, zip(call.args.kwonlyargs, call.args.kw_defaults, strict=True)
    pairs = [*zip(plain.args[-len(plain.defaults) :], plain.defaults, strict=True), *named]
    return {NAMES.get(arg.arg, arg.arg): ast.literal_eval(value) for arg, value in pairs if value is not None}


@pytest.mark.parametrize("framework", ["torch", "keras"])
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_a_flavour_is_what_the_installed_framework_has(framework: str, name: str) -> None:
    theirs, ours = defaults(framework, name), vars(FLAVOURS[framework][name])
    theirs |= dict(zip(("beta1", "beta2"), theirs.pop("betas", ()), strict=False))
    theirs["weight_decay"] = theirs["weight_decay"] or 0.0  # Keras writes None
    shared = [field for field in ours if field in theirs]
    assert len(shared) >= 4
    assert {field: theirs[field] for field in shared} == {field: ours[field] for field in shared}


@pytest.mark.parametrize(
    ("cls", "fields", "message"),
    [
        (SGD, {"learning_rate": -0.1}, r"learning_rate must be a finite number of at least 0\. Received: .*-0\.1"),
        (SGD, {"momentum": 1.0}, r"momentum must be a number from 0 up to, not including, 1"),
        (SGD, {"nesterov": True}, r"nesterov needs momentum above 0 and dampening 0\. Received: 0\.0 and 0\.0"),
        (SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, r"nesterov needs .* Received: 0\.9 and 0\.1"),
        (SGD, {"momentum": 0.9, "dampening": 0.1, "velocity": "update"}, r"dampening is defined for"),
        (SGD, {"velocity": "heavy"}, r"velocity must be 'gradient' or 'update'\. Received: velocity='heavy'"),
        (Adam, {"beta1": 1.0}, r"beta1 must be a number from 0 up to"),
        (Adam, {"epsilon": -1e-8}, r"epsilon must be a finite number of at least 0"),
        (Adam, {"epsilon_placement": "inside_root"}, r"must be 'after_correction' or 'before_correction'"),
        (Adam, {"amsgrad": 1}, r"amsgrad must be true or false\. Received: amsgrad=1"),
        (AdamW, {"weight_decay": float("inf")}, r"AdamW: weight_decay must be a finite number"),
        (AdamW, {"decay": "l2"}, r"decay must be 'coupled' or 'decoupled'"),
        (RMSprop, {"alpha": float("nan")}, r"RMSprop: alpha must be a number from 0 up to"),
        (Clip, {"by": "norms", "limit": 1.0}, r"by must be 'global_norm' or 'norm' or 'value'"),
        (Clip, {"by": "norm", "limit": 0.0}, r"limit must be a finite number above 0"),
        (StepDecay, {"every": 0}, r"every must be a positive integer"),
        (StepDecay, {"every": 2, "factor": 0.0}, r"factor must be a finite number above 0"),
        (CosineDecay, {"steps": 2.5}, r"steps must be a positive integer\. Received: steps=2\.5"),
        (CosineDecay, {"steps": 2, "floor": 1.0}, r"floor must be a number from 0 up to, not including, 1"),
    ],
)  # fmt: skip
def test_a_setting_without_meaning_is_refused(cls: type[Any], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        cls(**fields)


def test_a_flavour_has_the_optimizers_of_its_framework() -> None:
    assert {*FLAVOURS["torch"]} | {*FLAVOURS["keras"]} == {*Optimizer.registry}
    assert all(type(made).__name__ == name for flavour in FLAVOURS.values() for name, made in flavour.items())
