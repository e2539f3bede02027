"""The figures of a report, as `reports.document.Figure`s: a chart and its description. `reports.formats` draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from reports import statistics
from reports.charts import Estimate, ForestPlot, HeatMap, LineChart, Panel, RankDiagram, Series
from reports.document import Figure, Note
from reports.method_comparison import GroupComparison
from reports.parts.tables import metric_cell
from reports.run import ACCURACY, METRICS, Group, Metric, Point, RunData, is_number
from reports.statistics import LEAST_FOR_INTERVAL
from reports.text import (
    count,
    listing,
    number,
    option_title,
    percent,
    point_text,
    point_values,
    score_notes,
    value_text,
    where_text,
)

MAX_HEAT_MAPS = 6


def numeric_option(run: RunData, dataset: str) -> str | None:
    """The option on the x axis: the only one that a data set sweeps, if it has at least two values, all numbers."""
    options = run.swept(dataset)
    values = [point.values[0] for point in run.points(dataset)] if len(options) == 1 else []
    return options[0] if len(values) > 1 and all(is_number(value) for value in values) else None


# -- lines -------------------------------------------------------------------------------------------------------------


def curves(run: RunData, datasets: Sequence[str], metric: Metric = ACCURACY) -> Figure | None:
    """A metric against the swept option: a line per method with 95 % t-intervals, a panel per data set.

    Data sets without a numeric sweep or without any values are left out; None if none remain.
    """
    options = {dataset: option for dataset in datasets if (option := numeric_option(run, dataset))}
    shown = [dataset for dataset in options if _has_values(run, dataset, metric)]
    if not shown:
        return None
    panels = tuple(_panel(run, dataset, metric, titled=len(shown) > 1) for dataset in shown)
    chart = LineChart(panels, f"{metric.title} (%)", top=max(_top(run, dataset) for dataset in shown))
    alt = " ".join(_alt(run, dataset, metric) for dataset in shown)
    title = (
        f"{metric.title} against {listing(list(dict.fromkeys(option_title(options[dataset]) for dataset in shown)))}"
    )
    caption = f"{title} on {listing(shown)}: {_lines_text(run, shown, metric)}."
    if len(shown) > 1:
        return Figure(title, chart, alt, caption, score_notes(run))
    return Figure(f"{title} on {shown[0]}", chart, alt, caption, score_notes(run, shown[0]))


def all_curves(run: RunData, dataset: str) -> tuple[Figure, ...]:
    """The figures of one data set, one for each metric."""
    return tuple(figure for metric in METRICS if (figure := curves(run, [dataset], metric)))


def line(
    name: str, style: int, points: Mapping[float, Sequence[float]], scale: float = 1.0, overlap: float = 0.0
) -> Series:
    """A line through the means at each x, with their 95 % t-intervals or, where these are too wide, with the values.

    points: x → the values at x. overlap: see `reports.statistics.t_half_width`.
    """
    x = sorted(points)
    spreads = [spread(points[at], scale, overlap) for at in x]
    means, low, high, singles = zip(*spreads, strict=True)
    counts = tuple(len(points[at]) for at in x)
    return Series(name, style, tuple(map(float, x)), means, low, high, counts, singles=singles if any(singles) else ())


def spread(
    values: Sequence[float], scale: float = 1.0, overlap: float = 0.0
) -> tuple[float, float, float, tuple[float, ...]]:
    """The mean of some values, the ends of its 95 % t-interval, and the values if a chart should show them instead.

    They are shown if there are two of them; the ends are NaN if there are fewer than three.
    """
    low, high = statistics.t_interval(values, overlap=overlap)
    singles = tuple(scale * value for value in values) if 1 < len(values) < LEAST_FOR_INTERVAL else ()
    return scale * float(statistics.mean(values)), scale * float(low), scale * float(high), singles


def _panel(run: RunData, dataset: str, metric: Metric, titled: bool) -> Panel:
    """One data set's lines, chance level and x axis."""
    option = numeric_option(run, dataset) or ""
    lines = []
    for method in run.methods:
        if groups := _groups_along_axis(run, dataset, method, metric):
            values = {_x(group): group.values(metric) for group in groups}
            lines.append(line(run.title(method), run.styles[method], values, 100, run.overlap(dataset)))
    positions = sorted({float(point.values[0]) for point in run.points(dataset)})
    chance = run.chance(dataset)
    return Panel(
        title=dataset if titled else "",
        x_title=option_title(option),
        series=tuple(lines),
        ticks=tuple((position, value_text(position, option)) for position in positions),
        level=100 * chance if chance is not None and metric is ACCURACY else None,
        logarithmic=positions[0] > 0 and positions[-1] / positions[0] >= 20,
    )


