"""A forest plot: means with intervals, and a dotted vertical line.

Drawn with matplotlib alone, because seaborn's ``pointplot`` computes means and intervals from raw values. A
`ForestPlot` holds means and intervals that `reports.statistics` has already computed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reports.charts import Estimate, ForestPlot
from reports.formats.drawing.canvas import DOTTED, INK, Drawing, marks, new_canvas, short
from reports.style import colour
from reports.text import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(chart: ForestPlot, legend: bool) -> Drawing:
    drawing = Drawing(new_canvas(5.6, 1.0 + 0.3 * len(chart.estimates)))
    axes = drawing.canvas.subplots()
    if chart.level is not None:
        axes.axvline(chart.level, **DOTTED)
        axes.text(chart.level, -0.55, chart.level_title, ha="center", va="bottom", fontsize=8)
    for i, one in enumerate(chart.estimates):
        _draw_estimate(axes, one, i, drawing)
    axes.set_xlim(chart.limits)
    axes.set_ylim(len(chart.estimates) - 0.5, -0.5)
    axes.set_yticks(range(len(chart.estimates)), [short(one.name) for one in chart.estimates])
    axes.set_xlabel(chart.x_title)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return drawing


def _draw_estimate(axes: Axes, one: Estimate, i: int, drawing: Drawing) -> None:
    """Draw one estimate on line ``i``."""
    prefix, own = f"style-{one.style}", colour(one.style)
    if one.highlighted:
        axes.axhspan(i - 0.45, i + 0.45, color=INK, alpha=0.08, linewidth=0)
    if not math.isnan(one.low):
        ends = [one.low, one.high]
        axes.plot(ends, [i, i], color=own, linewidth=2, solid_capstyle="butt", gid=f"{prefix}-bar-{i}")
    axes.plot(one.singles, [i] * len(one.singles), gid=f"{prefix}-singles-{i}", alpha=0.35, **marks(one.style, 4))
    axes.plot([one.mean], [i], gid=f"{prefix}-mark-{i}", **marks(one.style, 7))
    drawing.tips[f"{prefix}-mark-{i}"] = [_tip(one)]


def _tip(one: Estimate) -> str:
    """The tip of a mean: ``CMC: −6.6 (−9.9 to −3.3) (n = 3)``."""
    interval = "" if math.isnan(one.low) else f" ({number(one.low)} to {number(one.high)})"
    return f"{one.name}: {number(one.mean)}{interval} (n = {one.count})"
