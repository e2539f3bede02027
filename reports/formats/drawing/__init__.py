"""Draws the charts of `reports.charts` with matplotlib and seaborn: as SVG for a page, as SVG or PDF for paper.

There is one module for each class of chart. The same chart always gives the same bytes. Both libraries are imported
when the first chart is drawn, because importing them takes about a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from reports.charts import Chart, ForestPlot, HeatMap, LineChart, RankDiagram, ScatterPlot
from reports.document import Figure
from reports.formats.drawing import forest_plot, heat_map, line_chart, rank_diagram, scatter_plot
from reports.formats.drawing.canvas import INK, Drawing, save, theme
from reports.formats.drawing.svg import inline

# Each function takes a chart, and whether to draw a legend that a page could show outside the drawing.
DRAW: dict[type[Chart], Callable[[Any, bool], Drawing]] = {
    LineChart: line_chart.draw,
    HeatMap: heat_map.draw,
    ForestPlot: forest_plot.draw,
    RankDiagram: rank_diagram.draw,
    ScatterPlot: scatter_plot.draw,
}


def page_svg(figure: Figure) -> str:
    """A figure as an ``<svg>`` element for an HTML page with several figures and its own legends.

    Text and axes have the colour of the surrounding text (``currentColor``), so the figure suits light and dark pages.
    Everything that belongs to a method has the class ``style-N``; points and cells have their values in ``data-tip``.
    """
    with theme():
        drawing = DRAW[type(figure.chart)](figure.chart, False)
        return inline(save(drawing, "svg").decode(), figure.alt, drawing.tips)


def paper_svg(figure: Figure, legend: bool = True) -> bytes:
    """A figure as an SVG file, in black on a transparent background."""
    with theme():
        return save(DRAW[type(figure.chart)](figure.chart, legend), "svg").replace(INK.encode(), b"#000000")


def paper_legend(figures: Sequence[Figure]) -> bytes | None:
    """The legend of line charts side by side, as an SVG file of the width of a page; None if there are none."""
    charts = [figure.chart for figure in figures if isinstance(figure.chart, LineChart)]
    if not charts:
        return None
    with theme():
        return save(line_chart.legend(charts), "svg").replace(INK.encode(), b"#000000")


def paper_pdf(figure: Figure) -> bytes:
    """A figure as a PDF file with a legend."""
    with theme():
        return save(DRAW[type(figure.chart)](figure.chart, True), "pdf")
