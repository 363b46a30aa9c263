"""Models: each page one network, written by hand for PyTorch and for Keras, with what is needed to train both."""

import importlib
from typing import Any


def page(name: str) -> Any:
    """Return the page of one network."""
    return importlib.import_module(f"tests.seeded.models.{name}")
