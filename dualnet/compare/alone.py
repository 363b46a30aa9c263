"""Alone: a written file, run in a process of its own that cannot import dualnet, gives what the live model gave."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from dualnet.backends.draws import turned
from dualnet.compare.stage import Stage
from dualnet.compare.tolerance import ROUNDOFF
from dualnet.compare.verdict import Finding
from dualnet.run.port import Ported, porter

SCRIPT = """
import importlib.util, sys
import numpy as np
sys.modules["dualnet"] = None  # a file that needed it would fail here
spec = importlib.util.spec_from_file_location("port", sys.argv[1])
port = importlib.util.module_from_spec(spec)
spec.loader.exec_module(port)
model = port.build(sys.argv[2])
inputs = [array for _, array in sorted(np.load(sys.argv[3]).items())]
if sys.argv[5] == "torch":
    import torch
    model.eval()
    with torch.no_grad():
        outputs = model(*[torch.from_numpy(array) for array in inputs])
else:
    outputs = model(inputs if len(inputs) > 1 else inputs[0], training=False)
outputs = list(outputs.values()) if isinstance(outputs, dict) else outputs
outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
np.savez(sys.argv[4], **{f"{index:03d}": np.asarray(output) for index, output in enumerate(outputs)})
"""

# The same operations on the same numbers: what differs is the order of sums in kernels chosen anew, some tens of ulps.
ULPS = 1000


def alone(made: Ported, inputs: list[Any], source: Path, weights: Path) -> Stage:
    """Return the stage that runs the written file by itself on inputs in the original's order."""
    given = [turned(np.asarray(x), order) for x, order in zip(inputs, made.document.in_orders, strict=True)]
    expected = porter(made.to).call(made.model, given)
    with tempfile.TemporaryDirectory() as folder:
        put, got = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(put, **{f"{index:03d}": array for index, array in enumerate(given)})
        words = [sys.executable, "-I", "-c", SCRIPT, str(source), str(weights), str(put), str(got), made.to]
        run = subprocess.run(words, capture_output=True, text=True, check=False)
        if run.returncode:
            lines = [line for line in run.stderr.strip().splitlines() if line.strip()] or ["no message"]
            return Stage("alone", [Finding("the file", "divergent", np.inf, np.inf, note=lines[-1])], where=lines[-1])
        outputs = [array for _, array in sorted(np.load(got).items())]
    findings = [_finding(index, a, b) for index, (a, b) in enumerate(zip(expected, outputs, strict=True))]
    return Stage("alone", findings, note="the file by itself, without dualnet, in a process of its own")


def _finding(index: int, expected: Any, found: Any) -> Finding:
    name = f"output {index}"
    if expected.shape != found.shape:
        return Finding(name, "divergent", np.inf, np.inf, note=f"shapes {expected.shape} and {found.shape}")
    if expected.dtype.kind != "f":
        return Finding(name, "equal" if np.array_equal(expected, found) else "divergent", 0.0, 0.0)
    if not np.array_equal(np.isnan(expected), np.isnan(found)):
        return Finding(name, "divergent", np.inf, np.inf, note="NaN on one side only")
    scale = float(np.nanmax(np.abs(expected), initial=0.0))
    gap = float(np.nanmax(np.abs(np.where(expected == found, 0.0, expected - found)), initial=0.0)) / (scale or 1.0)
    near = gap <= ULPS * 2 * ROUNDOFF["float32"]
    return Finding(name, ("equal" if gap == 0.0 else "rounding") if near else "divergent", gap)
