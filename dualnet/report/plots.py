"""Figures by matplotlib: exhibits in a grid of panels."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # files only: no screen is needed

from matplotlib.figure import Figure, SubFigure

from dualnet.report import exhibits as E
from dualnet.report import panels
from dualnet.report.pixels import levels

DRAWN: dict[type[Any], Any] = {
    E.Lines: panels.lines,
    E.Bars: panels.bars,
    E.Histogram: panels.histogram,
    E.Matrix: panels.matrix,
}
CELL = 0.95  # inches of one picture in a grid of them


def figure_of(title: str, exhibits: Sequence[E.Exhibit]) -> Figure:
    """Return a figure of every exhibit but the tables: charts two in a row, grids of pictures below one another."""
    charts = [each for each in exhibits if type(each) in DRAWN]
    grids = [each for each in exhibits if isinstance(each, E.Pictures)]
    wide = any(isinstance(each, E.Lines) and len(each.names) > 12 for each in charts)
    across = 1 if len(charts) == 1 or wide else 2
    down = math.ceil(len(charts) / across)
    heights = ([4.2 * down] if charts else []) + [_height(grid) for grid in grids]
    chart = 11.0 if wide else 7.4 if any(_beside(each) for each in charts) else 5.6
    width = max([chart * across if charts else 6.0, *(1.6 + CELL * len(grid.columns) for grid in grids)])
    figure = Figure(figsize=(width, sum(heights, 0.5)), layout="constrained")
    figure.suptitle(panels.plain(title))
    parts: Any = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0] if heights else []
    if charts:
        _charts(parts[0], charts, down, across)
    for part, grid in zip(parts[len(parts) - len(grids) :], grids, strict=True):
        _pictures(part, grid)
    return figure


def _beside(chart: Any) -> bool:
    return isinstance(chart, E.Lines) and len(chart.series) > panels.LEGEND


def _charts(part: SubFigure, charts: Sequence[Any], down: int, across: int) -> None:
    places = part.subplots(down, across, squeeze=False).ravel()
    for axes, each in zip(places, charts, strict=False):
        axes.set_title(panels.plain(each.title), fontsize=10, loc="left")
        DRAWN[type(each)](axes, each)
    for axes in places[len(charts) :]:
        axes.set_axis_off()


def _height(grid: E.Pictures) -> float:
    captions = any(cell is not None and cell.caption for row in grid.cells for cell in row)
    return 0.8 + (CELL + 0.3 * captions) * max(1, len(grid.cells))


def _pictures(part: SubFigure, grid: E.Pictures) -> None:
    part.suptitle(panels.plain(grid.title), fontsize=10)
    down, across = max(1, len(grid.cells)), max([1, *map(len, grid.cells)])
    places = part.subplots(down, across, squeeze=False)
    for (row, column), axes in zip(((r, c) for r in range(down) for c in range(across)), places.ravel(), strict=True):
        axes.set(xticks=[], yticks=[], frame_on=False)
        if row == 0 and column < len(grid.columns):
            axes.set_title(panels.plain(grid.columns[column]), fontsize=8)
        if column == 0 and row < len(grid.rows):
            name = panels.plain(grid.rows[row])
            axes.set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center")
        cells = grid.cells[row] if row < len(grid.cells) else ()
        picture = cells[column] if column < len(cells) else None
        if picture is not None:
            axes.set_xlabel(panels.plain(picture.caption), fontsize=7)
        if picture is not None and any(picture.pixels):
            axes.imshow(levels(picture), cmap=panels.MAPS.get(picture.scale, panels.MAPS["grey"]), vmin=0, vmax=255)


def write(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG; an old file stays whole if this fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}")
    try:
        figure.savefig(beside, format="png", dpi=120)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
