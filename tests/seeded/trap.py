"""Trap: one known way in which two frameworks part, the places where it can sit, and how it is planted there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.seeded import edit
from tests.seeded.pair import Pair, pair

# Keras's base classes, torch's base classes: asked of each layer.
Accepts = Callable[[Any, Pair], bool]
# Changes a layer in place, or returns what stands in its place.
Change = Callable[[Any, Pair], Any]
Given = dict[str, tuple[tuple[str, Any], tuple[str, Any]]]
SIDES = ("left", "right")


@dataclass(frozen=True)
class Rule:
    """Where on one side a trap can sit, and what plants it; ``late`` ones change weights that are already in common."""

    accepts: Accepts
    change: Change
    late: bool = False


@dataclass(frozen=True)
class Trap:
    """A trap by name; ``stages`` are those of which one must see it first."""

    name: str
    stages: tuple[str, ...]
    left: tuple[Rule, ...] = ()
    right: tuple[Rule, ...] = ()
    # by pair: the setting of training that it changes on either side, and what is given there
    given: Given = field(default_factory=dict)
    # with what its cause is to begin, if that is not its name
    cause: str = ""

    def rules(self, side: str) -> tuple[Rule, ...]:
        """Return the rules of a side."""
        return self.left if side == "left" else self.right


@dataclass(frozen=True)
class Fault:
    """One trap, planted at one place on one side of one pair."""

    trap: str
    pair: str
    side: str
    site: str

    def __str__(self) -> str:
        return f"{self.trap} | {self.pair} | {self.side} | {self.site or 'model'}"


def sites(trap: Trap, sound: Pair) -> Iterator[Fault]:
    """Yield the faults that a trap is in a pair: at most two places a side, its first and its last."""
    for index, side in enumerate(SIDES):
        found = [name for name, layer in edit.layers(sound, side) for rule in trap.rules(side)
                 if rule.accepts(layer, sound)]  # fmt: skip
        for site in dict.fromkeys([*found[:1], *found[-1:]]):
            yield Fault(trap.name, sound.name, side, site)
        setting, value = trap.given[sound.name][index] if sound.name in trap.given else ("", None)
        if value is not None:
            yield Fault(trap.name, sound.name, side, setting)


def planted(trap: Trap, fault: Fault, seed: int = 0) -> Pair:
    """Return the pair of a fault, everything else in common."""
    made = pair(fault.pair, seed)
    if trap.given:
        made.sync(made.left, made.right)
        at = SIDES.index(fault.side)
        made.settings[fault.site][at] = trap.given[fault.pair][at][1]
        return made
    layer = dict(edit.layers(made, fault.side))[fault.site]
    rule = next(rule for rule in trap.rules(fault.side) if rule.accepts(layer, made))
    if not rule.late:
        new = rule.change(layer, made)
        if new is not None:
            edit.replace(made, fault.side, fault.site, new)
    made.sync(made.left, made.right)
    if rule.late:
        rule.change(layer, made)
    return made


def where(fault: Fault, sound: Pair) -> set[str]:
    """Return the names by which a fault may be located: of its layer on either side, of that around it if it has none.

    A fault of the settings lies in no layer: nothing is asked of its place.
    """
    if fault.site in ("loss", "optimizer", "clip", "scheduler"):
        return set()
    inner = {"left": _left, "right": _right}[fault.side](fault.site, sound)
    if (sound.name, fault.site) == ("transformer", "head"):
        inner |= {"embed"}  # whose weight the head's is
    return {name for name in inner if name} or {"model"}


def _left(site: str, sound: Pair) -> set[str]:
    around, names = site, {site}
    while around and around not in sound.layers:
        around = around.rpartition(".")[0]
    return names | {around} | _paths(sound.layers.get(around, ""), sound)


def _right(site: str, sound: Pair) -> set[str]:
    """Return a Keras layer's names; those of the innermost layer with a counterpart that it lies in; and that one's."""
    every = {each.name: each for each in sound.right._flatten_layers(include_self=False)}
    inside = [
        (ours, theirs)
        for ours, theirs in sound.layers.items()
        if theirs in every and any(each.name == site for each in every[theirs]._flatten_layers())
    ]
    ours, theirs = min(inside, key=lambda pair: len(list(every[pair[1]]._flatten_layers())), default=("", ""))
    return _paths(site, sound) | _paths(theirs, sound) | {ours}


def _paths(name: str, sound: Pair) -> set[str]:
    return {name, *(each.path for each in sound.right._flatten_layers() if each.name == name and each.path)}
