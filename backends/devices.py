"""Devices: which of them a framework can use on this machine, by the names that ``device=`` takes."""

import importlib

from dualnet.backends import backend as backend_of


def devices(backend: str) -> list[str]:
    """Return the devices that a framework can use here, by the names that ``device`` takes: "cpu", "cuda:0" …

    Raises ``UnsupportedError`` if there is no such backend.
    """
    home = type(backend_of(backend)).__module__.rpartition(".")[0]
    found: list[str] = importlib.import_module(f"{home}.device").names()
    return found


def try_gpu(backend: str, index: int = 0) -> str:
    """Return "cuda:index" if the framework sees that GPU, else "cpu", for ``device``. Raises ``UnsupportedError``."""
    wanted = f"cuda:{index}"
    return wanted if wanted in devices(backend) else "cpu"
