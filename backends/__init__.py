"""How a framework builds a spec. A backend is found by name and imported only when asked for."""

import importlib
from importlib.metadata import entry_points

from dualnet.backends.protocol import Backend
from dualnet.errors import UnsupportedError, did_you_mean

BUILT_IN = {"torch": "dualnet.backends.torch", "keras": "dualnet.backends.keras"}


def names() -> list[str]:
    """Return the names of all backends: the built-in ones and those that packages add by entry point."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group="dualnet.backends"))}, reverse=True)


def backend(name: str) -> Backend:
    """Return a backend, importing its framework. Raises ``UnsupportedError`` if either is not to be had."""
    if name not in BUILT_IN and name not in names():  # reading every package's entry points takes milliseconds
        hint = did_you_mean(name, names()) or f" There are: {', '.join(names())}."
        msg = f"There is no backend {name!r}.{hint}"
        raise UnsupportedError(msg)
    home = BUILT_IN.get(name) or next(p.value for p in entry_points(group="dualnet.backends") if p.name == name)
    try:
        module = importlib.import_module(home)
    except ModuleNotFoundError as error:
        msg = f"The backend {name!r} needs the package {error.name!r}. Install it: pip install 'dualnet[{name}]'"
        raise UnsupportedError(msg) from error
    made: Backend = module.BACKEND
    return made


__all__ = ["Backend", "backend", "names"]
