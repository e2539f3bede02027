"""A critical-difference diagram.

Source: Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006, section 3.2.2.
Drawn with matplotlib alone, because seaborn has no such diagram.
"""

from __future__ import annotations

from collections.abc import Sequence

from reports.charts import RankDiagram
from reports.formats.drawing.canvas import INK, Drawing, marks, new_canvas, short
from reports.text import number

BAR_DISTANCE = 0.6  # in lines


def draw(chart: RankDiagram, legend: bool) -> Drawing:
    """Each method is a marker on its own line, the best at the top; the bars are below them."""
    methods = sorted(zip(chart.ranks, chart.names, chart.styles, strict=True), key=lambda method: method[0])
    bars = cliques([rank for rank, _, _ in methods], chart.critical)
    drawing = Drawing(new_canvas(5.6, 1.1 + 0.3 * len(methods) + 0.18 * len(bars)))
    axes = drawing.canvas.subplots()
    for line, (rank, _, style) in enumerate(methods):
        axes.plot([1, rank], [line, line], color=INK, linewidth=0.4, alpha=0.5)
        axes.plot([rank], [line], **marks(style, 8))
    for i, (first, last) in enumerate(bars):
        ends, height = [methods[first][0] - 0.04, methods[last][0] + 0.04], len(methods) - 0.3 + BAR_DISTANCE * i
        axes.plot(ends, [height, height], color=INK, linewidth=3, solid_capstyle="butt")
    axes.set_ylim(len(methods) - 0.2 + BAR_DISTANCE * len(bars), -0.6)
    axes.set_yticks(range(len(methods)), [f"{short(name)} ({number(rank, 2)})" for rank, name, _ in methods])
    axes.set_xlabel("mean rank (1 is best)")
    axes.tick_params(axis="y", length=0)
    return drawing


def cliques(ranks: Sequence[float], critical: float) -> list[tuple[int, int]]:
    """The longest groups of neighbours, as (first, last), whose ranks differ by less than the critical difference.

    ranks: in ascending order. Groups of a single method are left out.

    >>> cliques([1.0, 1.5, 3.0, 3.2], 1.6)
    [(0, 1), (1, 2), (2, 3)]
    """
    found: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = max(i for i in range(first, len(ranks)) if ranks[i] - ranks[first] < critical)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
