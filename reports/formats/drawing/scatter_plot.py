"""Scatter plots side by side, drawn by seaborn's ``scatterplot``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reports.charts import ScatterPanel, ScatterPlot
from reports.formats.drawing.canvas import Drawing, add_legend, marks, new_canvas, short
from reports.style import colour, marker

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS_PER_ROW = 3


def draw(chart: ScatterPlot, legend: bool) -> Drawing:
    n_rows = math.ceil(len(chart.panels) / PANELS_PER_ROW)
    drawing = Drawing(new_canvas(8.2, 2.5 * n_rows + 0.5))
    all_axes = drawing.canvas.subplots(n_rows, PANELS_PER_ROW, squeeze=False).ravel()
    for panel, axes in zip(chart.panels, all_axes, strict=False):
        _draw_panel(axes, panel)
    for axes in all_axes[len(chart.panels) :]:
        axes.set_axis_off()
    entries = [(name, all_axes[0].plot([], [], **marks(style, 6.5))[0]) for style, name in enumerate(chart.names)]
    add_legend(drawing.canvas, entries, "outside lower left")
    return drawing


def _draw_panel(axes: Axes, panel: ScatterPanel) -> None:
    import seaborn

    for style, points in enumerate(panel.points):
        x, y = [x for x, _ in points], [y for _, y in points]
        # One call per marker, so that matplotlib stores its shape once and not for each point.
        seaborn.scatterplot(x=x, y=y, color=colour(style), marker=marker(style), s=16, alpha=0.7, linewidth=0, ax=axes)
    axes.set_title(short(panel.title), fontsize=9)
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[:].set_visible(True)
