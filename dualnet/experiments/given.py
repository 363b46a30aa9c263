"""What experiments are given: specs by name, and words between commas."""

from collections.abc import Callable, Iterable
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
