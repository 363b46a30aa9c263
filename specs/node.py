"""Node: the frozen dataclass that every entry of a spec inherits, and the kinds of value its fields accept.

A node is silent: a docstring and fields. What a field accepts stands in its annotation, so that a spec written in
Python and one read from a file are checked by the same words.
"""

import dataclasses
import math
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, get_type_hints

from dualnet.errors import SpecError, did_you_mean

LARGEST = 2**31 - 1  # what both frameworks take as a size


@dataclass(frozen=True)
class Kind:
    """What a field accepts, in words, and the function that accepts it (``ValueError`` refuses)."""

    expected: str
    accept: Callable[[Any], Any]
    shorten: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True)
class Node:
    """Base of layers, initializers, losses, optimizers and settings. Raises ``SpecError`` on a bad field."""

    registry: ClassVar[dict[str, type["Node"]]]

    def __init_subclass__(cls, *, family: bool = False) -> None:
        super().__init_subclass__()
        if family:
            cls.registry = {}
        elif hasattr(cls, "registry") and not cls.__name__.startswith("_"):
            cls.registry[cls.__name__] = cls

    def __post_init__(self) -> None:
        kinds = _kinds(type(self))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            object.__setattr__(self, field.name, _accept(self, field.name, kinds[field.name], value))

    def fields(self) -> Iterator[tuple[str, Any]]:
        """Yield (name, value), the value in its shortest form, of every field that differs from its default."""
        kinds = _kinds(type(self))
        for field in dataclasses.fields(self):
            kind, value = kinds[field.name], getattr(self, field.name)
            if field.default is dataclasses.MISSING or not _same(value, kind.accept(field.default)):
                yield field.name, kind.shorten(value)

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
        hint = did_you_mean(shown(op), family.registry) or f" Known: {', '.join(sorted(family.registry))}."
        msg = f"{where}: unknown {family.__name__.lower()} {shown(op)}.{hint}"
        raise SpecError(msg)
    node: Node = construct(family.registry[op], arguments, where)
    return node


def construct(cls: type[Any], arguments: dict[str, Any], where: str) -> Any:
    """Return ``cls(**arguments)`` with misspelt and missing fields named."""
    known = {field.name: field for field in dataclasses.fields(cls)}
    for name in arguments:
        if name not in known:
            hint = did_you_mean(str(name), known) or f" It has: {', '.join(known)}."
            msg = f"{where}: {cls.__name__} has no field {shown(name)}.{hint}"
            raise SpecError(msg)
    for name, field in known.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in arguments:
            msg = f"{where}: {cls.__name__} needs the field {name!r} ({_kinds(cls)[name].expected}). Received: " + (
                ", ".join(arguments) or "no fields"
            )
            raise SpecError(msg)
    try:
        return cls(**arguments)
    except SpecError as error:
        msg = f"{where}: {error}"
        raise SpecError(msg) from None


def _accept(node: Node, name: str, kind: Kind, value: Any) -> Any:
    try:
        return kind.accept(value)
    except SpecError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        limit = f" No integer of a spec exceeds {LARGEST}." if isinstance(error, _TooLargeError) else ""
        msg = f"{node.place()}: {name} must be {kind.expected}.{limit} Received: {name}={shown(value)}"
        raise SpecError(msg) from None


def _kinds(cls: type[Node]) -> dict[str, Kind]:
    """Return the kind of each field, read once per class from its annotations."""
    cached: dict[str, Kind] | None = cls.__dict__.get("_kinds_of_fields")
    if cached is None:
        hints = get_type_hints(cls, include_extras=True)
        cached = {field.name: _kind(hints[field.name]) for field in dataclasses.fields(cls)}
        cls._kinds_of_fields = cached  # type: ignore[attr-defined]
    return cached


def _kind(hint: Any) -> Kind:
    if typing.get_origin(hint) is Annotated:
        kind = hint.__metadata__[0]
        return kind if isinstance(kind, Kind) else KINDS[typing.get_args(hint)[0]]
    if hint in KINDS:
        return KINDS[hint]
    if typing.get_origin(hint) is typing.Literal:
        return choice(*typing.get_args(hint))
    options = [arg for arg in typing.get_args(hint) if arg is not type(None)]
    if len(options) == 1 and type(None) in typing.get_args(hint):
        return optional(_kind(options[0]))
    if isinstance(hint, type) and issubclass(hint, Node):
        return instance(hint)
    return anything


def _same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


class _TooLargeError(ValueError):
    """An integer that no array can have as a size."""


def _refuse(condition: bool) -> None:
    if condition:
        raise ValueError


