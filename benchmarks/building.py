"""Building and porting: CPU seconds, and the time of a build against that of the source a person would write."""

import subprocess
import sys
from collections.abc import Callable

from cases import Case, Given, Measured, benched, between, main, seconds
from nets import CNN, MLP

# In a process of its own, in which both frameworks and what tracing loads once are loaded before.
PORT = """
import time, sys
sys.path.insert(0, "benchmarks")
import torch, dualnet
from torch import nn
import nets_torch
dualnet.port(nn.Linear(2, 2), torch.randn(2, 2), to="keras", certificate=False)
module, example = nets_torch.{net}(), torch.randn(2, *{shape})
start = time.process_time()
ported = dualnet.port(module, example, to="keras", certificate=False)
report = dualnet.check(module, ported.model, example, stages="structure,forward")
print(time.process_time() - start)
assert report.agrees, report
"""


def porting(given: Given) -> Measured:
    """Return the CPU seconds of porting ResNet-18 with a forward check; a small net where tiny."""
    net, shape = ("cnn", (1, 28, 28)) if given.tiny else ("resnet18", (3, 64, 64))
    code, found = PORT.format(net=net, shape=shape), []
    for _ in range(given.settings.processes):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        if done.returncode:
            return Measured(note=done.stderr.strip().splitlines()[-1])
        found.append(float(done.stdout.split()[-1]))
    return seconds(found)


def building(spec: object, framework: str) -> Callable[[Given], Measured]:
    """Return what measures the time of a build by that of the emitted source's own."""
    names = f"{framework}: dualnet", f"{framework}: emitted source"
    find = between(*names, benched(spec, ("emitted source", "dualnet"), "build"), "build")  # type: ignore[arg-type]
    return lambda given: find(given).inverted()


CASES = (
    Case("porting ResNet-18 to Keras with forward check", "CPU seconds", porting, 6, 2, less=True, unit=" s"),
    *(
        Case(
            f"build of a spec: {spec.name}, {name}",
            "its emitted source (time)",
            building(spec, name),
            1.5,
            1.0,
            less=True,
        )
        for spec in (MLP, CNN)
        for name in ("torch", "keras")
    ),
)

if __name__ == "__main__":
    main(CASES)
