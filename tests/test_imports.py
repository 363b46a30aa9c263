"""Importing dualnet, and asking it for help, loads no framework and no NumPy."""

import subprocess
import sys
from pathlib import Path

import pytest

import dualnet

HEAVY = {"torch", "tensorflow", "keras", "numpy", "scipy", "matplotlib", "jinja2", "PIL"}


def loaded(*arguments: str) -> set[str]:
    """Return the top-level packages that ``python ARGUMENTS`` imports, by its own account."""
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.split("|")[-1].strip().split(".")[0] for line in lines}


@pytest.mark.parametrize("arguments", [("-c", "import dualnet"), ("-m", "dualnet", "--help")], ids=" ".join)
def test_nothing_heavy_is_loaded(arguments) -> None:
    packages = loaded(*arguments)
    assert "dualnet" in packages
    assert packages & HEAVY == set()


@pytest.mark.parametrize("package", ["numpy", "scipy"])
def test_this_test_can_fail(package) -> None:
    assert package in loaded("-c", f"import dualnet, {package}") & HEAVY


PAGES = [
    f"dualnet.experiments.{path.stem}" for path in sorted((Path(dualnet.__file__).parent / "experiments").glob("*.py"))
]


def test_announcing_an_experiment_loads_no_framework_and_no_statistics() -> None:
    """What stands between a command and its first line is NumPy and the specs."""
    code = f"import dualnet.cli.experimenting, {', '.join(PAGES).replace('.__init__', '')}"
    packages = loaded("-c", code)
    assert "numpy" in packages
    assert packages & {"torch", "tensorflow", "keras", "scipy", "matplotlib", "jinja2", "PIL", "tensorboardX"} == set()
