"""What experiments are given: specs by name, and words between commas."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from dualnet.errors import SpecError
from dualnet.specs import zoo
from dualnet.specs.spec import Spec

Made = TypeVar("Made")


def spec_of(spec: Spec | str | Path) -> Spec:
    """Return a spec, or that of a name of the zoo or a file. Raises ``SpecError``."""
    return spec if isinstance(spec, Spec) else zoo.load(spec)


def each(words: str | Iterable[Made], kind: Callable[[str], Made], what: str) -> tuple[Made, ...]:
    """Return the values that a text holds between commas, or those given. Raises ``SpecError`` naming a bad one."""
    if not isinstance(words, str):
        return tuple(words)
    made = []
    for word in filter(None, (part.strip() for part in words.split(","))):
        try:
            made.append(kind(word))
        except ValueError:
            msg = f"{what} must be {_kind(kind)} between commas. Received: {word!r}"
            raise SpecError(msg) from None
    return tuple(made)


def some(words: str | Iterable[Made], kind: Callable[[str], Made], what: str) -> tuple[Made, ...]:
    """Return the values as ``each`` does. Raises ``SpecError`` if there is none at all."""
    made = each(words, kind, what)
    if not made:
        msg = f"{what} must be {_kind(kind)} between commas, at least one. Received: {words!r}"
        raise SpecError(msg)
    return made


def _kind(kind: Callable[[str], object]) -> str:
    return {float: "numbers", int: "whole numbers"}.get(kind, "names")  # type: ignore[call-overload,no-any-return]


def samples_of(words: str | Iterable[int]) -> tuple[int, ...]:
    """Return the numbers in a text such as "3", "0,4,7" or "0..9". Raises ``SpecError``."""
    if not isinstance(words, str):
        return tuple(words)
    first, dots, last = words.partition("..")
    if dots and first.strip().isdecimal() and last.strip().isdecimal() and int(first) <= int(last):
        return tuple(range(int(first), int(last) + 1))
    if dots:
        msg = f"Samples must be numbers between commas, or a range such as 0..9. Received: {words!r}"
        raise SpecError(msg)
    return each(words, int, "samples")


def within(samples: Sequence[int], count: int) -> None:
    """Raise ``SpecError`` unless there are samples, and all of them among ``count`` test examples."""
    if not samples or min(samples) < 0 or max(samples) >= count:
        msg = f"Samples must be from 0 to {count - 1}. Received: {', '.join(map(str, samples)) or 'none'}"
        raise SpecError(msg)
