"""A heat map: a matrix in colours, drawn by seaborn's ``heatmap``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.charts import HeatMap
from reports.formats.drawing.canvas import Drawing, new_canvas, short
from reports.text import number, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

MOST_NUMBERED = 80  # cells; a larger matrix has no room for numbers
MOST_HORIZONTAL = 5  # columns; with more, their names are vertical
MOST_LARGE = 15  # rows or columns; with more, cells and letters are small
INCHES_PER_LETTER = {True: 0.08, False: 0.055}  # of the names; by whether letters are large


def draw(chart: HeatMap, legend: bool) -> Drawing:
    import seaborn

    values = np.array(chart.values, dtype=float)
    numbered = values.size <= MOST_NUMBERED
    empty = np.isnan(values) if numbered else np.isnan(values) | (values == 0)
    known = values[~np.isnan(values)]
    lightest, darkest = chart.limits or ((known.min(), known.max()) if known.size else (0, 1))
    drawing = Drawing(new_canvas(*_size(chart)))
    axes = drawing.canvas.subplots()
    seaborn.heatmap(
        values,
        mask=empty,
        vmin=lightest,
        vmax=darkest,
        cmap=_colours(),
        annot=[[number(value) for value in row] for row in chart.values] if numbered else None,
        fmt="",
        annot_kws={"fontsize": 9},
        cbar_kws={"shrink": 0.7, "label": chart.value_title},
        xticklabels=[short(name) for name in chart.column_names],
        yticklabels=[short(name) for name in chart.row_names],
        ax=axes,
    )
    axes.set_facecolor("white")  # of cells that are empty
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=0.5)
    _set_axes(axes, chart)
    _set_number_colours(axes, chart)
    axes.collections[0].set_gid("cells")
    drawing.tips["cells"] = _tips(chart, empty)
    return drawing


def _tips(chart: HeatMap, empty: NDArray[np.bool_]) -> list[str]:
    """The tip of each cell, row by row: ``run / walk: 12.5``; empty for an empty cell."""
    cells = np.ndindex(empty.shape)
    names = [f"{row} / {column}" for row in chart.row_names for column in chart.column_names]
    return [
        "" if empty[i, j] else f"{name}: {value_text(round(chart.values[i][j], 2))}"
        for name, (i, j) in zip(names, cells, strict=True)
    ]


def _size(chart: HeatMap) -> tuple[float, float]:
    """Width and height in inches, with room for numbers if there are few columns, and for names."""
    n_rows, n_columns, letter = len(chart.row_names), len(chart.column_names), INCHES_PER_LETTER[_large(chart)]
    names = letter * max(len(short(name)) for name in chart.column_names) if _vertical_names(chart) else 0
    if not _large(chart):
        beside = letter * max(len(short(name)) for name in chart.row_names)
        return min(9.0, 1.2 + beside + 0.145 * n_columns), min(9.0, 0.5 + names + 0.13 * n_rows)
    return min(9.0, 2.8 + (0.76 if n_columns < 10 else 0.26) * n_columns), min(9.0, 1.6 + 0.24 * n_rows + names)


def _large(chart: HeatMap) -> bool:
    return max(len(chart.row_names), len(chart.column_names)) <= MOST_LARGE


def _vertical_names(chart: HeatMap) -> bool:
    return len(chart.column_names) > MOST_HORIZONTAL or any(len(name) > 15 for name in chart.column_names)


def _colours() -> Any:
    """A colour map from white to dark blue."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(
        "from white to dark", ["#ffffff", "#6aaed6", "#08306b"], N=32
    )  # matplotlib draws the legend of more than 50 colours as a bitmap


def _set_axes(axes: Axes, chart: HeatMap) -> None:
    size = 10 if _large(chart) else 7
    axes.set(xlabel=short(chart.x_title), ylabel=short(chart.y_title))
    axes.tick_params(length=0, labelsize=size)
    axes.tick_params(axis="x", labelrotation=90 if _vertical_names(chart) else 0)
    axes.tick_params(axis="y", labelrotation=0)


def _set_number_colours(axes: Axes, chart: HeatMap) -> None:
    """Set numbers in white on the darker half of the colours and in black on the lighter half, for contrast."""
    low, high = axes.collections[0].get_clim()
    shown = [value for row in chart.values for value in row if not math.isnan(value)]
    for text, value in zip(axes.texts, shown, strict=False):
        text.set_color("white" if value - low > (high - low) / 2 else "black")
