"""The figures of a report, as `reports.document.Figure`s: what is drawn and the same in words; `reports.formats.drawing` draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product

from reports import statistics
from reports.charts import Estimate, ForestPlot, HeatMap, LineChart, Panel, RankDiagram, Series
from reports.comparison import Pair
from reports.document import Figure, Note
from reports.parts.tables import metric_cell
from reports.run import ACCURACY, METRICS, Group, Metric, Point, Run, is_number
from reports.text import clean, count, listing, number, option_title, percent, status_notes, value_text

MOST_HEATS = 6  # methods that get a heat map each


def numeric_option(run: Run, dataset: str) -> str | None:
    """The option to draw a data set's figures against: the only one swept, if it has two values or more and all are numbers."""
    options = run.swept(dataset)
    values = [point.values[0] for point in run.points(dataset)] if len(options) == 1 else []
    return options[0] if len(values) > 1 and all(is_number(value) for value in values) else None


def curves(run: Run, datasets: Sequence[str], metric: Metric = ACCURACY) -> Figure | None:
    """A metric against the swept option: a line for each method with the band of its 95 % t-interval, a panel for each data set.

    Data sets without a numeric sweep or without any figure are left out; None if none is left.
    """
    shown = [dataset for dataset in datasets if numeric_option(run, dataset) and _any(run, dataset, metric)]
    if not shown:
        return None
    panels = tuple(_panel(run, dataset, metric, len(shown) > 1) for dataset in shown)
    chart = LineChart(panels, f"{metric.title} (%)", top=max(_top(run, dataset) for dataset in shown))
    alt = " ".join(_alt(run, dataset, metric) for dataset in shown)
    title = f"{metric.title} against {_options(run, shown)}" + (f" on {clean(shown[0])}" if len(shown) == 1 else "")
    return Figure(
        title, chart, alt, _caption(run, shown, metric), status_notes(run, shown[0] if len(shown) == 1 else None)
    )


def all_curves(run: Run, dataset: str) -> tuple[Figure, ...]:
    """Every metric's figure of one data set."""
    return tuple(figure for metric in METRICS if (figure := curves(run, [dataset], metric)))


def heats(run: Run, dataset: str, metric: Metric = ACCURACY) -> tuple[Figure, ...]:
    """Two swept options against each other: a matrix of means for each method. Empty unless just two are swept."""
    options = run.swept(dataset)
    if len(options) != 2:
        return ()
    groups, points = run.groups(dataset), run.points(dataset)
    across, down = (list(dict.fromkeys(Point((options[i],), (point.values[i],)) for point in points)) for i in (1, 0))
    names = [[value_text(point.values[0], point.options[0]) for point in axis] for axis in (down, across)]
    figures = []
    for method in run.methods:
        means = {
            point.same: 100 * float(statistics.mean(group.values(metric)))
            for (name, point), group in groups.items()
            if name == method and group.values(metric)
        }
        if not means:
            continue
        values = tuple(tuple(means.get((row.same[0], column.same[0]), math.nan) for column in across) for row in down)
        top = max(means.values())
        at = [
            f"{names[0][i]} / {names[1][j]}"
            for i, j in product(range(len(down)), range(len(across)))
            if values[i][j] == top
        ]
        title = f"{metric.title} of {clean(run.title(method))} on {clean(dataset)}"
        heat = HeatMap(
            tuple(names[0]),
            tuple(names[1]),
            values,
            option_title(options[1]),
            option_title(options[0]),
            f"{metric.title} (%)",
        )
        span = f"from {number(min(means.values()))} % to {number(top)} %, highest at {listing(at)}"
        alt = f"{title} by {option_title(options[0])} and {option_title(options[1])}: {span}."
        figures.append(Figure(title, heat, alt, f"{title}: means over seeds, in per cent.", status_notes(run, dataset)))
    return tuple(figures[:MOST_HEATS])


def differences(
    title: str,
    pairs: Sequence[Pair],
    names: Sequence[str],
    style: Sequence[int],
    caption: str,
    notes: tuple[Note, ...] = (),
) -> Figure | None:
    """Paired differences in points with their 95 % t-intervals; None without any."""
    rows = [(pair, name, place) for pair, name, place in zip(pairs, names, style, strict=True) if pair.lead.n]
    if not rows:
        return None
    dots = tuple(
        Estimate(name, place, 100 * p.lead.mean, 100 * p.lead.low, 100 * p.lead.high, p.lead.n)
        for p, name, place in rows
    )
    alt = "; ".join(f"{dot.name} {number(dot.mean)}" for dot in dots)
    return Figure(title, ForestPlot(dots, "difference (points)"), f"{title}: {alt}.", caption, notes)


