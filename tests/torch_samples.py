"""PyTorch's own module tests as samples: its ModuleInfo database, in float64, seeded by module."""

import importlib
import sys
import types
import unittest
import warnings
import zlib
from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import torch
from torch import nn

Sample = tuple[str, nn.Module, dict[int | str, Any]]


@cache
def database() -> dict[str, Any]:
    """Return the entries that are not about quantisation, by name."""
    return {info.name: info for info in listed("common_modules").module_db if ".ao." not in info.module_cls.__module__}


def listed(name: str) -> Any:
    """Return a module of torch's own test suite."""
    if "expecttest" not in sys.modules:  # the suite imports it, and its lists never call it
        stand_in = types.ModuleType("expecttest")
        stand_in.TestCase = type("TestCase", (unittest.TestCase,), {})  # type: ignore[attr-defined]
        sys.modules["expecttest"] = stand_in
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(f"torch.testing._internal.{name}")


def page(name: str) -> str:
    """Return the page of torch.nn that a module stands on: "loss", "activation", "conv" …"""
    return str(database()[name].module_cls.__module__.rpartition(".")[2])


def samples(name: str) -> Iterator[Sample]:
    """Yield the samples of a module: a label, the module, and what it is called with."""
    info = database()[name]
    torch.manual_seed(zlib.crc32(name.encode()))
    inputs = partial(info.module_inputs_func, info, device="cpu", dtype=torch.float64, requires_grad=False)
    for index, sample in enumerate(inputs(training=False)):
        made, given = sample.constructor_input, sample.forward_input
        module = info.module_cls(*made.args, **made.kwargs).to(torch.float64)
        yield f"{name}-{index}", module, {**dict(enumerate(given.args)), **given.kwargs}
