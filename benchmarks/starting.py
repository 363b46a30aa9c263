"""Starting: commands against what Python and the frameworks take by themselves, in fresh processes by turns."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable

from cases import Case, Given, Measured, main, starts

PASS, HELP = ["-c", "pass"], ["-m", "dualnet", "--help"]
HEAVY = {"numpy", "torch", "tensorflow", "keras"}


def took(words: list[str]) -> float:
    """Return the seconds of a process, from start to end."""
    began = time.perf_counter()
    settings = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, *words], check=True, capture_output=True, env=os.environ | settings)
    return time.perf_counter() - began


def against(ours: list[str], theirs: list[str], times: int) -> Callable[[Given], Measured]:
    """Return what measures one command's time by another's, ``times`` fresh processes for each of the settings' one."""

    def measure(given: Given) -> Measured:
        found: dict[str, list[float]] = {"ours": [], "theirs": []}
        turns = [("ours", ours), ("theirs", theirs)]
        for _, words in turns:
            took(words)  # what the disk gives first is not timed
        for _ in range(given.settings.processes * (1 if given.tiny else times)):
            random.shuffle(turns)
            for name, words in turns:
                found[name].append(took(words))
        return starts(found["ours"], found["theirs"])

    return measure


def light(given: Given) -> Measured:
    """Return how many heavy packages ``dualnet --help`` loads."""
    done = subprocess.run([sys.executable, "-X", "importtime", *HELP], capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    count = len({line.split("|")[-1].strip().split(".")[0] for line in lines} & HEAVY)
    return Measured(count, count, count)


def show(framework: str) -> list[str]:
    """Return a command that needs one framework."""
    return ["-m", "dualnet", "show", "fashion_mlp", "--backend", framework, "--quiet"]


CASES = (
    Case("dualnet --help", "python -c pass (time)", against(HELP, PASS, 6), 6, 4, less=True),
    Case("dualnet --help", "packages of NumPy, torch, TensorFlow, Keras loaded", light, 0, 0, less=True, unit=""),
    Case(
        "dualnet show --backend torch",
        "import torch (time)",
        against(show("torch"), ["-c", "import torch"], 2),
        1.25,
        1.1,
        less=True,
    ),
    Case(
        "dualnet show --backend keras",
        "import keras (time)",
        against(show("keras"), ["-c", "import keras"], 2),
        1.25,
        1.1,
        less=True,
    ),
)

if __name__ == "__main__":
    main(CASES)
