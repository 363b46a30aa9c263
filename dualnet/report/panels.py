"""Panels: one exhibit drawn by matplotlib on a pair of axes.

What is dashed, the second framework, is drawn thin over the first one's wide and pale line: two equal curves both show.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import LogLocator, MaxNLocator

from dualnet.report import exhibits as E
from dualnet.report.look import COLOURS, SCALES, short
from dualnet.report.pixels import rectangle
from dualnet.report.thin import thin

MAPS = {name: LinearSegmentedColormap.from_list(name, list(colours)) for name, colours in SCALES.items()}
LEGEND = 6  # curves before their legend stands beside the axes
NAMED = 24  # names on an axis before some are left out
MARKS = ("o", "s", "^", "v", "D", "x", "+")  # of colours 0, 1, 2 …
MARKED = 40  # points of a curve before only some are marked


def lines(axes: Axes, shown: E.Lines) -> None:
    """Draw curves, their bands, and what a logarithmic axis cannot show as open marks at its foot."""
    paired = any(each.dashed for each in shown.series)
    for each in shown.series:
        kept = thin(each.y[: len(each.x)])
        x, y = (finite([values[at] for at in kept]) for values in (each.x, each.y))
        look = _look(each, paired, 0 if shown.names else len(kept))
        axes.plot(x, y, label=plain(each.name), **look)
        count = min(len(each.x), len(each.low), len(each.high))
        if count:
            axes.fill_between(
                *(finite(part[:count]) for part in (each.x, each.low, each.high)),
                color=look["color"],
                alpha=0.15,
                linewidth=0,
            )
    _scales(axes, shown)
    axes.set(xlabel=plain(shown.x), ylabel=plain(shown.y))
    axes.grid(alpha=0.25)
    if shown.names:
        _names(axes, shown.names)
    _legend(axes, **({"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)} if len(shown.series) > LEGEND else {}))


def _legend(axes: Axes, **place: Any) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(framealpha=0.8, edgecolor="none", **place)


def finite(values: Sequence[float]) -> Any:
    """Return numbers as an array, NaN where one is infinite."""
    array = np.array(values, dtype=float)
    return np.where(np.isfinite(array), array, np.nan)


def _look(each: E.Series, paired: bool, points: int) -> dict[str, Any]:
    fine = 0.6 if points > 300 else 1.0
    colour, mark = COLOURS[each.colour % len(COLOURS)], MARKS[each.colour % len(MARKS)]
    base = {"color": colour, "marker": mark, "markersize": 4, "linewidth": 1.5 * fine}
    base["markevery"] = max(1, points // 12) if points > MARKED else 1
    if each.dashed:
        return base | {"linestyle": (0, (4, 2)), "fillstyle": "none"}
    return base | ({"linewidth": 3.5 * fine, "alpha": 0.45} if paired else {})


def _scales(axes: Axes, shown: E.Lines) -> None:
    points = [point for each in shown.series for point in zip(each.x, each.y, strict=False) if np.isfinite(point).all()]
    for axis in shown.log:
        if any(point["xy".index(axis)] > 0 for point in points):  # else there is nothing that such an axis could show
            getattr(axes, f"set_{axis}scale")("log", nonpositive="mask")
            _near(getattr(axes, f"{axis}axis"))
    if axes.get_xscale() != "log" and all(float(x).is_integer() for x, _ in points):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if axes.get_yscale() != "log":
        return
    for each in shown.series:
        zeros = [x for x, y in zip(each.x, each.y, strict=False) if y <= 0]
        if not zeros:
            continue  # an empty line would lie at the figure's corner, and the layout make room for it
        look: dict[str, Any] = {"marker": MARKS[each.colour % len(MARKS)], "color": COLOURS[each.colour % len(COLOURS)]}
        place: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False}
        axes.plot(zeros, np.zeros(len(zeros)), linestyle="", mfc="none", ms=6, **look, **place)


def _near(axis: Axis) -> None:
    """Write 0.3 and not 3 times a power of ten, on an axis that spans less than two decades."""
    low, high = axis.get_view_interval()
    if high < 100 * low:
        axis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("{x:g}")


def bars(axes: Axes, shown: E.Bars) -> None:
    """Draw groups of bars side by side; a dashed group is hatched."""
    at, width = np.arange(len(shown.categories)), 0.8 / max(1, len(shown.groups))
    for index, each in enumerate(shown.groups):
        values = finite([*each.values, *[np.nan] * len(at)][: len(at)])
        colour = COLOURS[each.colour % len(COLOURS)]
        look: dict[str, Any] = {"facecolor": "none", "hatch": "////"} if each.dashed else {"facecolor": colour}
        places = at - 0.4 + (index + 0.5) * width
        axes.bar(places, values, width * 0.92, label=plain(each.name), edgecolor=colour, **look)
        count = min(len(places), len(each.low), len(each.high))
        axes.vlines(places[:count], finite(each.low[:count]), finite(each.high[:count]), color="#333333", linewidth=1.2)
    _names(axes, shown.categories)
    axes.set_ylabel(plain(shown.y))
    axes.axhline(0, color="#333333", linewidth=0.8)
    axes.grid(axis="y", alpha=0.25)
    axes.set_axisbelow(True)
    if shown.groups:
        axes.margins(y=0.25)  # room for the legend
    _legend(axes, loc="upper right", ncols=3)
    if 0 <= shown.marked < len(at):
        axes.axvspan(shown.marked - 0.5, shown.marked + 0.5, color="#000000", alpha=0.07, zorder=0)


def _names(axes: Axes, names: Sequence[str]) -> None:
    step = max(1, -(-len(names) // NAMED))
    long = len(names) > 3 and max(len(name) for name in names) * len(names) > 50
    turned: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if long else {}
    axes.set_xticks(range(0, len(names), step), [plain(name) for name in names[::step]], **turned)


def plain(text: str) -> str:
    """Return text that matplotlib writes as it stands: it reads formulas between $, and leaves out names like _this."""
    return (" " if text.startswith("_") else "") + text.replace("$", r"\$")


def histogram(axes: Axes, shown: E.Histogram) -> None:
    """Draw densities over shared bins, and theory's curve."""
    edges = finite(shown.edges)
    for each in shown.groups:
        colour = COLOURS[each.colour % len(COLOURS)]
        values = finite(each.values[: max(0, len(edges) - 1)])
        look = {"linestyle": (0, (4, 2)), "linewidth": 1.4} if each.dashed else {"fill": True, "alpha": 0.35}
        if len(values) and np.isfinite(edges).all():
            axes.stairs(values, edges[: len(values) + 1], color=colour, label=plain(each.name), **look)
    if shown.curve:
        centres = (edges[1:] + edges[:-1]) / 2
        many = min(len(centres), len(shown.curve))
        axes.plot(centres[:many], finite(shown.curve[:many]), color="#333333", linewidth=1.2, label="theory")
    axes.set(xlabel=plain(shown.x), ylabel="density")
    axes.grid(alpha=0.25)
    _legend(axes)


def matrix(axes: Axes, shown: E.Matrix) -> None:
    """Draw a matrix as shades, with its numbers where they can be read."""
    values = rectangle(shown.values)
    if not values.size:
        return
    top = max(np.abs(values[np.isfinite(values)]).max(initial=0.0), 1e-300)
    axes.imshow(np.abs(values), cmap="Blues", vmin=0, vmax=top, aspect="equal")
    axes.set(xlabel=plain(shown.x), ylabel=plain(shown.y))
    _names(axes, shown.columns)
    step = max(1, -(-len(shown.rows) // NAMED))
    axes.set_yticks(range(0, len(shown.rows), step), [plain(name) for name in shown.rows[::step]])
    if values.size > 400:
        return
    size = max(5.0, 9.0 - 0.25 * max(values.shape))
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if abs(value) > 0.55 * top else "black"
        axes.text(column, row, short(float(value)), ha="center", va="center", fontsize=size, color=colour)
