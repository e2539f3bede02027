"""A forest plot: means with intervals, and a vertical line at 0.

Drawn with matplotlib alone, because seaborn's ``pointplot`` computes means and intervals from raw values. A
`ForestPlot` holds differences and intervals that `reports.statistics` has already computed.
"""

from __future__ import annotations

import math

from reports.charts import Estimate, ForestPlot
from reports.formats.drawing.canvas import DOTTED, Drawing, marks, new_canvas, short
from reports.style import colour
from reports.text import number


def draw(chart: ForestPlot, legend: bool) -> Drawing:
    drawing = Drawing(new_canvas(5.6, 1.0 + 0.36 * len(chart.estimates)))
    axes = drawing.canvas.subplots()
    axes.axvline(0, **DOTTED)
    for i, one in enumerate(chart.estimates):
        prefix, own = f"style-{one.style}", colour(one.style)
        if not math.isnan(one.low):
            axes.plot(
                [one.low, one.high], [i, i], color=own, linewidth=2, solid_capstyle="butt", gid=f"{prefix}-bar-{i}"
            )
        axes.plot([one.mean], [i], gid=f"{prefix}-mark-{i}", **marks(one.style, 7))
        drawing.tips[f"{prefix}-mark-{i}"] = [_tip(one)]
    axes.set_ylim(len(chart.estimates) - 0.5, -0.5)
    axes.set_yticks(range(len(chart.estimates)), [short(one.name) for one in chart.estimates])
    axes.set_xlabel(chart.x_title)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return drawing


def _tip(one: Estimate) -> str:
    """The tip of a mean: ``CMC: −6.6 (−9.9 to −3.3) (n = 3)``."""
    interval = "" if math.isnan(one.low) else f" ({number(one.low)} to {number(one.high)})"
    return f"{one.name}: {number(one.mean)}{interval} (n = {one.count})"
