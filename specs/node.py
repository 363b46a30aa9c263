"""Node: the frozen dataclass that every entry of a spec inherits.

A node is silent: a docstring and fields. What a field accepts stands in its annotation, so that a spec written in
Python and one read from a file are checked by the same words.
"""

import dataclasses
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, get_type_hints

from dualnet.errors import SpecError, did_you_mean
from dualnet.specs.kinds import KINDS, LARGEST, Kind, PerAxis, TooLargeError, anything, choice, instance, optional

# What Keras calls what is spelt too differently here for "did you mean" to see.
ALSO_CALLED = {
    "Dense": "Linear",
    "BatchNormalization": "BatchNorm2d",
    "LayerNormalization": "LayerNorm",
    "GroupNormalization": "GroupNorm",
    "Concatenate": "Concat",
    "LSTMCell": "LSTM",
    "GRUCell": "GRU",
    "RNNCell": "RNN",
    "SimpleRNN": "RNN",
    "Bidirectional": "LSTM",
    "MultiHeadAttention": "MultiheadAttention",
    "GroupQueryAttention": "MultiheadAttention",
    "AdditiveAttention": "Attention",
    "RMSNormalization": "RMSNorm",
    "Softmax2d": "Softmax",
    "ThresholdedReLU": "Threshold",
    "ReLU6": "Hardtanh",
    "PoissonNLL": "Poisson",
    "BinaryFocalCrossentropy": "BinaryFocal",
    "CategoricalFocalCrossentropy": "CategoricalFocal",
    "CategoricalGeneralizedCrossEntropy": "GeneralizedCrossEntropy",
    "BCE": "ProbabilityCrossEntropy",
    "BCEWithLogits": "BinaryCrossEntropy",
    "GlorotUniform": "XavierUniform",
    "GlorotNormal": "XavierNormal",
    "HeUniform": "KaimingUniform",
    "HeNormal": "KaimingNormal",
    "Nadam": "NAdam",
    "StepLR": "StepDecay",
    "MultiStepLR": "MultiStepDecay",
    "PiecewiseConstantDecay": "PiecewiseConstant",
    "ConstantLR": "ConstantFactor",
    "LinearLR": "LinearRamp",
    "ExponentialLR": "ExponentialDecay",
    "PolynomialLR": "PolynomialDecay",
    "CosineAnnealingLR": "CosineDecay",
    "CosineAnnealingWarmRestarts": "CosineRestarts",
    "CosineDecayRestarts": "CosineRestarts",
    "CyclicLR": "Cyclic",
    "OneCycleLR": "OneCycle",
    "SequentialLR": "Chain",
    "ChainedScheduler": "Product",
    "ReduceLROnPlateau": "Plateau",
}
FOR_SO_MANY_AXES = {
    "MaxPooling{}D": "MaxPool{}d",
    "AveragePooling{}D": "AvgPool{}d",
    "AdaptiveAveragePooling{}D": "AdaptiveAvgPool{}d",
    "AdaptiveMaxPooling{}D": "AdaptiveMaxPool{}d",
    "GlobalAveragePooling{}D": "AdaptiveAvgPool{}d",
    "GlobalMaxPooling{}D": "AdaptiveMaxPool{}d",
    "Conv{}DTranspose": "ConvTranspose{}d",
    "DepthwiseConv{}D": "Conv{}d",
    "SpatialDropout{}D": "Dropout{}d",
    "UpSampling{}D": "Upsample",
    "Cropping{}D": "Cropping",
    "ZeroPadding{}D": "Pad",
    "ZeroPad{}d": "Pad",
    "ConstantPad{}d": "Pad",
    "ReflectionPad{}d": "Pad",
    "ReplicationPad{}d": "Pad",
    "CircularPad{}d": "Pad",
}
ALSO_CALLED |= {theirs.format(n): ours.format(n) for theirs, ours in FOR_SO_MANY_AXES.items() for n in (1, 2, 3)}


