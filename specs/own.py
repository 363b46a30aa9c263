"""Layers of your own: what a spec is told of a class that dualnet did not bring. Backends are told elsewhere."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from dualnet.errors import SpecError
from dualnet.specs import shapes, weights
from dualnet.specs.initializers import PRESETS, Initializer
from dualnet.specs.kinds import anything
from dualnet.specs.kinds import shape as sizes
from dualnet.specs.layers import Layer
from dualnet.specs.node import kinds_of, shown
from dualnet.specs.parameter import Parameter
from dualnet.specs.shapes import Shape

Rule = Callable[..., Any]


def declare(cls: Any, shape: Rule | None = None, parameters: Rule | None = None, inputs: int | None = None) -> None:
    """Tell specs the shape, the parameters and the number of inputs of a layer class; what is None stays as it was.

    Raises ``SpecError`` for what is no frozen dataclass derived from ``Layer``, or has fields that no file can hold.
    """
    _check(cls)
    if shape is not None:
        shapes.RULES[cls] = lambda layer, *given: _shape(shape(layer, *given))
    if parameters is not None:
        weights.OWN[cls] = lambda layer, given, preset: _parameters(layer, parameters(layer, *given), preset)
    if inputs is not None:
        if type(inputs) is not int or inputs < 1:
            msg = f"{cls.__name__}: inputs must be the number of inputs that it reads. Received: inputs={inputs!r}"
            raise SpecError(msg)
        shapes.READS[cls] = inputs


def _check(cls: Any) -> None:
    name = getattr(cls, "__name__", shown(cls))
    if not (isinstance(cls, type) and issubclass(cls, Layer)) or "__dataclass_fields__" not in vars(cls):
        msg = f"A layer is a class derived from dualnet.specs.Layer, under @dataclass(frozen=True). Received: {name}"
        raise SpecError(msg)
    if cls.__module__.startswith("dualnet.specs.") or Layer.registry.get(name) is not cls:
        why = "is dualnet's own" if cls.__module__.startswith("dualnet.specs.") else "is not what files call so"
        msg = f"{name} {why}. Derive a class with a name of its own, not beginning with '_'."
        raise SpecError(msg)
    bases = (base for base in cls.__mro__ if issubclass(base, Layer) and base is not Layer)
    if any(base.__module__.startswith("dualnet.specs.") for base in bases):
        msg = f"{name} derives from a layer of dualnet's, whose rules are not for others. Derive it from Layer itself."
        raise SpecError(msg)
    for field, kind in kinds_of(cls).items():
        if kind.expected.startswith(anything.expected):
            known = "int, float, bool, str, Initializer or a name of dualnet.specs.kinds (Size, Positive, Shape …)"
            msg = f"{name}: a file cannot hold the field {field!r} as it is annotated. Annotate it with {known}."
            raise SpecError(msg)


def _shape(made: Any) -> Shape:
    """Return what a shape rule gave. ``ValueError`` refuses, as from any shape rule."""
    if not isinstance(made, (tuple, list)) or not all(type(size) is int for size in made):
        msg = f"its shape rule must return a tuple of integers. It returned: {shown(made)}."
        raise ValueError(msg)
    return tuple(made)


def _parameters(layer: Layer, found: Any, preset: str) -> tuple[Parameter, ...]:
    """Return declared parameters; one whose initializer is None starts by the preset. Fans are the first weight's."""
    entries = found.items() if isinstance(found, Mapping) else ((None, found),)
    made = [_entry(layer, name, entry) for name, entry in entries]
    wide = next((shape for _, shape, _, _ in made if len(shape) >= 2), None)
    return tuple(
        Parameter(
            name,
            shape,
            start or PRESETS[preset]["bias" if name == "bias" else "weight"],
            *(weights.fans(wide) if wide else (math.prod(shape),) * 2),
            trainable,
        )
        for name, shape, start, trainable in made
    )


def _entry(layer: Layer, name: Any, entry: Any) -> tuple[str, Shape, Initializer | None, bool]:
    try:
        shape, start, *rest = entry
        good = name.isidentifier() and isinstance(start, (Initializer, type(None))) and len(rest) < 2
        if not good or not all(type(each) is bool for each in rest):
            raise ValueError
        return name, sizes.accept(shape), start, rest[0] if rest else True
    except (TypeError, ValueError, AttributeError):
        form = "{name: (shape, initializer)} or {name: (shape, initializer, trainable)}"
        msg = f"{layer.place()}: its parameters must be {form}. Received: {shown(name)}: {shown(entry)}"
        raise SpecError(msg) from None
