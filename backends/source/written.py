"""Written: a module as it will be printed: what it makes in its constructor and what it does when called."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dualnet.backends.source.code import Expression, Var
from dualnet.backends.source.form import Axes, Storage


@dataclass(eq=False)
class Line:
    """``targets = code``; ``layer`` is what does the same as an element of a Sequential.

    ``mode`` is "training" or "inference" for a line that runs in one mode only.
    """

    targets: tuple[Var, ...]
    code: Any
    layer: Any = None
    mode: str = ""


@dataclass(eq=False)
class Member:
    """``self.attr = code``, or an element of the list ``self.attr``."""

    attr: str
    index: int | None
    code: Any
    module: "Written | None" = None


@dataclass(eq=False)
class Written:
    """One module. ``extras`` are weights at home elsewhere that whoever calls it must hand in.

    ``twin`` is the module of which this is another call; ``moody`` whether it asks for the mode.
    """

    path: str
    kind: str
    parent: "Written | None" = None
    slot: Member | None = None
    ports: list[Var] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    returns: list[Any] = field(default_factory=list)
    members: dict[tuple[str, int | None], Member] = field(default_factory=dict)
    extras: list[tuple[Storage, Var]] = field(default_factory=list)
    twin: "Written | None" = None
    moody: bool = False
    only: bool = False  # it is called in one mode only
    others: list[Any] = field(default_factory=list)  # what it returns in training, if that is something else
    keys: tuple[str, ...] = ()  # of the dictionary that it gives back, if it gives one
    ranks: list[int] = field(default_factory=list)  # of what it takes
    varied: bool = False  # what it takes has another number of axes in another call
    chain: list[Any] | None = None  # the elements, where it is printed as a Sequential

    def self(self) -> "Written":
        """Return the module itself, or the one it is another call of."""
        return self.twin.self() if self.twin else self

    def lists(self) -> dict[str, list[Member]]:
        """Return the members that are elements of lists, by the list's name, in the order of their indices."""
        found: dict[str, list[Member]] = {}
        for member in sorted((m for m in self.members.values() if m.index is not None), key=lambda m: m.index or 0):
            found.setdefault(member.attr, []).append(member)
        return found

    def inner(self) -> "Iterator[Written]":
        """Yield the modules that are members, and theirs, innermost first."""
        for member in self.members.values():
            if member.module is not None:
                yield from member.module.inner()
                yield member.module


@dataclass(frozen=True, eq=False)
class Reach(Expression):
    """An expression for a member of some module below this one, or for a variable of it."""

    home: Written
    member: Member
    variable: str = ""


@dataclass(frozen=True)
class Home:
    """Where a weight lives: the member that holds it, by which attribute, in which order of axes."""

    module: Written
    member: Member
    variable: str
    axes: Axes
    config: Any = None


def steps(source: Written, reach: Reach) -> list[tuple[Written, Member]] | None:
    """Return the members on the way from a module to what it reaches for; None if that is not below it."""
    way: list[tuple[Written, Member]] = [(reach.home.self(), reach.member)]
    here = reach.home.self()
    while here is not source.self():
        if here.parent is None or here.slot is None:
            return None
        way.append((here.parent.self(), here.slot))
        here = here.parent.self()
    return way[::-1]


def position(module: Written, member: Member) -> int | None:
    """Return at which place a member stands in its list; None if it is a plain attribute."""
    if member.index is None:
        return None
    return [m.index for m in module.lists()[member.attr]].index(member.index)
