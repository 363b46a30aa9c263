"""Start: the initializers of a whole block at once."""

from dataclasses import fields, replace
from typing import Any

from dualnet.errors import SpecError
from dualnet.specs.initializers import Initializer
from dualnet.specs.layers import Block, Layer


def initialised(layer: Layer, weight: Initializer | None = None, bias: Initializer | None = None) -> Any:
    """Return a layer, or a block with all that it nests, started by these initializers; None leaves what is there.

    Raises ``SpecError`` if there is no layer in it that takes initializers.
    """
    given = {name: start for name, start in (("weight_init", weight), ("bias_init", bias)) if start is not None}
    if not _takes(layer):
        msg = f"{layer.place()}: no layer in it takes an initializer. Give a Linear, a Conv2d, or a block of them."
        raise SpecError(msg)
    return _started(layer, given)


def _takes(layer: Layer) -> bool:
    inside = layer.layers if isinstance(layer, Block) else ()
    return "weight_init" in {field.name for field in fields(layer)} or any(_takes(each) for each in inside)


def _started(layer: Layer, given: dict[str, Initializer]) -> Layer:
    if isinstance(layer, Block):
        return replace(layer, layers=tuple(_started(each, given) for each in layer.layers))
    known = {field.name for field in fields(layer)}
    own: dict[str, Any] = {name: start for name, start in given.items() if name in known}
    return replace(layer, **own)
