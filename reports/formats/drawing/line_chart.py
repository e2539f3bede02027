"""Lines with intervals.

Drawn with matplotlib alone, because seaborn's ``lineplot`` computes means and intervals from raw values. A `LineChart`
holds means and t-intervals that `reports.statistics` has already computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.charts import LineChart, Panel, Series
from reports.formats.drawing.canvas import DOTTED, Drawing, add_legend, legend_height, marks, new_canvas, short
from reports.style import colour, line_style, marker
from reports.text import number, value_text

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform

MOST_MARKERS = 12  # on one line
WIDE = 9.6  # inches, the width of two panels
DISTANCE = 3.2  # between the points of different lines at the same x, in points of 1/72 inch


def draw(chart: LineChart, legend: bool) -> Drawing:
    """The chart; with a legend if it should stand alone."""
    width = 4.6 * len(chart.panels) + 0.4
    height = legend_height(width, _names([chart])) if legend else 0.0
    drawing = Drawing(new_canvas(width, 3.4 + height))
    all_axes = drawing.canvas.subplots(1, len(chart.panels), sharey=True, squeeze=False)[0]
    entries: dict[str, Any] = {}
    levels: dict[str, Any] = {}
    for i, (panel, axes) in enumerate(zip(chart.panels, all_axes, strict=True)):
        for place, series in enumerate(panel.series):
            artist = _draw_series(axes, series, _Place(i, place, len(panel.series)), panel, drawing)
            entries.setdefault(series.name, artist)
        if panel.level is not None:
            levels[chart.level_title] = axes.axhline(panel.level, **DOTTED)
        if panel.steps:
            x, y = zip(*panel.steps, strict=True)
            axes.step(x, y, where="post", zorder=1, **DOTTED)
        _set_x_axis(axes, panel)
        if chart.left is not None:
            axes.set_xlim(left=chart.left)
    if chart.logarithmic:
        all_axes[0].set_yscale("log", nonpositive="clip")
        all_axes[0].yaxis.set_major_formatter(lambda y, _: f"{y:g}")
        all_axes[0].yaxis.set_minor_formatter("")
    all_axes[0].set_ylim(chart.bottom, chart.top)
    all_axes[0].set_ylabel(chart.y_title)
    if legend:
        add_legend(drawing.canvas, [*entries.items(), *levels.items()], "outside lower center")
    return drawing


def legend(charts: Sequence[LineChart]) -> Drawing:
    """Only the legend of several charts: each line once, and the level of the first chart."""
    styles = {series.name: series.style for chart in charts for panel in chart.panels for series in panel.series}
    names = _names(charts)
    canvas = new_canvas(WIDE, legend_height(WIDE, names))
    canvas.set_layout_engine("none")
    axes = canvas.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    entries = [
        (name, _legend_line(axes, styles[name]) if name in styles else axes.plot([], [], **DOTTED)[0]) for name in names
    ]
    add_legend(canvas, entries, "center")
    return Drawing(canvas)


def _names(charts: Sequence[LineChart]) -> list[str]:
    """The entries of a legend: every line of the charts once, then their levels."""
    lines = [series.name for chart in charts for panel in chart.panels for series in panel.series]
    levels = [chart.level_title for chart in charts for panel in chart.panels if panel.level is not None]
    return list(dict.fromkeys([*lines, *levels]))


def _legend_line(axes: Axes, style: int) -> Any:
    own = colour(style)
    return axes.plot(
        [], [], color=own, marker=marker(style), markeredgewidth=0, linewidth=1.4, linestyle=line_style(style)
    )[0]


@dataclass(frozen=True)
class _Place:
    """Where a line is: in which panel, and its number among all lines there."""

    panel: int
    number: int
    total: int

    def marked(self, points: Sequence[int]) -> list[int]:
        """The points with a marker and an interval: all, or about `MOST_MARKERS`, other ones for each line."""
        step = max(math.ceil(len(points) / MOST_MARKERS), 1)
        return list(points[self.number * step // self.total :: step])

    def shift(self, axes: Axes, n_points: int) -> Transform:
        """Moves a line with few points to the side, so that its intervals do not cover those of other lines."""
        from matplotlib.transforms import ScaledTranslation

        away = DISTANCE * (self.number - (self.total - 1) / 2) if n_points <= MOST_MARKERS else 0.0
        canvas = axes.get_figure(root=True)
        assert canvas is not None
        return axes.transData + ScaledTranslation(away / 72, 0, canvas.dpi_scale_trans)


def _draw_series(axes: Axes, series: Series, place: _Place, panel: Panel, drawing: Drawing) -> Any:
    """Draw one line, its intervals and its markers. Returns the artist for the legend."""
    of_line: dict[str, Any] = {"color": colour(series.style), "linewidth": 1.4, "linestyle": line_style(series.style)}
    prefix, end = f"style-{series.style}", f"{place.panel}-{place.number}"
    shift = axes.transData if series.labels else place.shift(axes, len(series.x))
    shown = place.marked([k for k, y in enumerate(series.y) if not math.isnan(y)])
    drawn: list[Artist] = [*axes.plot(series.x, series.y, gid=f"{prefix}-line-{end}", **of_line)]
    drawn += _draw_spread(axes, series, shown, f"{prefix}-spread-{end}")
    gid = f"{prefix}-marks-{end}"
    x, y = [series.x[k] for k in shown], [series.y[k] for k in shown]
    drawn += axes.plot(x, y, gid=gid, **marks(series.style, 5.5))
    for artist in drawn:  # afterwards, so that the limits of the axes are those of the data
        artist.set_transform(shift)
    drawing.tips[gid] = [point_tip(panel, series, k) for k in shown]
    for x_label, y_label, label in zip(series.x, series.y, series.labels, strict=False):
        axes.annotate(label, (x_label, y_label), (5, 5), textcoords="offset points", fontsize=8)
    return _legend_line(axes, series.style)


def _draw_spread(axes: Axes, series: Series, shown: Sequence[int], gid: str) -> Iterator[Artist]:
    """Draw the intervals at some points as bars, and the values that are shown instead of them as small marks."""
    bars = [k for k in shown if series.low[k] < series.high[k]]
    if bars:
        low, high = [series.low[k] for k in bars], [series.high[k] for k in bars]
        of_bars: dict[str, Any] = {"color": colour(series.style), "alpha": 0.55, "linewidth": 1.4}
        yield axes.vlines([series.x[k] for k in bars], low, high, gid=gid, **of_bars)
    if series.singles:
        points = [(series.x[k], y) for k in shown for y in series.singles[k]]
        x, y = zip(*points, strict=True) if points else ((), ())
        yield from axes.plot(x, y, gid=f"{gid}-singles", alpha=0.4, **marks(series.style, 3.5))


def point_tip(panel: Panel, series: Series, i: int) -> str:
    """The tip of a point: ``Cosmo at 5 %: 49.3 ± 3.8 (n = 3)``."""
    x, y, half_width = series.x[i], series.y[i], (series.high[i] - series.low[i]) / 2
    where = dict(panel.ticks).get(x) or value_text(float(f"{x:.4g}"))
    label = f" ({series.labels[i]})" if series.labels else ""
    interval = "" if math.isnan(half_width) else f" ± {number(half_width)}"
    return f"{series.name} at {where}{label}: {number(y, 1 if abs(y) >= 10 else 2)}{interval} (n = {series.counts[i]})"


def _set_x_axis(axes: Axes, panel: Panel) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.margins(x=0.08)
    axes.set_title(short(panel.title))
    axes.set_xlabel(short(panel.x_title))
    if panel.logarithmic:
        axes.set_xscale("log")
        axes.minorticks_off()
    if panel.ticks:
        axes.set_xticks([x for x, _ in panel.ticks], [label for _, label in panel.ticks])
    elif all(float(x).is_integer() for series in panel.series for x in series.x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
