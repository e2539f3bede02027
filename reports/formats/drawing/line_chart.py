"""Lines with error bands.

Drawn with matplotlib alone, because seaborn's ``lineplot`` computes means and intervals from raw values. A `LineChart`
holds means and t-intervals that `reports.statistics` has already computed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from reports.charts import LineChart, Panel, Series
from reports.formats.drawing.canvas import DOTTED, Drawing, add_legend, marks, new_canvas, short
from reports.style import colour, marker
from reports.text import number, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_MARKERS = 12  # on one line


def draw(chart: LineChart, legend: bool) -> Drawing:
    drawing = Drawing(new_canvas(4.6 * len(chart.panels) + 0.4, 3.9 if legend else 3.4))
    all_axes = drawing.canvas.subplots(1, len(chart.panels), sharey=True, squeeze=False)[0]
    entries: dict[str, Any] = {}
    levels: dict[str, Any] = {}
    for i, (panel, axes) in enumerate(zip(chart.panels, all_axes, strict=True)):
        for series in panel.series:
            entries.setdefault(series.name, _draw_series(axes, panel, series, i, drawing))
        if panel.level is not None:
            levels[chart.level_title] = axes.axhline(panel.level, **DOTTED)
        if panel.steps:
            x, y = zip(*panel.steps, strict=True)
            axes.step(x, y, where="post", zorder=1, **DOTTED)
        _set_x_axis(axes, panel)
    all_axes[0].set_ylim(chart.bottom, chart.top)
    all_axes[0].set_ylabel(chart.y_title)
    if legend:
        add_legend(drawing.canvas, [*entries.items(), *levels.items()])
    return drawing


def _draw_series(axes: Axes, panel: Panel, series: Series, i: int, drawing: Drawing) -> Any:
    """Draw one line, its band and its markers in panel ``i``. Returns the artist for the legend."""
    own, prefix = colour(series.style), f"style-{series.style}"
    axes.plot(series.x, series.y, color=own, linewidth=1.6, gid=f"{prefix}-line-{i}")
    if any(low < high for low, high in zip(series.low, series.high, strict=True)):
        _draw_intervals(axes, series, color=own, gid=f"{prefix}-band-{i}")
    gid, shown = f"{prefix}-marks-{i}", _marked([k for k, y in enumerate(series.y) if not math.isnan(y)])
    axes.plot([series.x[k] for k in shown], [series.y[k] for k in shown], gid=gid, **marks(series.style, 6.5))
    drawing.tips[gid] = [point_tip(panel, series, k) for k in shown]
    for x, y, label in zip(series.x, series.y, series.labels, strict=False):
        axes.annotate(label, (x, y), (5, 5), textcoords="offset points", fontsize=8)
    return axes.plot([], [], color=own, marker=marker(series.style), markeredgewidth=0)[0]


def _draw_intervals(axes: Axes, series: Series, **of_method: Any) -> None:
    """A band, or bars if the points are labelled, because they are then not points of one curve."""
    if series.labels:
        axes.vlines(series.x, series.low, series.high, alpha=0.4, linewidth=1.6, **of_method)
    else:
        axes.fill_between(series.x, series.low, series.high, alpha=0.12, linewidth=0, **of_method)


def _marked(points: list[int]) -> list[int]:
    """The points with a marker: all, or about `MOST_MARKERS` evenly spaced ones, including the last."""
    step = math.ceil(len(points) / MOST_MARKERS)
    return points[::-1][:: max(step, 1)][::-1]


def point_tip(panel: Panel, series: Series, i: int) -> str:
    """The tip of a point: ``Cosmo at 5 %: 49.3 ± 3.8 (n = 3)``."""
    x, y, half_width = series.x[i], series.y[i], (series.high[i] - series.low[i]) / 2
    where = dict(panel.ticks).get(x) or value_text(float(f"{x:.4g}"))
    label = f" ({series.labels[i]})" if series.labels else ""
    interval = "" if math.isnan(half_width) else f" ± {number(half_width)}"
    return f"{series.name} at {where}{label}: {number(y, 1 if abs(y) >= 10 else 2)}{interval} (n = {series.counts[i]})"


def _set_x_axis(axes: Axes, panel: Panel) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(short(panel.title))
    axes.set_xlabel(short(panel.x_title))
    if panel.logarithmic:
        axes.set_xscale("log")
        axes.minorticks_off()
    if panel.ticks:
        axes.set_xticks([x for x, _ in panel.ticks], [label for _, label in panel.ticks])
    elif all(float(x).is_integer() for series in panel.series for x in series.x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
