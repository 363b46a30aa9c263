"""Importing dualnet, and asking it for help, loads no framework and no NumPy."""

import subprocess
import sys

import pytest

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