def _groups_along_axis(run: RunData, dataset: str, method: str, metric: Metric) -> list[Group]:
    groups = [group for (name, _), group in run.groups(dataset).items() if name == method and group.values(metric)]
    return sorted(groups, key=_x)


def _x(group: Group) -> float:
    return float(group.point.values[0])


def _has_values(run: RunData, dataset: str, metric: Metric) -> bool:
    return any(group.values(metric) for group in run.groups(dataset).values())


def _top(run: RunData, dataset: str) -> float:
    """The upper limit of the axis in per cent: a multiple of 10 above all intervals and chance, at most 100."""
    cells = [metric_cell(group, metric) for group in run.groups(dataset).values() for metric in METRICS]
    tops = [cell.mean + (cell.half_width or 0) for cell in cells if cell.mean is not None]
    return min(100.0, 10 * (int(10 * max([*tops, run.chance(dataset) or 0])) + 1))


def _lines_text(run: RunData, datasets: Sequence[str], metric: Metric) -> str:
    """Explains the lines and intervals, with the number of seeds or folds."""
    parts, most = [], 0
    for unit in dict.fromkeys(map(run.unit, datasets)):
        of_unit = [dataset for dataset in datasets if run.unit(dataset) == unit]
        counts = [len(group.values(metric)) for dataset in of_unit for group in run.groups(dataset).values()]
        most = max(most, *counts)
        up_to = "" if min(counts) == max(counts) else "up to "
        parts.append(f"{up_to}{count(max(counts), unit)}")
    return spread_text("lines", most, listing(parts, "or"))


def spread_text(marks: str, most: int, values: str) -> str:
    """Explains the means and intervals of a chart.

    marks: what shows the means. most: the highest number of values behind one mean. values: this number in words.
    """
    if most <= 1:
        return "a single seed, so there is no interval"
    if most < LEAST_FOR_INTERVAL:
        return f"{marks} are means over {values}, small marks are the values themselves, too few for an interval"
    return f"{marks} are means over {values}, bars are 95 % t-intervals"


def _alt(run: RunData, dataset: str, metric: Metric) -> str:
    """A description of a panel: each method's mean at the first and the last value of the sweep."""
    option, parts = numeric_option(run, dataset) or "", []
    for method in run.methods:
        groups = _groups_along_axis(run, dataset, method, metric)
        ends = [groups[0], groups[-1]] if len(groups) > 1 else groups
        means = [
            f"{percent(float(statistics.mean(group.values(metric))))} % at {value_text(group.point.values[0], option)}"
            for group in ends
        ]
        parts.append(f"{run.title(method)} {' to '.join(means) or 'no results'}")
    chance = run.chance(dataset)
    level = f" Chance is {percent(chance)} %." if chance is not None and metric is ACCURACY else ""
    return f"Mean {metric.title} on {dataset} against {option_title(option)}: {'; '.join(parts)}.{level}"


# -- matrices ----------------------------------------------------------------------------------------------------------


def heat_maps(run: RunData, dataset: str, metric: Metric = ACCURACY) -> tuple[Figure, ...]:
    """Two swept options against each other: a matrix of means per method. Empty if not exactly two are swept."""
    if len(run.swept(dataset)) != 2:
        return ()
    figures = (_heat_map(run, dataset, method, metric) for method in run.methods)
    return tuple(figure for figure in figures if figure)[:MAX_HEAT_MAPS]


def _heat_map(run: RunData, dataset: str, method: str, metric: Metric) -> Figure | None:
    """The means of one method; None if it has no values."""
    options, points = run.swept(dataset), run.points(dataset)
    down, across = (list(dict.fromkeys(Point((options[i],), (point.values[i],)) for point in points)) for i in (0, 1))
    means = {
        point.canonical: 100 * float(statistics.mean(group.values(metric)))
        for (name, point), group in run.groups(dataset).items()
        if name == method and group.values(metric)
    }
    if not means:
        return None
    values = tuple(tuple(means.get(row.canonical + column.canonical, math.nan) for column in across) for row in down)
    row_names, column_names = (tuple(map(point_values, axis)) for axis in (down, across))
    row_title, column_title = map(option_title, options)
    chart = HeatMap(row_names, column_names, values, column_title, row_title, f"{metric.title} (%)")
    title = f"{metric.title} of {run.title(method)} on {dataset}"
    alt = f"{title} by {row_title} and {column_title}: {_extremes(chart)}."
    return Figure(
        title, chart, alt, f"{title}: means over {run.unit(dataset)}s, in per cent.", score_notes(run, dataset)
    )


