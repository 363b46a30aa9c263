"""Call: one constructor call as data, from which both the live object and its line of source derive."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """``target(*arguments, **keywords)``; the target is ``home.Name``, the home a key of the backend's namespace."""

    target: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]

    def make(self, homes: Mapping[str, Any], **more: Any) -> Any:
        """Return the live object."""
        home, name = self.target.split(".")
        return getattr(homes[home], name)(*self.arguments, **self.keywords, **more)

    def source(self) -> str:
        """Return the call as a line of Python."""
        listed = [repr(value) for value in self.arguments]
        listed += [f"{name}={value!r}" for name, value in self.keywords.items()]
        return f"{self.target}({', '.join(listed)})"


def call(target: str, *arguments: Any, **keywords: Any) -> Call:
    """Return a call; write only what differs from the framework's default, as a person would."""
    return Call(target, arguments, keywords)


def unless(default: Any, **keyword: Any) -> dict[str, Any]:
    """Return the keyword argument, or nothing where it equals the framework's default."""
    return {name: value for name, value in keyword.items() if value != default}


def short(sizes: Any) -> Any:
    """Return equal sizes of all axes as one; a word for all is that."""
    return sizes[0] if isinstance(sizes, tuple) and len(set(sizes)) == 1 else sizes
