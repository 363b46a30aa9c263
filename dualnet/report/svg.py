"""SVG by hand: elements whose text is escaped by construction, paths in few digits, and a pair of axes."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from dualnet.report.scale import Scale, drawable

LETTERS = 22  # of a name below an axis before it is cut
LETTER = 7.4  # the width of a letter of the axes, about; a phone shows larger ones


def tag(name: str, *children: str, **attributes: object) -> Markup:
    """Return an element. ``cls`` is its class, an underscore a hyphen; children are escaped unless markup already."""
    names = {key: {"cls": "class"}.get(key, key.replace("_", "-")) for key in attributes}
    told = [f' {names[key]}="{escape(_few(value))}"' for key, value in attributes.items() if value not in (None, "")]
    return Markup(f"<{name}{''.join(told)}>{''.join(map(escape, children))}</{name}>")


def _few(value: object) -> object:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value


def path(points: Iterable[tuple[float, float]]) -> str:
    """Return the data of a line through points; one that is NaN leaves a gap."""
    words, pen = [], "M"
    for x, y in points:
        if math.isnan(x) or math.isnan(y):
            pen = "M"
            continue
        words.append(f"{pen}{_few(float(x))} {_few(float(y))}")
        pen = "L"
    return "".join(words)


@dataclass(frozen=True)
class Frame:
    """The place of a chart's axes. ``x`` is None where the chart has names in place of numbers below."""

    width: float
    height: float
    left: float
    top: float
    right: float
    bottom: float

    def svg(self, label: str, told: str, *children: str) -> Markup:
        """Return the whole drawing, with what a screen reader says of it."""
        box = f"0 0 {_few(self.width)} {_few(self.height)}"
        look = f"--w:{self.width:.0f}px"
        return tag("svg", tag("desc", told), *children, viewBox=box, role="img", aria_label=label, style=look)

    def down(self, y: Scale, name: str, zeros: bool = False) -> list[Markup]:
        """Return the lines across with their numbers, and what they count; ``zeros`` adds a foot for what is 0."""
        drawn = []
        for value, label in y.ticks():
            drawn += self._across(y.at(value), label)
        if zeros:
            drawn += self._across(self.bottom, "0")
        return [*drawn, tag("text", name, x=4.0, y=12.0, cls="name")]

    def nothing(self, values: Iterable[float]) -> list[Markup]:
        """Return words in place of marks where no value could be one."""
        middle = {"x": (self.left + self.right) / 2, "y": (self.top + self.bottom) / 2 - 8, "text_anchor": "middle"}
        return [] if any(map(drawable, values)) else [tag("text", "no values", cls="name", **middle)]

    def _across(self, at: float, label: str) -> list[Markup]:
        line = tag("path", d=path([(self.left, at), (self.right, at)]), cls="grid")
        return [line, tag("text", label, x=self.left - 6, y=at + 4, text_anchor="end")]

    def along(self, x: Scale, name: str) -> list[Markup]:
        """Return the numbers below and what they count."""
        drawn = []
        for value, label in x.ticks():
            at = x.at(value)
            drawn += [tag("path", d=path([(at, self.bottom), (at, self.bottom + 4)]), cls="tick")]
            drawn += [tag("text", label, x=at, y=self.bottom + 17, text_anchor="middle")]
        return [*drawn, self._below(name)]

    def _below(self, name: str) -> Markup:
        return tag("text", name, x=self.right, y=self.height - 4, text_anchor="end", cls="name")

    def named(self, names: Sequence[str], places: Sequence[float], name: str = "", marked: int = -1) -> list[Markup]:
        """Return names below, turned where they are long; those that do not fit are left out."""
        turned = turns(names, self.right - self.left)
        gap = abs(places[1] - places[0]) if len(places) > 1 else self.right - self.left
        step = max(1, math.ceil((15 if turned else 8) / max(gap, 0.1)))
        letters = LETTERS if turned else max(LETTERS, int(step * gap / LETTER))
        drawn = []
        for index in range(0, len(names), step):
            x, y = places[index], self.bottom + (14 if turned else 17)
            turn = f"rotate(-38 {_few(x)} {_few(y)})" if turned else None
            look = {"cls": "marked"} if index == marked else {}
            text = tag("title", names[index]), cut(names[index], letters)
            drawn.append(
                tag("text", *text, x=x, y=y, text_anchor="end" if turned else "middle", transform=turn, **look)
            )
        return [*drawn, *([self._below(name)] if name else [])]


def turns(names: Sequence[str], width: float) -> bool:
    """Return whether names are too long to stand side by side."""
    longest = max((len(cut(name, LETTERS)) for name in names), default=0)
    return longest * LETTER + 8 > width / max(1, len(names))


def cut(text: str, letters: int) -> str:
    """Return text that has no more letters than fit; its end says most where it must be cut."""
    return text if len(text) <= letters else "…" + text[1 - letters :]


def frame(numbers: Sequence[str], names: Sequence[str] = (), titled: bool = True, most: float = 1060.0) -> Frame:
    """Return a frame with room for the numbers at its left and the names below; many names make it wide."""
    width = min(most, max(540.0, 60.0 + 26.0 * len(names)))
    left = 14 + LETTER * max((len(text) for text in numbers), default=1)
    letters = max((len(cut(name, LETTERS)) for name in names), default=0)
    if names and turns(names, width - left - 12):
        left = max(left, 0.79 * LETTER * letters - 8)  # the first name begins left of its place
    inside = width - left - 12
    below = (26 + 0.62 * LETTER * letters if names and turns(names, inside) else 24) + (13 if titled else 0)
    return Frame(width, 250 + below, left, 24, width - 12, 246)
