"""Layers of your own: a lowering for each backend, registered by the name of the spec class, and what it must hold to.

A lowering is called with the layer's spec and the shape of each input, without the batch axis, in the framework's own
order (channels-first in torch, channels-last in Keras). In Keras it is given ``name`` and ``dtype`` too, for the layer
that it makes. It returns a live ``nn.Module`` or ``keras.layers.Layer`` that holds each declared parameter as an
attribute of that name and shape.
"""

import inspect
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from dualnet.backends import names
from dualnet.backends.call import Call, call
from dualnet.errors import SpecError, UnsupportedError, did_you_mean
from dualnet.specs.graph import Step
from dualnet.specs.own import declare
from dualnet.specs.weights import parameters_of

Rule = Callable[..., Any]
Shape = tuple[int, ...]

HOMES: dict[str, SimpleNamespace] = {}  # lowerings by backend and class name, as ``Call`` looks them up
KNOWN: set[tuple[str, type]] = set()


def home(backend: str) -> SimpleNamespace:
    """Return the namespace of a backend's lowerings."""
    return HOMES.setdefault(backend, SimpleNamespace())


def register(
    layer: Any,
    *,
    shape: Rule | None = None,
    parameters: Rule | None = None,
    inputs: int | None = None,
    **lowerings: Rule,
) -> Any:
    """Return ``layer``, a spec class of your own, after entering it into dualnet's tables by its name.

    ``shape(layer, shape)`` gives the shape of the output (left out: that of the input); ``parameters(layer, shape)``
    gives ``{name: (shape, initializer)}``, with False as a third entry for what does not train. Shapes are without the
    batch axis and channels-first; a layer of several ``inputs`` is handed a shape for each.

    ``torch(layer, shape)`` and ``keras(layer, shape, name=…, dtype=…)`` return the live layer, which holds each
    parameter as an attribute of its name; there, images are in the framework's own order of axes. Call again to add a
    backend. Raises ``SpecError`` for what is no layer class, or not written as said here.
    """
    words = ["shape", "parameters", "inputs", *names()]
    for name, given in {"shape": shape, "parameters": parameters, **lowerings}.items():
        if name not in words:
            hint = did_you_mean(name, words) or f" It takes: {', '.join(words)}."
            msg = f"register takes rules and a lowering for each backend, and knows no {name!r}.{hint}"
            raise SpecError(msg)
        if given is not None and not callable(given):
            msg = f"{name} must be a function, such as lambda layer, shape: … Received: {given!r}"
            raise SpecError(msg)
    declare(layer, shape, parameters, inputs)
    for backend, lowering in lowerings.items():
        setattr(home(backend), layer.__name__, _named(backend, layer.__name__, lowering))
        KNOWN.add((backend, layer))
    return layer


def _named(backend: str, name: str, lowering: Rule) -> Rule:
    """Return a lowering that says what it should take if it does not take it."""

    def lowered(*given: Any, **options: Any) -> Any:
        try:
            inspect.signature(lowering).bind(*given, **options)
        except TypeError as error:
            takes = ", ".join(["layer", *["shape"] * (len(given) - 1), *(f"{word}=…" for word in options)])
            msg = f"{backend}: the lowering of {name} must take ({takes}). It does not: {error}."
            raise UnsupportedError(msg) from None
        return lowering(*given, **options)

    return lowered


def lower(backend: str, step: Step, shapes: tuple[Shape, ...]) -> Call:
    """Return the call of a step's lowering. Raises ``UnsupportedError`` if the backend has none."""
    cls = type(step.layer)
    if (backend, cls) not in KNOWN:
        has = ", ".join(sorted(name for name, known in KNOWN if known is cls)) or "no backend"
        give = f"Give one: dualnet.register({cls.__name__}, {backend}=…)."
        msg = f"{backend}: {_place(step)} has no lowering here; {has} has one. {give}"
        raise UnsupportedError(msg)
    return call(f"own.{cls.__name__}", step.layer, *shapes)


def yours(backend: str, step: Step) -> bool:
    """Return whether a step's layer is built by a lowering that was registered."""
    return (backend, type(step.layer)) in KNOWN


def holds(backend: str, step: Step, held: Mapping[str, tuple[Shape, bool]]) -> None:
    """Raise ``UnsupportedError`` unless a live layer holds (shape, trainable) as declared, and nothing else."""
    declared = {p.name: (p.shape, p.trainable) for p in parameters_of(step.layer, step.in_shapes)}
    for name in dict.fromkeys([*declared, *held]):
        if name not in held:
            has = ", ".join(held) or "nothing"
            refuse(backend, step, f"lacks the parameter {name!r}, as an attribute of its own; it holds {has}")
        if name not in declared:
            has = ", ".join(declared) or "none"
            refuse(backend, step, f"holds {name!r}, which register's parameters do not declare (declared: {has})")
        for what, found, wanted in zip(("shape", "trainable"), held[name], declared[name], strict=True):
            if found != wanted:
                refuse(backend, step, f"holds {name!r} with {what} {found}, and {wanted} was declared")


def gives(backend: str, step: Step, found: Any, wanted: Shape) -> None:
    """Raise ``UnsupportedError`` unless a live layer's output, without the batch axis, is what the shape rule says."""
    if found != wanted:
        refuse(backend, step, f"gives the shape {found} (without the batch axis), and its shape rule says {wanted}")


def is_a(backend: str, step: Step, made: Any, kind: type, what: str) -> None:
    """Raise ``UnsupportedError`` unless a lowering returned a live layer."""
    if not isinstance(made, kind):
        refuse(backend, step, f"is to be a {what}, and the lowering returned: {type(made).__name__}")


def refuse(backend: str, step: Step, why: str) -> None:
    """Raise ``UnsupportedError``: a live layer is not what was declared."""
    msg = f"{backend}: {_place(step)} {why}. Change the lowering, or what was registered."
    raise UnsupportedError(msg)


def _place(step: Step) -> str:
    return f"{type(step.layer).__name__} {step.path!r}"
