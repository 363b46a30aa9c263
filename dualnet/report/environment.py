"""The environment of a result: which versions ran where, and when."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from dualnet import __version__


def environment(backends: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """Return versions, machine and date as plain data; ``backends`` are a host's facts of each, by name."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "dualnet": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        **{name: dict(facts) for name, facts in (backends or {}).items()},
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count() or 1,
    }
