"""The charts of a report, as data. Each class can list its numbers as a table; `reports.formats.drawing` draws it.

A new chart is a class here with ``wide``, ``columns`` and ``rows``, and a module in `reports.formats.drawing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from reports.cleaning import Cleaned

Values = tuple[str | float, ...]


@dataclass(frozen=True)
class Series(Cleaned):
    """One line: means ``y`` at ``x`` with their intervals, NaN where there is none. All tuples have the same length.

    style: index into the colours and markers of `reports.style`; a method has the same one in all figures.
    counts: number of values behind each mean. labels: text beside each point, if any. singles: the values themselves
    behind each mean that has too few of them for an interval, if any.
    """

    name: str
    style: int
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    counts: tuple[int, ...]
    labels: tuple[str, ...] = ()
    singles: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Panel(Cleaned):
    """One pair of axes of a `LineChart`.

    ticks: (position, label) where there are only a few positions. level: height of a dotted line, such as chance.
    steps: corners (x, y) of a dotted line that rises in steps, such as a Pareto front.
    """

    title: str
    x_title: str
    series: tuple[Series, ...]
    ticks: tuple[tuple[float, str], ...] = ()
    level: float | None = None
    logarithmic: bool = False
    steps: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class LineChart(Cleaned):
    """Lines with intervals. Panels are side by side and share the y axis.

    bottom, top: limits of the y axis; None takes them from the data. left: where the x axis begins. logarithmic:
    whether the y axis is; all means must be positive.
    """

    panels: tuple[Panel, ...]
    y_title: str
    bottom: float | None = 0.0
    top: float | None = None
    level_title: str = "Chance"
    left: float | None = None
    logarithmic: bool = False
    columns: ClassVar[tuple[str, ...]] = ("panel", "line", "x", "mean", "low", "high", "n")

    @property
    def wide(self) -> bool:
        """Whether the chart needs the full width of the page."""
        return len(self.panels) > 1

    @property
    def rows(self) -> Iterator[Values]:
        """One row per point."""
        for panel in self.panels:
            for line in panel.series:
                for values in zip(line.x, line.y, line.low, line.high, line.counts, strict=True):
                    yield (panel.title, line.name, *values)


@dataclass(frozen=True)
class HeatMap(Cleaned):
    """A matrix in colours, with numbers if there is room.

    values: one tuple per row, NaN for an empty cell. limits: the values of the lightest and the darkest colour; None
    takes them from the data.
    """

    row_names: tuple[str, ...]
    column_names: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    x_title: str
    y_title: str
    value_title: str
    limits: tuple[float, float] | None = None

    @property
    def wide(self) -> bool:
        """Whether the chart needs the full width of the page."""
        return len(self.column_names) > 30

    @property
    def columns(self) -> tuple[str, ...]:
        return (f"{self.y_title} / {self.x_title}", *self.column_names)

    @property
    def rows(self) -> Iterator[Values]:
        """One row per row of the matrix."""
        for name, values in zip(self.row_names, self.values, strict=True):
            yield (name, *values)


@dataclass(frozen=True)
class Estimate(Cleaned):
    """One line of a `ForestPlot`: a mean over ``count`` values and its interval, NaN where there is none.

    singles: the values themselves, if they are to be shown. highlighted: whether the line has a background.
    """

    name: str
    style: int
    mean: float
    low: float
    high: float
    count: int
    singles: tuple[float, ...] = ()
    highlighted: bool = False


@dataclass(frozen=True)
class ForestPlot(Cleaned):
    """Means with intervals, one below the other, and a dotted vertical line.

    level: where that line is, None for no line. level_title: the text above it. limits: of the x axis; None takes them
    from the data.
    """

    estimates: tuple[Estimate, ...]
    x_title: str
    level: float | None = 0.0
    level_title: str = ""
    limits: tuple[float, float] | None = None
    wide: ClassVar[bool] = False
    columns: ClassVar[tuple[str, ...]] = ("name", "mean", "low", "high", "n")

    @property
    def rows(self) -> Iterator[Values]:
        """One row per estimate."""
        for one in self.estimates:
            yield (one.name, one.mean, one.low, one.high, one.count)


@dataclass(frozen=True)
class RankDiagram(Cleaned):
    """A critical-difference diagram of mean ranks (1 is best). Bars join ranks closer than ``critical``."""

    names: tuple[str, ...]
    styles: tuple[int, ...]
    ranks: tuple[float, ...]
    critical: float
    wide: ClassVar[bool] = False
    columns: ClassVar[tuple[str, ...]] = ("name", "mean rank")

    @property
    def rows(self) -> Iterator[Values]:
        """One row per method."""
        yield from zip(self.names, self.ranks, strict=True)


@dataclass(frozen=True)
class ScatterPanel(Cleaned):
    """One pair of axes of a `ScatterPlot`. points: the points (x, y) of each name of the plot."""

    title: str
    points: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True)
class ScatterPlot(Cleaned):
    """Points in planes without units, one panel per plane; each name has its own colour and marker."""

    names: tuple[str, ...]
    panels: tuple[ScatterPanel, ...]
    wide: ClassVar[bool] = True
    columns: ClassVar[tuple[str, ...]] = ("panel", "name", "x", "y")

    @property
    def rows(self) -> Iterator[Values]:
        """One row per point."""
        for panel in self.panels:
            for name, points in zip(self.names, panel.points, strict=True):
                for point in points:
                    yield (panel.title, name, *point)


Chart = LineChart | HeatMap | ForestPlot | RankDiagram | ScatterPlot
