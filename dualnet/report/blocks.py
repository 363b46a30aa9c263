"""Bars and histograms as SVG. What is dashed, the second framework, is an outline."""

import math
from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup

from dualnet.report import exhibits as E
from dualnet.report.charts import Chart, between, look
from dualnet.report.look import short
from dualnet.report.scale import Scale, scale
from dualnet.report.svg import Frame, frame, path, tag
from dualnet.report.thin import thin

LONGEST = 60  # bins and bars that tell their value
BLOCK = tag("rect", cls="bar", x=4, y=1, width=18, height=10)  # in a legend


def bars(shown: E.Bars) -> Chart:
    """Return groups of bars side by side, standing on 0; a dashed one is an outline."""
    ends = [value for each in shown.groups for part in (each.values, each.low, each.high) for value in part]
    trial = scale(ends, 1.0, 0.0, zero=True)
    place = frame([label for _, label in trial.ticks()], shown.categories, titled=False)
    y = replace(trial, start=place.bottom, end=place.top)
    slot = (place.right - place.left) / max(1, len(shown.categories))
    places = [place.left + slot * (index + 0.5) for index in range(len(shown.categories))]
    marked = shown.marked if 0 <= shown.marked < len(places) else -1
    spot = [_spot(places[marked], slot, place)] if marked >= 0 else []
    drawn = [_group(each, at, len(shown.groups), places, slot, y, shown) for at, each in enumerate(shown.groups)]
    axes = [*place.down(y, shown.y), *place.named(shown.categories, places, marked=marked)]
    ground = tag("path", d=path([(place.left, y.at(0.0)), (place.right, y.at(0.0))]), cls="axis")
    words = "; ".join(f"{each.name}: {_values(each, shown.categories)}" for each in shown.groups)
    told = f"{shown.y}. {words}." + (f" Marked: {shown.categories[marked]}." if marked >= 0 else "")
    svg = place.svg(shown.title, told, *spot, *axes, *drawn, ground, *place.nothing(ends))
    return Chart(
        svg, tuple((each.name, look(each.colour, each.dashed), BLOCK) for each in shown.groups), place.width > 600
    )


def _spot(middle: float, slot: float, place: Frame) -> Markup:
    return tag("rect", x=middle - slot / 2, y=place.top, width=slot, height=place.bottom - place.top, cls="spot")


def _values(each: E.Group, names: Sequence[str]) -> str:
    told = [f"{name} {short(value)}" for name, value in zip(names, each.values, strict=False)]
    return ", ".join(told[:LONGEST]) or "nothing"


def _group(each: E.Group, at: int, many: int, places: Sequence[float], slot: float, y: Scale, shown: E.Bars) -> Markup:
    wide = 0.8 * slot / many
    parts: list[Markup] = []
    for index, (middle, value) in enumerate(zip(places, each.values, strict=False)):
        top, ground = y.at(value), y.at(0.0)
        left = middle - 0.4 * slot + at * wide
        if math.isnan(top):
            continue
        told = tag("title", f"{each.name}, {shown.categories[index]}: {short(value)}{between(each, index)}")
        box = {
            "x": left + 0.05 * wide,
            "y": min(top, ground),
            "width": 0.9 * wide,
            "height": max(abs(top - ground), 0.5),
        }
        parts.append(tag("rect", told, cls="bar", **box))
        if index < min(len(each.low), len(each.high)):
            error = [(left + wide / 2, y.at(each.low[index])), (left + wide / 2, y.at(each.high[index]))]
            parts.append(tag("path", d=path(error), cls="error"))
    return tag("g", *parts, cls=look(each.colour, each.dashed), data_s=at)


def histogram(shown: E.Histogram) -> Chart:
    """Return densities over shared bins, and theory's curve over them."""
    tall = [value for values in (*(each.values for each in shown.groups), shown.curve) for value in values]
    trial = scale(tall, 1.0, 0.0, zero=True)
    place = frame([label for _, label in trial.ticks()])
    x, y = scale(shown.edges, place.left, place.right), replace(trial, start=place.bottom, end=place.top)
    drawn = [_steps(each, at, shown.edges, x, y) for at, each in enumerate(shown.groups)]
    if shown.curve:
        centres = [(low / 2 + high / 2) for low, high in zip(shown.edges, shown.edges[1:], strict=False)]
        kept = thin(shown.curve[: len(centres)])
        line = tag(
            "path", tag("title", "theory"), d=path((x.at(centres[i]), y.at(shown.curve[i])) for i in kept), cls="line"
        )
        drawn.append(tag("g", line, cls="s theory", data_s=len(drawn)))
    told = (
        f"Density over {shown.x}, {max(0, len(shown.edges) - 1)} bins: {', '.join(each.name for each in shown.groups)}."
    )
    svg = place.svg(
        shown.title, told, *place.down(y, "density"), *place.along(x, shown.x), *drawn, *place.nothing(tall)
    )
    legend = tuple((each.name, look(each.colour, each.dashed), BLOCK) for each in shown.groups)
    return Chart(svg, (*legend, *([("theory", "s theory", Markup())] if shown.curve else [])))


def _steps(each: E.Group, at: int, edges: Sequence[float], x: Scale, y: Scale) -> Markup:
    """Return one histogram's outline, and over each bin a place that tells its value."""
    count = min(len(each.values), max(0, len(edges) - 1))
    kept = thin(each.values[:count], 300)
    outline = [(x.at(edges[0]), y.at(0.0))] if kept else []
    parts: list[Markup] = []
    for index in kept:
        low, high, top = x.at(edges[index]), x.at(edges[index + 1]), y.at(each.values[index])
        top = y.at(0.0) if math.isnan(top) else top
        outline += [(low, top), (high, top)]
        if count <= LONGEST and not math.isnan(low + high):
            told = f"{each.name}, {short(edges[index])} to {short(edges[index + 1])}: {short(each.values[index])}"
            box = {"x": low, "y": min(top, y.at(0.0)), "width": max(high - low, 0.0), "height": abs(y.at(0.0) - top)}
            parts.append(tag("rect", tag("title", told), cls="bin", **box))
    outline += [(outline[-1][0], y.at(0.0))] if kept else []
    return tag("g", tag("path", d=path(outline), cls="steps"), *parts, cls=look(each.colour, each.dashed), data_s=at)
