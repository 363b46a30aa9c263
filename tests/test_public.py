"""What is public: these names, each loaded on first use, each with a docstring; and nothing else by accident."""

import importlib
import inspect
import subprocess
import sys
from typing import get_type_hints

import pytest

import dualnet
from dualnet import api, errors, experiments, specs
from dualnet.errors import DualnetError, SpecError, did_you_mean

FUNCTIONS = (
    "build",
    "check",
    "devices",
    "emit",
    "from_keras",
    "from_torch",
    "load",
    "load_arrays",
    "load_weights",
    "port",
    "predictor",
    "record",
    "register",
    "save",
    "try_gpu",
    "weights",
)
ERRORS = ("DataError", "DeviceError", "SpecError", "TraceError", "UnsupportedError", "WeightsError", "WorkerError")


def test_these_names_are_public_and_load() -> None:
    assert sorted(dualnet.__all__) == sorted(["__version__", *FUNCTIONS, "experiments", "specs"])
    for name in FUNCTIONS:
        assert getattr(dualnet, name) is getattr(api, name)
    assert dualnet.specs is specs
    assert dualnet.experiments is experiments
    assert dualnet.__version__.count(".") == 2


def test_experiments_are_functions_each_on_a_page_of_its_own() -> None:
    assert sorted(experiments.__all__) == sorted(experiments.PAGES)
    for name, page in experiments.PAGES.items():
        assert getattr(experiments, name).__module__ == f"dualnet.experiments.{page}"
        assert getattr(experiments, name) is not importlib.import_module(f"dualnet.experiments.{page}")
    with pytest.raises(AttributeError, match=r"no attribute 'distil'; it has .*distill"):
        _ = experiments.distil  # type: ignore[attr-defined]


def test_a_star_and_a_fresh_process_find_them() -> None:
    page = "from dualnet import *; import dualnet; print(load('fashion_mlp').name, specs.Linear, build, check)"
    done = subprocess.run([sys.executable, "-c", page], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("fashion_mlp <class 'dualnet.specs.layers.Linear'> <function build")


def test_another_name_is_refused_as_python_does() -> None:
    with pytest.raises(AttributeError, match=r"module 'dualnet' has no attribute 'chek'; it has .*check"):
        _ = dualnet.chek  # type: ignore[attr-defined]
    assert not hasattr(dualnet, "numpy")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_says_what_it_takes_gives_and_raises(name: str) -> None:
    function = getattr(dualnet, name)
    doc = inspect.getdoc(function) or ""
    assert doc.startswith("Return ")
    assert "Raises ``" in doc
    hints = get_type_hints(function)
    assert set(hints) == {*inspect.signature(function).parameters, "return"}


def test_the_signatures_are_frozen() -> None:
    found = {name: list(inspect.signature(getattr(dualnet, name)).parameters) for name in FUNCTIONS}
    assert found == {
        "load": ["name"],
        "build": ["spec", "backend", "dtype", "device", "seed"],
        "check": [
            *("spec", "against", "inputs", "table", "weights_from", "targets", "loss", "optimizer", "clip"),
            *("scheduler", "stages", "backends", "seed", "device", "dtype", "host", "climb_options"),
        ],
        "emit": ["spec", "backend"],
        "from_keras": ["model", "example_inputs"],
        "from_torch": ["module", "example_inputs", "example_kwargs"],
        "devices": ["backend"],
        "load_arrays": ["path"],
        "load_weights": ["model", "source", "spec"],
        "save": ["what", "path"],
        "try_gpu": ["backend", "index"],
        "weights": ["model", "spec"],
        "register": ["layer", "shape", "parameters", "inputs", "lowerings"],
        "predictor": ["model"],
        "port": ["module", "example_inputs", "to", "example_kwargs", "certificate", "partial"],
        "record": ["model", "inputs", "like", "table", "as_is"],
    }


def test_every_name_of_specs_is_there_and_says_what_it_is() -> None:
    assert len(specs.__all__) == len(set(specs.__all__)) > 50
    for name in specs.__all__:
        own = getattr(specs, name)
        assert own.__doc__, name
        assert not own.__doc__.startswith(f"{name}("), f"{name}: its docstring is the dataclass's own"


def test_the_tree_of_errors_is_frozen() -> None:
    found = {name for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, DualnetError)}
    assert found == {"DualnetError", *ERRORS}
    assert all(getattr(errors, name).__base__ is DualnetError for name in ERRORS if name != "SpecError")
    assert issubclass(SpecError, ValueError)
    assert all(name in (errors.__doc__ or "") for name in ERRORS)


def test_a_hint_is_the_closest_word_or_none() -> None:
    assert did_you_mean("fasion_mlp", ["fashion_mlp", "siamese"]) == " Did you mean 'fashion_mlp'?"
    assert did_you_mean("RELU", ["ReLU", "ELU"]) == " Did you mean 'ReLU'?"
    assert did_you_mean("xyz", ["ReLU"]) == ""
