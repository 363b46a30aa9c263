"""Speed: which trainings XLA compiles, and why: many steps of a dense net on a CPU. Elsewhere it costs more.

Measured on two cores, 784-128-10 at batches of 100: a step takes 0.56 ms for 0.71 ms, and compiling 1.1 s, which
7,500 steps give back. Convolutions in an XLA loop on a CPU are a hundred times slower.
"""

from dualnet.specs.activations import _Activation
from dualnet.specs.layers import Dropout, Flatten, Layer, LeakyReLU, Linear, ReLU, Sigmoid, Tanh
from dualnet.specs.spec import Spec

DENSE: tuple[type[Layer], ...] = (Linear, Flatten, Dropout, ReLU, LeakyReLU, Sigmoid, Tanh, _Activation)
PAYS = 10_000  # steps from which it is sure to give back what compiling costs
WHOLE = 50  # steps in a call; XLA compiles each number of them anew, so that the rest of an epoch goes without it


def xla(spec: Spec, device: str, steps: int) -> tuple[bool, str]:
    """Return whether XLA compiles a training of so many steps (0: nobody knows), and why, in words."""
    other = next((step.layer for step in spec.graph.leaves() if not isinstance(step.layer, DENSE)), None)
    if "CPU" not in device.upper():
        return False, f"no XLA: measured on CPUs only, this is {device}"
    if other is not None:
        return False, f"no XLA: it slows {type(other).__name__} on a CPU, or was not measured with it"
    if steps < PAYS:
        known = f"{steps:,} steps" if steps else "an unknown number of steps"
        return False, f"no XLA: {known} do not give back what compiling costs, {PAYS:,} do"
    return True, f"XLA for every {WHOLE} steps: a dense net, {steps:,} steps"
