"""The machine: what a timing is worth nothing without."""

import contextlib
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from dualnet import __version__


def machine() -> dict[str, Any]:
    """Return processor, cores and memory: what two results must share to be compared."""
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "cpus": os.cpu_count() or 1,
        "memory_gib": _gib(),
    }


def software() -> dict[str, Any]:
    """Return the versions installed here, and when dualnet's own pages last changed: what a record must share."""
    found: dict[str, Any] = {"dualnet": __version__}
    for name in ("torch", "keras", "tensorflow", "tensorflow-cpu", "numpy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    home = Path(__file__).parents[1]
    rooms = (home, (home / "backends").resolve(), (home / "specs").resolve())
    return found | {"changed": max(path.stat().st_mtime_ns for room in rooms for path in room.rglob("*.py"))}


def load() -> float:
    """Return the load average of the last minute: how many others wanted the cores; NaN where nobody counts."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return float("nan")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _gib() -> int:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (OSError, ValueError):
        return 0
