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