def rank_diagram(
    title: str,
    names: Sequence[str],
    style: Sequence[int],
    ranks: Sequence[float],
    critical: float,
    caption: str,
    notes: tuple[Note, ...] = (),
) -> Figure:
    """A critical-difference diagram."""
    alt = "; ".join(f"{name} {number(rank, 2)}" for rank, name in sorted(zip(ranks, names, strict=True)))
    chart = RankDiagram(tuple(names), tuple(style), tuple(map(float, ranks)), critical)
    return Figure(title, chart, f"{title}: {alt}. Critical difference {number(critical, 2)}.", caption, notes)


def series(name: str, style: int, points: Mapping[float, Sequence[float]], scale: float = 1.0) -> Series:
    """One line from the figures at each x: their means with 95 % t-intervals."""
    x = sorted(points)
    means = [scale * float(statistics.mean(points[at])) for at in x]
    bounds = [[scale * float(end) for end in statistics.t_interval(points[at])] for at in x]
    low, high = (tuple(bound[i] for bound in bounds) for i in (0, 1))
    return Series(name, style, tuple(map(float, x)), tuple(means), low, high, tuple(len(points[at]) for at in x))


def _any(run: Run, dataset: str, metric: Metric) -> bool:
    return any(group.values(metric) for group in run.groups(dataset).values())


def _on_axis(group: Group) -> float:
    return float(group.point.values[0])


def _panel(run: Run, dataset: str, metric: Metric, titled: bool) -> Panel:
    """One data set's lines, its chance level and its axis."""
    option, groups = numeric_option(run, dataset) or "", run.groups(dataset)
    lines = []
    for method in run.methods:
        figures = {
            _on_axis(group): group.values(metric)
            for (name, _), group in groups.items()
            if name == method and group.values(metric)
        }
        if figures:
            lines.append(series(clean(run.title(method)), run.styles[method], figures, 100))
    places = sorted({float(point.values[0]) for point in run.points(dataset)})
    chance = run.chance(dataset)
    return Panel(
        title=clean(dataset) if titled else "",
        x_title=option_title(option),
        series=tuple(lines),
        ticks=tuple((place, value_text(place, option)) for place in places),
        level=100 * chance if chance is not None and metric is ACCURACY else None,
        logarithmic=places[0] > 0 and places[-1] / places[0] >= 20,
    )


def _top(run: Run, dataset: str) -> float:
    """The upper end of the axis, in per cent: the next ten above all means and intervals of all metrics, at most 100."""
    cells = [metric_cell(group, metric) for group in run.groups(dataset).values() for metric in METRICS]
    highest = max(cell.mean + (cell.half_width or 0) for cell in cells if cell.mean is not None)
    return min(100.0, 10 * (int(10 * highest) + 1))


def _options(run: Run, datasets: Sequence[str]) -> str:
    return listing(list(dict.fromkeys(option_title(numeric_option(run, dataset) or "") for dataset in datasets)))


def _caption(run: Run, datasets: Sequence[str], metric: Metric) -> str:
    groups = [group for dataset in datasets for group in run.groups(dataset).values()]
    most = max(len(group.values(metric)) for group in groups)
    upto = "" if all(len(group.values(metric)) == most for group in groups) else "up to "
    lines = (
        f"lines are means over {upto}{count(most, 'seed')}, bands are 95 % t-intervals"
        if most > 1
        else "one seed, so no interval"
    )
    return f"{metric.title} against {_options(run, datasets)}: {lines}."


def _alt(run: Run, dataset: str, metric: Metric) -> str:
    """The figure in words: each method from the first value of the sweep to the last."""
    groups, option = run.groups(dataset), numeric_option(run, dataset) or ""
    parts = []
    for method in run.methods:
        here = sorted((g for (name, _), g in groups.items() if name == method and g.values(metric)), key=_on_axis)
        said = [
            f"{percent(float(statistics.mean(g.values(metric))))} % at {value_text(g.point.values[0], option)}"
            for g in here
        ]
        ends = said if len(said) < 2 else [said[0], said[-1]]
        parts.append(f"{clean(run.title(method))} {'no figures' if not ends else ' to '.join(ends)}")
    chance = run.chance(dataset)
    level = f" Chance is {percent(chance)} %." if chance is not None and metric is ACCURACY else ""
    return f"Mean {metric.title} on {clean(dataset)} against {option_title(option)}: {'; '.join(parts)}.{level}"
