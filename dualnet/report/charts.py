"""Curves as SVG. What is dashed, the second framework, has open marks and lies over the first one's pale line."""

import math
from dataclasses import dataclass, replace

from markupsafe import Markup

from dualnet.report import exhibits as E
from dualnet.report.look import COLOURS, short
from dualnet.report.scale import Scale, drawable, scale
from dualnet.report.svg import Frame, frame, path, tag
from dualnet.report.thin import spread, thin

# Marks of colours 0, 1, 2 …: circle, square, two triangles, diamond, cross and plus, from their middle.
SHAPES = (
    "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
    "m-2.7-2.7h5.4v5.4h-5.4z",
    "m0-3.5l3.3 6h-6.6z",
    "m0 3.5l3.3-6h-6.6z",
    "m0-3.7l3.7 3.7l-3.7 3.7l-3.7-3.7z",
    "m-2.5-2.5l5 5m-5 0l5-5",
    "m-3 0h6m-3-3v6",
)
DENSE = 300  # points of a curve that is drawn thin
NAMED = 200  # layers and the like that are marked
MARKS = 40  # points of a curve that are marked and tell their value; of longer curves, every so many


@dataclass(frozen=True)
class Chart:
    """A drawing and its legend: a name, the classes of its look, and the shape beside it for each thing in it."""

    svg: Markup
    legend: tuple[tuple[str, str, Markup], ...]
    wide: bool = False


def look(colour: int, dashed: bool, paired: bool = False) -> str:
    """Return the classes of a thing's look."""
    return f"s c{colour % len(COLOURS)}" + (" dashed" if dashed else " under" if paired else "")


def lines(shown: E.Lines) -> Chart:
    """Return curves over their axes. What a logarithmic axis cannot show stands as an open mark at its foot."""
    ys = [value for each in shown.series for part in (each.y, each.low, each.high) for value in part]
    xs = [value for each in shown.series for value in each.x] + ([-0.5, len(shown.names) - 0.5] if shown.names else [])
    log = "y" in shown.log and any(drawable(value, True) for value in ys)
    zeros = log and any(value <= 0 for each in shown.series for value in each.y)
    trial = scale(ys, 1.0, 0.0, log)
    place = frame([label for _, label in trial.ticks()], shown.names, bool(shown.x))
    x = scale(xs, place.left, place.right, "x" in shown.log and not shown.names)
    y = replace(trial, start=place.bottom - (22 if zeros else 0), end=place.top)
    paired = any(each.dashed for each in shown.series)
    below = (
        place.named(shown.names, [x.at(float(at)) for at in range(len(shown.names))], shown.x)
        if shown.names
        else place.along(x, shown.x)
    )
    drawn = [_curve(each, at, x, y, place, paired, shown) for at, each in enumerate(shown.series)]
    svg = place.svg(shown.title, _told(shown), *place.down(y, shown.y, zeros), *below, *drawn, *place.nothing(ys))
    legend = tuple(
        (each.name, look(each.colour, each.dashed, paired), mark(13.0, 6.0, each.colour, "", each.dashed))
        for each in shown.series
    )
    return Chart(svg, legend, place.width > 600)


def _curve(each: E.Series, at: int, x: Scale, y: Scale, place: Frame, paired: bool, shown: E.Lines) -> Markup:
    count = min(len(each.x), len(each.y))
    kept = thin(each.y[:count])
    line = path((x.at(each.x[index]), y.at(each.y[index])) for index in kept)
    parts = [_band(each, x, y), tag("path", tag("title", each.name), d=line, cls="line")]
    for index in spread(count, NAMED if shown.names else MARKS if count <= MARKS else MARKS // 2):
        value, across = each.y[index], x.at(each.x[index])
        height = place.bottom if y.log and value <= 0 else y.at(value)
        if not math.isnan(across) and not math.isnan(height):
            named = int(each.x[index]) if shown.names and each.x[index] % 1 == 0 else -1
            where = shown.names[named] if 0 <= named < len(shown.names) else f"{shown.x} {short(each.x[index])}".strip()
            told = f"{each.name}, {where}: {short(value)}{between(each, index)}"
            parts.append(mark(across, height, each.colour, told, each.dashed or (y.log and value <= 0)))
    dense = " dense" if count > DENSE else ""
    return tag("g", *parts, cls=look(each.colour, each.dashed, paired) + dense, data_s=at)


def _band(each: E.Series, x: Scale, y: Scale) -> str:
    count = min(len(each.low), len(each.high), len(each.x))
    kept = [
        index for index in thin(each.high[:count]) if not math.isnan(y.at(each.low[index]) + y.at(each.high[index]))
    ]
    there = [(x.at(each.x[index]), y.at(each.high[index])) for index in kept]
    back = [(x.at(each.x[index]), y.at(each.low[index])) for index in reversed(kept)]
    return tag("path", d=path(there + back), cls="band") if kept else ""


def between(each: E.Series | E.Group, index: int) -> str:
    """Return in words from where to where a value is uncertain."""
    if index >= min(len(each.low), len(each.high)):
        return ""
    return f" ({short(each.low[index])} to {short(each.high[index])})"


def mark(x: float, y: float, colour: int, told: str, open: bool = False) -> Markup:
    """Return the mark of a setting: its shape goes with its colour. Open marks are the second framework's."""
    where = path([(x, y)]) + SHAPES[colour % len(SHAPES)]
    return tag("path", *([tag("title", told)] if told else []), d=where, cls="m open" if open else "m")


def _told(shown: E.Lines) -> str:
    """Return in words what each curve does."""
    words = [f"{shown.y} over {shown.x or 'names'}", *(f"{each.name}: {_course(each)}" for each in shown.series)]
    return "; ".join(words) + "."


def _course(each: E.Series) -> str:
    finite = [value for value in each.y if math.isfinite(value)]
    if not finite:
        return "no finite value"
    first, last, least, largest = map(short, (finite[0], finite[-1], min(finite), max(finite)))
    return f"{len(each.y):,} points, from {first} to {last}, least {least}, largest {largest}"