def _integer(least: int | None) -> Callable[[Any], int]:
    def accept(value: Any) -> int:
        _refuse(isinstance(value, bool) or not hasattr(value, "__index__"))
        number = int(value.__index__())
        _refuse(least is not None and number < least)
        if abs(number) > LARGEST:
            raise _TooLargeError
        return number

    return accept


def _real(
    low: float = -math.inf, high: float = math.inf, *, above: bool = False, below: bool = False
) -> Callable[[Any], float]:
    def accept(value: Any) -> float:
        _refuse(isinstance(value, (bool, str, bytes)))
        number = float(value)
        _refuse(not math.isfinite(number) or not low <= number <= high)
        _refuse((above and number == low) or (below and number == high))
        return number

    return accept


def _boolean(value: Any) -> bool:
    _refuse(not isinstance(value, bool))
    return bool(value)


def _text(value: Any) -> str:
    _refuse(not isinstance(value, str))
    value.encode()  # half of a surrogate pair could not be written to a file
    return str(value)


def _two(accept: Callable[[Any], int]) -> Callable[[Any], tuple[int, int]]:
    def both(value: Any) -> tuple[int, int]:
        if isinstance(value, (list, tuple)):
            _refuse(len(value) != 2)
            return accept(value[0]), accept(value[1])
        return accept(value), accept(value)

    return both


def _padding(value: Any) -> tuple[int, int] | str:
    return "same" if isinstance(value, str) and value == "same" else _two(_integer(0))(value)


def _dim(value: Any) -> int:
    number = _integer(-1)(value)
    _refuse(number == 0)
    return number


def _one_hole(value: Any) -> Any:
    shape = dims.accept(value)
    _refuse(shape.count(-1) > 1)
    return shape


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and value[0] == value[1] else value


def choice(*words: str) -> Kind:
    """Return the kind that accepts one of the given words."""

    def accept(value: Any) -> str:
        _refuse(value not in words)
        return str(value)

    return Kind(" or ".join(repr(word) for word in words), accept)


def optional(kind: Kind) -> Kind:
    """Return the kind that also accepts None."""
    return Kind(
        f"{kind.expected}, or left out", lambda value: None if value is None else kind.accept(value), kind.shorten
    )


def instance(cls: type[Any]) -> Kind:
    """Return the kind that accepts an instance of a class."""

    def accept(value: Any) -> Any:
        _refuse(not isinstance(value, cls))
        return value

    return Kind(f"a{'n' * (cls.__name__[0] in 'AEIOU')} {cls.__name__}", accept)


def sequence(kind: Kind, what: str, least: int = 0) -> Kind:
    """Return the kind that accepts a list or tuple of ``least`` or more values of one kind, kept as a tuple."""

    def accept(value: Any) -> tuple[Any, ...]:
        _refuse(not isinstance(value, (list, tuple)) or len(value) < least)
        return tuple(kind.accept(item) for item in value)

    return Kind(what, accept)


anything = Kind("a value", lambda value: value)
Size = Annotated[int, Kind("a positive integer", _integer(1))]
Count = Annotated[int, Kind("an integer of at least 0", _integer(0))]
Axis = Annotated[int, Kind("an integer", _integer(None))]
Positive = Annotated[float, Kind("a finite number above 0", _real(0.0, above=True))]
NonNegative = Annotated[float, Kind("a finite number of at least 0", _real(0.0))]
Fraction = Annotated[float, Kind("a number from 0 up to, not including, 1", _real(0.0, 1.0, below=True))]
Share = Annotated[float, Kind("a number from 0 to 1", _real(0.0, 1.0))]
Pair = Annotated[Any, Kind("a positive integer or two of them", _two(_integer(1)), _one)]
Pair0 = Annotated[Any, Kind("an integer of at least 0, or two of them", _two(_integer(0)), _one)]
Padding = Annotated[Any, Kind("an integer of at least 0, two of them, or 'same'", _padding, _one)]
shape = sequence(Kind("a positive integer", _integer(1)), "a list of positive integers", least=1)
dims = sequence(Kind("a positive integer or -1", _dim), "a list of positive integers, at most one of them -1", least=1)
numbers = sequence(Kind("a number", _real()), "a list of finite numbers", least=1)
Shape = Annotated[Any, shape]
Dims = Annotated[tuple[int, ...], replace(dims, accept=_one_hole)]
Names = Annotated[tuple[str, ...], sequence(Kind("a name", _text), "a list of names")]
Numbers = Annotated[Any, numbers]

KINDS: dict[Any, Kind] = {
    int: Kind("an integer", _integer(None)),
    float: Kind("a finite number", _real()),
    bool: Kind("true or false", _boolean),
    str: Kind("a text", _text),
    Any: anything,
}
