"""What was measured on devices: training cost and latency, accuracy against both, and the paper's Table 3 beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reports import statistics
from reports.charts import LineChart, Panel, Series
from reports.document import Block, Column, Figure, Note, Prose, Row, Table, Text
from reports.run import ACCURACY, Run
from reports.text import clean, listing, point_text, value_text

KEY = ".profile_key"  # ends a column of the trials that names a device
AGAINST = (
    ("stage2_energy_joules", "energy of stage 2 (J)", 1.0),
    ("stage2_seconds", "time of stage 2 (s)", 1.0),
    ("eager_fp32_batch1.p50_seconds", "median latency of one sample (ms)", 1e3),
)
PAPER = (
    ("1 %", "101.19 min, 7286.07 kJ", "25.93 min, 21.34 kJ", "38.38 min, 30.99 kJ", "62.52 min, 51.71 kJ"),
    ("2 %", "90.13 min, 6489.70 kJ", "49.87 min, 40.35 kJ", "74.42 min, 60.90 kJ", "120.98 min, 98.58 kJ"),
)


def edge_blocks(run: Run) -> Iterator[Block]:
    """The section's blocks; none where the study measures on no device."""
    tables = run.study.get("edge") or ()
    if not tables:
        return
    yield Prose(
        "Measured on the named devices alone, one job at a time, with the data, split and stage-1 encoders of the trials."
    )
    for table in tables:
        yield measured_table(table)
    for device in devices(run):
        for dataset in run.datasets:
            costs = (figure for what in AGAINST if (figure := _against(run, dataset, device, *what)))
            if figures := (*costs, *_latencies(run, dataset, device)):
                yield Row(figures)
    yield _paper()


def devices(run: Run) -> list[str]:
    """The devices that some trial was measured on, in the order of the study."""
    return [str(name).removesuffix(KEY) for name in run.trials.columns if str(name).endswith(KEY)]


def front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """The names of (cost, gain) than which no other has less cost and at least the gain, or the same cost and more gain.

    >>> front({"a": (1, 0.5), "b": (2, 0.4), "c": (3, 0.9)})
    ['a', 'c']
    """
    best, found = -math.inf, []
    for name, (_, gain) in sorted(points.items(), key=lambda item: (item[1][0], -item[1][1])):
        if gain > best:
            best = gain
            found.append(name)
    return found


def measured_table(table: Mapping[str, Any]) -> Table:
    """A table of measured figures, already in words: title, columns, rows, notes."""
    columns = tuple(Column(clean(name)) for name in table["columns"])
    rows = tuple(tuple(Text(clean(cell)) for cell in row) for row in table["rows"])
    return Table(clean(table["title"]), " ".join(clean(note) for note in table["notes"]), columns, rows)


def _latencies(run: Run, dataset: str, device: str) -> Iterator[Figure]:
    """The distribution of the latencies, a line a method; a figure for each runtime, precision and batch size that is told."""
    told: dict[str, list[Mapping[str, Any]]] = {}
    for curve in run.study.get("latency") or ():
        if (curve["dataset"], curve["device"]) == (dataset, device):
            told.setdefault(f"{curve['runtime']} {curve['precision']}, batch {curve['batch_size']}", []).append(curve)
    for what, curves in told.items():
        series, said = [], []
        for curve in curves:
            x, y = tuple(1e3 * s for s in curve["seconds"]), tuple(100 * share for share in curve["shares"])
            none, name = (math.nan,) * len(x), clean(run.title(curve["method"]))
            series.append(Series(name, run.styles[curve["method"]], x, y, none, none, (curve["n"],) * len(x)))
            said.append(f"{name} {x[0]:.3g} to {x[-1]:.3g} ms")
        title = f"Latencies on {clean(dataset)}, measured on {clean(device)} ({what})"
        caption = f"{title}: the share of the queries that took at most so long, as far as their number supports it."
        places = [x for line in series for x in line.x]
        chart = LineChart(
            (Panel("", "milliseconds a query", tuple(series), logarithmic=max(places) > 20 * min(places)),),
            "queries (%)",
            0.0,
            100.0,
        )
        yield Figure(title, chart, f"{title}: {'; '.join(said)}.", caption)


def _against(run: Run, dataset: str, device: str, measured: str, title: str, factor: float) -> Figure | None:
    """Accuracy against a cost: a line a method through the points of the sweep that were measured, and the front; None if nothing was."""
    column = f"{device}.{measured}"
    if column not in run.trials.columns:
        return None
    lines: dict[str, list[tuple[float, float, float, float, int, str]]] = {}
    places = {}
    for (method, point), group in run.groups(dataset).items():
        rows = [
            row for row in run.at(dataset, point, method) if row.get(column) is not None and not math.isnan(row[column])
        ]
        figures = group.values(ACCURACY)
        if not rows or not figures:
            continue
        cost, gain = factor * sum(float(row[column]) for row in rows) / len(rows), 100 * float(statistics.mean(figures))
        low, high = (
            (100 * float(end) for end in statistics.t_interval(figures)) if len(figures) > 1 else (math.nan, math.nan)
        )
        label = ", ".join(value_text(value, option) for option, value in zip(point.options, point.values, strict=True))
        lines.setdefault(method, []).append((cost, gain, low, high, len(figures), label))
        places[" ".join(part for part in (clean(run.title(method)), point_text(point)) if part)] = (cost, gain)
    if len(places) < 2:
        return None
    on_it = front(places)
    series = []
    for method, points in lines.items():
        x, y, lows, highs, counts, labels = zip(*sorted(points), strict=True)
        series.append(
            Series(
                clean(run.title(method)), run.styles[method], x, y, lows, highs, counts, labels if any(labels) else ()
            )
        )
    what = f"Accuracy on {clean(dataset)} against {title} on {clean(device)}"
    bars = " Bars: 95 % t-intervals over seeds." if any(low == low for line in series for low in line.low) else ""
    caption = (
        f"{what}. Dotted: the front, than which nothing costs less and is at least as accurate: {listing(on_it)}.{bars}"
    )
    panel = Panel("", title[0].upper() + title[1:], tuple(series), steps=tuple(places[name] for name in on_it))
    alt = "; ".join(f"{name}: {gain:.1f} % at {cost:.4g}" for name, (cost, gain) in places.items())
    return Figure(what, LineChart((panel,), "Accuracy (%)"), f"{what}. {alt}.", caption)


def _paper() -> Table:
    columns = ("Label rate", "Cosmo stage 1", "Cosmo stage 2", "DeepSense", "AttnSense")
    rows: Sequence[tuple[Text, ...]] = [tuple(map(Text, row)) for row in PAPER]
    return Table(
        "The paper's Table 3, for comparison",
        "Figures of Ouyang et al. (MobiCom 2022), not of this run: stage 1 on a server of eight Titan Xp, the rest on a Jetson TX2.",
        tuple(map(Column, columns)),
        tuple(rows),
        (
            Note(
                "The paper's stage 1 is 1200.06 W at both rates, so it looks like nominal power times time, not a measurement."
            ),
        ),
    )
