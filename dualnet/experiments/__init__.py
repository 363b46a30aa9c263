"""The experiments: what people teach and test with both frameworks. Each runs both sides and returns a ``Result``.

The functions load on first use: ``dualnet.experiments.signal("deep_mlp")`` imports its own page only.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dualnet.experiments.bench import Bench
    from dualnet.experiments.building import blocks
    from dualnet.experiments.clipping import clip
    from dualnet.experiments.distillation import distill
    from dualnet.experiments.explanation import explain
    from dualnet.experiments.fitting import fit
    from dualnet.experiments.initialisation import init
    from dualnet.experiments.prediction import predict
    from dualnet.experiments.signals import signal
    from dualnet.experiments.starting import starts
    from dualnet.experiments.summaries import summary
    from dualnet.experiments.training import train

PAGES = {
    "Bench": "bench",
    "blocks": "building",
    "clip": "clipping",
    "distill": "distillation",
    "explain": "explanation",
    "fit": "fitting",
    "init": "initialisation",
    "predict": "prediction",
    "signal": "signals",
    "starts": "starting",
    "summary": "summaries",
    "train": "training",
}

__all__ = [
    "Bench",
    "blocks",
    "clip",
    "distill",
    "explain",
    "fit",
    "init",
    "predict",
    "signal",
    "starts",
    "summary",
    "train",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name in PAGES:
        return getattr(importlib.import_module(f"dualnet.experiments.{PAGES[name]}"), name)
    msg = f"module 'dualnet.experiments' has no attribute {name!r}; it has {', '.join(__all__)}"
    raise AttributeError(msg)
