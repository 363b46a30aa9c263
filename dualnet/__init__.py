"""One model, two frameworks, and proof that they agree.

The public names load on first use, so ``import dualnet`` imports neither torch nor TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dualnet.api import (
        build,
        check,
        devices,
        emit,
        from_keras,
        from_torch,
        load,
        load_arrays,
        load_weights,
        port,
        predictor,
        record,
        register,
        save,
        try_gpu,
        weights,
    )

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "build",
    "check",
    "devices",
    "emit",
    "experiments",
    "from_keras",
    "from_torch",
    "load",
    "load_arrays",
    "load_weights",
    "port",
    "predictor",
    "record",
    "register",
    "save",
    "specs",
    "try_gpu",
    "weights",
]

_ROOMS = ("experiments", "specs")
_HOMES = {name: "dualnet.api" for name in __all__ if name not in ("__version__", *_ROOMS)}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"dualnet.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    msg = f"module 'dualnet' has no attribute {name!r}; it has {', '.join(__all__)}"
    raise AttributeError(msg)
