"""Pair: one network of both frameworks, its weights the same and none of them constant; and ``check`` on it."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np
import torch
from torch import nn

import dualnet
from dualnet.compare.report import Report
from tests.seeded.models import page

NAMES = ("mlp", "cnn", "resnet", "depthwise", "lstm", "transformer", "autoencoder", "gan")
DRAWN = "drawn"  # pairs that a seed draws: see ``drawn``
KNOWN = set(inspect.signature(dualnet.check).parameters)
SETTINGS = ("loss", "optimizer", "clip", "scheduler")


@dataclass
class Pair:
    """Two live models and what ``check`` is told of them; ``plant`` functions change one side of it."""

    name: str
    left: nn.Module
    right: keras.Model
    inputs: Any
    targets: Any
    layers: dict[str, str]
    table: dict[str, str]
    settings: dict[str, list[Any]]
    sync: Callable[[nn.Module, keras.Model], None]
    extra: dict[str, Any] = field(default_factory=dict)

    def check(self) -> Report:
        """Return dualnet's report; the settings of training are given if ``check`` takes them."""
        given = {"targets": self.targets, **{name: tuple(self.settings[name]) for name in self.settings}}
        given = {name: value for name, value in given.items() if name in KNOWN}
        return dualnet.check(self.left, self.right, self.inputs, table=self.table, weights_from=None, **given)


def pair(name: str, seed: int = 0, batch: int | None = None) -> Pair:
    """Return a pair, its weights not yet in common: those of the left side are drawn by the seed."""
    home = page(name)
    torch.manual_seed(seed)
    keras.utils.set_random_seed(seed)
    keras.backend.clear_session()  # so that names do not depend on what was built before
    rng = np.random.default_rng(seed)
    sizes = {} if batch is None else {"batch": batch}
    module = home.torch_model()
    scatter(module, getattr(home, "STILL", ()))
    settings = {key: list(getattr(home, key.upper(), (None, None))) for key in SETTINGS}
    make = partial(Pair, name, module, home.keras_model(), home.inputs(rng, **sizes), home.targets(rng, **sizes))
    return make(dict(home.LAYERS), dict(getattr(home, "TABLE", {})), settings, home.sync)


def scatter(module: nn.Module, still: tuple[str, ...]) -> None:
    """Move what starts constant (biases, scales, statistics), behind which a fault can hide."""
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            constant = tensor.is_floating_point() and tensor.ndim and bool((tensor == tensor.flatten()[0]).all())
            if constant and tensor.numel() > 1 and name not in still:
                tensor.add_(0.3 * torch.rand_like(tensor) + 0.05)


def sound(name: str, seed: int = 0, batch: int | None = None) -> Pair:
    """Return a pair whose sides are the same function."""
    made = pair(name, seed, batch)
    made.sync(made.left, made.right)
    return made