def _extremes(chart: HeatMap) -> str:
    """The lowest and the highest value of a matrix in per cent, and the cells of the highest."""
    cells = [
        (value, f"{row} / {column}")
        for row, values in zip(chart.row_names, chart.values, strict=True)
        for column, value in zip(chart.column_names, values, strict=True)
        if not math.isnan(value)
    ]
    lowest, highest = min(value for value, _ in cells), max(value for value, _ in cells)
    best = [name for value, name in cells if value == highest]
    return f"from {number(lowest)} % to {number(highest)} %, highest at {listing(best)}"


# -- comparisons -------------------------------------------------------------------------------------------------------


def forest_plot(
    title: str,
    comparisons: Sequence[GroupComparison],
    names: Sequence[str],
    styles: Sequence[int],
    caption: str,
    notes: tuple[Note, ...] = (),
) -> Figure | None:
    """Paired differences in percentage points with their 95 % t-intervals; None if no comparison has common blocks."""
    estimates = []
    for comparison, name, style in zip(comparisons, names, styles, strict=True):
        if (difference := comparison.difference).n:
            mean, low, high = (100 * share for share in (difference.mean, difference.low, difference.high))
            estimates.append(Estimate(name, style, mean, low, high, difference.n))
    if not estimates:
        return None
    alt = "; ".join(f"{estimate.name} {number(estimate.mean)}" for estimate in estimates)
    return Figure(title, ForestPlot(tuple(estimates), "difference (points)"), f"{title}: {alt}.", caption, notes)


def ranking(run: RunData, dataset: str, groups: Sequence[Group], metric: Metric = ACCURACY) -> Figure:
    """The means of groups of trials with their 95 % t-intervals, in the order of the groups; the best should be first.

    All groups have the same point of the sweep or the same method. The reference method has a background.
    """
    several = len({group.method for group in groups}) > 1
    one_method = not several and len(groups) > 1
    estimates = tuple(
        Estimate(
            point_text(group.point) if one_method else run.title(group.method),
            run.styles[group.method],
            *spread(group.values(metric), 100, group.overlap)[:3],
            len(group.values(metric)),
            tuple(100 * value for value in group.values(metric)),
            highlighted=group.method == run.reference and several,
        )
        for group in groups
    )
    chance = run.chance(dataset) if metric is ACCURACY else None
    level = None if chance is None else 100 * chance
    where = f"on {dataset}" if one_method else where_text(dataset, groups[0].point)
    title = f"{metric.title} {where}"
    most = max(one.count for one in estimates)
    caption = f"{title}: {_ranking_text(run, dataset, most)}."
    caption += f" The background marks {run.title(run.reference)}." if any(e.highlighted for e in estimates) else ""
    alt = "; ".join(f"{one.name} {number(one.mean)} %" for one in estimates)
    top = max(_top(run, dataset), *(value + 1 for one in estimates for value in one.singles))
    chart = ForestPlot(estimates, f"{metric.title} (%)", level, "chance", (0.0, top))
    return Figure(title, chart, f"{title}: {alt}.", caption, score_notes(run, dataset))


def _ranking_text(run: RunData, dataset: str, most: int) -> str:
    unit = run.unit(dataset)
    if most <= 1:
        return "a single seed, so there is no interval"
    intervals = "bars are 95 % t-intervals" if most >= LEAST_FOR_INTERVAL else "two are too few for an interval"
    return f"large marks are means, small ones the {unit}s, {intervals}"


def rank_diagram(
    title: str,
    names: Sequence[str],
    styles: Sequence[int],
    ranks: Sequence[float],
    critical: float,
    caption: str,
    notes: tuple[Note, ...] = (),
) -> Figure:
    """A critical-difference diagram."""
    alt = "; ".join(f"{name} {number(rank, 2)}" for rank, name in sorted(zip(ranks, names, strict=True)))
    chart = RankDiagram(tuple(names), tuple(styles), tuple(map(float, ranks)), critical)
    return Figure(title, chart, f"{title}: {alt}. Critical difference {number(critical, 2)}.", caption, notes)
