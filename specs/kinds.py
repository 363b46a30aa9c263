"""Kinds: what a field of a spec accepts, in words for messages and as a function that checks."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

LARGEST = 2**31 - 1  # what both frameworks take as a size


@dataclass(frozen=True)
class Kind:
    """What a field accepts, in words, and the function that accepts it (``ValueError`` refuses)."""

    expected: str
    accept: Callable[[Any], Any]
    shorten: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True)
class PerAxis:
    """A kind that a field has once for each axis of places, or once for all: its class says how many axes there are.

    ``words`` are what else it accepts, for all axes at once. A class for any number of axes has 0 of them.
    """

    what: str
    accept: Callable[[Any], Any]
    words: tuple[str, ...] = ()

    def of(self, axes: int) -> Kind:
        """Return the kind for so many axes."""
        many = {0: ("a list of one for each axis",), 1: (), 2: ("two of them",), 3: ("three of them",)}[axes]
        *first, end = [self.what, *many, *(repr(word) for word in self.words)]
        accept = _each(self.accept, axes)
        for word in self.words:
            accept = _or(word, accept)
        said = f"{', '.join(first)}{',' * (len(first) > 1)} or {end}" if first else end
        return Kind(said, accept, _one)


class TooLargeError(ValueError):
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
            raise TooLargeError
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


def _each(accept: Callable[[Any], Any], axes: int) -> Callable[[Any], tuple[Any, ...]]:
    def each(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)):
            return (accept(value),) * (axes or 1)
        _refuse(len(value) != axes if axes else not 1 <= len(value) <= 3)
        made = tuple(accept(item) for item in value)
        return made[:1] if not axes and len(set(made)) == 1 else made

    return each


def _or(word: str, accept: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, str) and value == word else accept(value)


def _ends(value: Any) -> tuple[int, int]:
    """Return amounts before and after an axis."""
    least = _integer(0)
    if isinstance(value, (list, tuple)):
        _refuse(len(value) != 2)
        return least(value[0]), least(value[1])
    return least(value), least(value)


def _dim(value: Any) -> int:
    number = _integer(-1)(value)
    _refuse(number == 0)
    return number


def _one_hole(value: Any) -> Any:
    shape = dims.accept(value)
    _refuse(shape.count(-1) > 1)
    return shape


def _one(value: Any) -> Any:
    """Return what is alike for all axes, and at both ends of them, as one."""
    if not isinstance(value, tuple) or len(set(value)) > 1:
        return value
    if not isinstance(value[0], tuple):
        return value[0]
    return value[0][0] if value[0][0] == value[0][1] else value


def choice(*words: str | int) -> Kind:
    """Return the kind that accepts one of the given words or numbers."""

    def accept(value: Any) -> str | int:
        found = next((word for word in words if type(value) is type(word) and value == word), None)
        _refuse(found is None)
        assert found is not None
        return found

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
Inside = Annotated[float, Kind("a number between 0 and 1", _real(0.0, 1.0, above=True, below=True))]
Sizes = Annotated[Any, PerAxis("a positive integer", _integer(1))]
Counts = Annotated[Any, PerAxis("an integer of at least 0", _integer(0))]
Scales = Annotated[Any, PerAxis("a finite number above 0", _real(0.0, above=True))]
Padding = Annotated[Any, PerAxis("an integer of at least 0", _integer(0), ("same",))]
Causal = Annotated[Any, PerAxis("an integer of at least 0", _integer(0), ("same", "causal"))]
Ends = Annotated[Any, PerAxis("an integer of at least 0, or a pair (before, after)", _ends)]
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
