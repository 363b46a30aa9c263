"""The state of loss scaling, as every backend names it among the optimizer's slots."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dualnet.backends.protocol import Arrays

STATE: dict[str, Any] = {"scale": np.float64, "run": np.int64, "skipped": np.int64}
PREFIX = "loss_scale/"
LARGEST = float(np.finfo(np.float32).max)  # a scale does not grow beyond it, as in torch: losses are float32


def arrays(state: Mapping[str, Any]) -> Arrays:
    """Return numbers by the names of slots."""
    return {PREFIX + name: np.array(state[name], kind) for name, kind in STATE.items()}


def number(slots: Mapping[str, Any], name: str) -> Any:
    """Return one of them."""
    return STATE[name](slots[PREFIX + name])