@dataclass(frozen=True)
class Node:
    """Base of layers, initializers, losses, optimizers and settings. Raises ``SpecError`` on a bad field."""

    registry: ClassVar[dict[str, type["Node"]]]
    refused: ClassVar[dict[str, str]] = {}  # what a family lacks on purpose, and why
    lacks: ClassVar[dict[str, str]] = {}  # what fields of a framework's a class lacks on purpose, and why

    def __init_subclass__(cls, *, family: bool = False) -> None:
        super().__init_subclass__()
        if family:
            cls.registry = {}
        elif hasattr(cls, "registry") and not cls.__name__.startswith("_"):
            taken = cls.registry.get(cls.__name__)
            if taken and (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
                msg = f"The name {cls.__name__!r} is taken by {taken.__module__}: files name a class. Choose another."
                raise SpecError(msg)
            cls.registry[cls.__name__] = cls

    def __new__(cls, *arguments: Any, **named: Any) -> "Node":
        """Name misspelt fields and surplus arguments; ``dataclass``'s own message would be a bare TypeError."""
        known = {field.name: field for field in dataclasses.fields(cls) if field.init}
        for name in named:
            if name not in known:
                msg = f"{cls.__name__} has no field {name!r}.{_no_field(cls, name, known)}"
                raise SpecError(msg)
        places = [name for name, field in known.items() if not field.kw_only]
        if len(arguments) > len(places):
            msg = (
                f"{cls.__name__} takes {', '.join(places) or 'nothing'} by place, and sizes of what comes in are "
                f"inferred. Received: {', '.join(map(shown, arguments))}"
            )
            raise SpecError(msg)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        kinds = kinds_of(type(self))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            object.__setattr__(self, field.name, _accept(self, field.name, kinds[field.name], value))

    def fields(self) -> Iterator[tuple[str, Any]]:
        """Yield (name, value), the value in its shortest form, of every field that differs from its default."""
        kinds = kinds_of(type(self))
        for field in dataclasses.fields(self):
            kind, value = kinds[field.name], getattr(self, field.name)
            if field.default is dataclasses.MISSING or not _same(value, kind.accept(field.default)):
                yield field.name, kind.shorten(value)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Print the node in IPython, and in the examples of Hypothesis, which takes class variables for fields."""
        printer.text(repr(self))

    def brief(self) -> str:
        """Return the node as it would be written: fields that have their default are left out."""
        return f"{type(self).__name__}({', '.join(f'{name}={shown(value)}' for name, value in self.fields())})"

    def place(self) -> str:
        """Return the node's name for messages, such as ``Linear 'head'``."""
        name = getattr(self, "name", "")
        return f"{type(self).__name__} {shown(name)}" if isinstance(name, str) and name else type(self).__name__


def shown(value: Any) -> str:
    """Return a value as Python writes it, cut where it is long, for messages; nothing makes it fail."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # thousands of digits, thousands of nested lists
        return f"<{type(value).__name__} too large to show>"
    return text if len(text) <= 200 else f"{text[:200]}…"


def make(family: type[Node], op: str, arguments: dict[str, Any], where: str) -> Node:
    """Return the node named ``op`` of a family, built from plain data; ``where`` opens every message."""
    if not isinstance(op, str) or op not in family.registry:
        meant = ALSO_CALLED.get(str(op)[:40])
        hint = (
            f" Here it is called {meant!r}." if meant in family.registry else did_you_mean(shown(op), family.registry)
        )
        hint = (
            f" {family.refused[op][:1].upper()}{family.refused[op][1:]}"
            if isinstance(op, str) and op in family.refused
            else hint
        )
        hint = hint or f" Known: {', '.join(sorted(family.registry))}."
        msg = f"{where}: unknown {family.__name__.lower()} {shown(op)}.{hint}"
        raise SpecError(msg)
    node: Node = construct(family.registry[op], arguments, where)
    return node


def construct(cls: type[Any], arguments: dict[str, Any], where: str) -> Any:
    """Return ``cls(**arguments)`` with misspelt and missing fields named."""
    known = {field.name: field for field in dataclasses.fields(cls)}
    for name in arguments:
        if name not in known:
            msg = f"{where}: {cls.__name__} has no field {shown(name)}.{_no_field(cls, str(name), known)}"
            raise SpecError(msg)
    for name, field in known.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in arguments:
            msg = f"{where}: {cls.__name__} needs the field {name!r} ({kinds_of(cls)[name].expected}). Received: " + (
                ", ".join(arguments) or "no fields"
            )
            raise SpecError(msg)
    try:
        return cls(**arguments)
    except SpecError as error:
        msg = f"{where}: {error}"
        raise SpecError(msg) from None


def _no_field(cls: type[Any], name: str, known: dict[str, Any]) -> str:
    """Return why a class lacks a field, or which one may be meant, or which there are."""
    why = getattr(cls, "lacks", {}).get(name)
    return f" {why[:1].upper()}{why[1:]}" if why else did_you_mean(name, known) or f" It has: {', '.join(known)}."


def _accept(node: Node, name: str, kind: Kind, value: Any) -> Any:
    try:
        return kind.accept(value)
    except SpecError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        limit = f" No integer of a spec exceeds {LARGEST}." if isinstance(error, TooLargeError) else ""
        msg = f"{node.place()}: {name} must be {kind.expected}.{limit} Received: {name}={shown(value)}"
        raise SpecError(msg) from None


def kinds_of(cls: type[Node]) -> dict[str, Kind]:
    """Return the kind of each field, read once per class from its annotations."""
    cached: dict[str, Kind] | None = cls.__dict__.get("_kinds_of_fields")
    if cached is None:
        hints = get_type_hints(cls, include_extras=True)
        cached = {field.name: _kind(hints[field.name], cls) for field in dataclasses.fields(cls)}
        cls._kinds_of_fields = cached  # type: ignore[attr-defined]
    return cached


def _kind(hint: Any, cls: type[Any]) -> Kind:
    if typing.get_origin(hint) is Annotated:
        return _annotated(hint, cls)
    if hint in KINDS:
        return KINDS[hint]
    if typing.get_origin(hint) is typing.Literal:
        return choice(*typing.get_args(hint))
    options = [arg for arg in typing.get_args(hint) if arg is not type(None)]
    if len(options) == 1 and type(None) in typing.get_args(hint):
        return optional(_kind(options[0], cls))
    return instance(hint) if isinstance(hint, type) and issubclass(hint, Node) else anything


def _annotated(hint: Any, cls: type[Any]) -> Kind:
    kind = hint.__metadata__[0]
    if isinstance(kind, PerAxis):
        return kind.of(cls.spatial)
    return kind if isinstance(kind, Kind) else KINDS[typing.get_args(hint)[0]]


def _same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)
