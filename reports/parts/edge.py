"""Measurements on devices: training cost and latency, accuracy against both, and the costs that the paper reports."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports import statistics
from reports.charts import LineChart, Panel, Series
from reports.document import Block, Column, Figure, Note, Prose, Row, Table, Text
from reports.run import ACCURACY, Group, RunData
from reports.text import capitalised, listing, point_text, point_values

NUMBER = r"–|-?[\d.]+(e[+-]?\d+)?"  # a cell of a column of numbers
PROFILE_KEY = ".profile_key"  # a column of the trials with this ending names a device


def edge_blocks(run: RunData) -> Iterator[Block]:
    """The blocks of the section; none if the study has no measurements on devices."""
    tables = run.study.get("edge") or ()
    if not tables:
        return
    yield Prose(
        "Measured on the named devices, one job at a time, with the data, the split and the stage 1 encoders of the "
        "trials."
    )
    for table in tables:
        yield profile_table(table)
    for device in devices(run):
        for dataset in run.datasets:
            trade_offs = (_trade_off(run, dataset, device, cost) for cost in COSTS)
            figures = (*(figure for figure in trade_offs if figure), *_latencies(run, dataset, device))
            if figures:
                yield Row(figures)
    yield from _paper_table(run)


def devices(run: RunData) -> list[str]:
    """The devices with measurements, in the order of the study."""
    return [str(name).removesuffix(PROFILE_KEY) for name in run.trials.columns if str(name).endswith(PROFILE_KEY)]


def profile_table(table: Mapping[str, Any]) -> Table:
    """A table of measurements, from title, columns, rows of texts, and notes."""
    cells = list(zip(*table["rows"], strict=True)) or [()] * len(table["columns"])
    numbers = [all(re.fullmatch(NUMBER, str(cell)) for cell in column) for column in cells]
    columns = tuple(Column(str(name), number) for name, number in zip(table["columns"], numbers, strict=True))
    rows = tuple(tuple(Text(str(cell)) for cell in row) for row in table["rows"])
    return Table(table["title"], " ".join(map(str, table["notes"])), columns, rows)


# -- accuracy against cost ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """A cost measured on a device. column: end of its column's name. factor: from the column's unit to the title's."""

    column: str
    title: str
    factor: float


COSTS = (
    Cost("stage2_energy_joules", "energy of stage 2 (J)", 1.0),
    Cost("stage2_seconds", "time of stage 2 (s)", 1.0),
    Cost("eager_fp32_batch1.p50_seconds", "median latency of one sample (ms)", 1e3),
)


@dataclass(frozen=True)
class _Measured:
    """A method at a point: mean cost, and mean accuracy (%) over ``count`` seeds or folds with its 95 % t-interval."""

    method: str
    name: str
    label: str
    cost: float
    accuracy: float
    low: float
    high: float
    count: int


def pareto_front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """The names of the points (cost, gain) that no other dominates, by increasing cost.

    A point dominates another if its cost is not higher, its gain is not lower, and at least one of them is better. Of
    equal points, only one is listed.

    >>> pareto_front({"a": (1, 0.5), "b": (2, 0.4), "c": (3, 0.9)})
    ['a', 'c']
    """
    best, front = -math.inf, []
    for name, (_, gain) in sorted(points.items(), key=lambda item: (item[1][0], -item[1][1])):
        if gain > best:
            best = gain
            front.append(name)
    return front


def _trade_off(run: RunData, dataset: str, device: str, cost: Cost) -> Figure | None:
    """Accuracy against a cost: a line per method, and the Pareto front; None if fewer than two points were measured."""
    column = f"{device}.{cost.column}"
    if column not in run.trials.columns:
        return None
    groups = run.groups(dataset).values()
    measured = [found for group in groups if (found := _measured(run, dataset, group, column, cost.factor))]
    if len(measured) < 2:
        return None
    positions = {one.name: (one.cost, one.accuracy) for one in measured}
    front = pareto_front(positions)
    steps = tuple(positions[name] for name in front)
    panel = Panel("", capitalised(cost.title), _lines(run, measured), steps=steps)
    title = f"Accuracy on {dataset} against {cost.title} on {device}"
    caption = f"{title}. Dotted line: the Pareto front of cost and accuracy ({listing(front)})."
    if not all(math.isnan(one.low) for one in measured):
        caption += f" Bars: 95 % t-intervals over {run.unit(dataset)}s."
    alt = "; ".join(f"{one.name}: {one.accuracy:.1f} % at {one.cost:.4g}" for one in measured)
    return Figure(title, LineChart((panel,), "Accuracy (%)"), f"{title}. {alt}.", caption)


def _lines(run: RunData, measured: Sequence[_Measured]) -> tuple[Series, ...]:
    """A line through the points of each method."""
    methods = dict.fromkeys(one.method for one in measured)
    return tuple(_series(run, method, [one for one in measured if one.method == method]) for method in methods)


def _measured(run: RunData, dataset: str, group: Group, column: str, factor: float) -> _Measured | None:
    """A group's mean cost and accuracy; None if either is unknown."""
    trials = run.done_trials(dataset, group.point, group.method)
    costs = [float(trial[column]) for trial in trials if trial[column] is not None]
    scores = group.values(ACCURACY)
    if not costs or not scores:
        return None
    low, high = statistics.t_interval(scores, overlap=group.overlap)
    name = f"{run.title(group.method)} {point_text(group.point)}".strip()
    return _Measured(
        group.method,
        name,
        point_values(group.point, ", "),
        factor * sum(costs) / len(costs),
        100 * float(statistics.mean(scores)),
        100 * float(low),
        100 * float(high),
        len(scores),
    )


def _series(run: RunData, method: str, measured: Sequence[_Measured]) -> Series:
    ordered = sorted(measured, key=lambda one: (one.cost, one.accuracy))
    return Series(
        run.title(method),
        run.styles[method],
        x=tuple(one.cost for one in ordered),
        y=tuple(one.accuracy for one in ordered),
        low=tuple(one.low for one in ordered),
        high=tuple(one.high for one in ordered),
        counts=tuple(one.count for one in ordered),
        labels=tuple(one.label for one in ordered) if any(one.label for one in ordered) else (),
    )


# -- latency -----------------------------------------------------------------------------------------------------------


def _latencies(run: RunData, dataset: str, device: str) -> Iterator[Figure]:
    """The distribution of latencies: a figure per runtime, precision and batch size, with a line per method."""
    settings: dict[str, list[Mapping[str, Any]]] = {}
    for curve in run.study.get("latency") or ():
        if (curve["dataset"], curve["device"]) == (dataset, device):
            setting = f"{curve['runtime']} {curve['precision']}, batch {curve['batch_size']}"
            settings.setdefault(setting, []).append(curve)
    for setting, curves in settings.items():
        series = tuple(_latency_series(run, curve) for curve in curves)
        milliseconds = [x for one in series for x in one.x]
        logarithmic = max(milliseconds) > 20 * min(milliseconds)
        chart = LineChart((Panel("", "latency (ms)", series, logarithmic=logarithmic),), "queries (%)", 0.0, 100.0)
        title = f"Latencies on {dataset}, measured on {device} ({setting})"
        caption = (
            f"{title}: the share of queries that were answered within a given time, up to the highest percentile that "
            "the number of queries supports."
        )
        alt = "; ".join(f"{one.name} {one.x[0]:.3g} to {one.x[-1]:.3g} ms" for one in series)
        yield Figure(title, chart, f"{title}: {alt}.", caption)


def _latency_series(run: RunData, curve: Mapping[str, Any]) -> Series:
    x = tuple(1e3 * seconds for seconds in curve["seconds"])
    y = tuple(100 * share for share in curve["shares"])
    none, counts = (math.nan,) * len(x), (curve["n"],) * len(x)
    return Series(run.title(curve["method"]), run.styles[curve["method"]], x, y, none, none, counts)


# -- the paper ---------------------------------------------------------------------------------------------------------

PAPER_DATASET = "usc-had"
PAPER_RATES = ("1 % of the labels", "2 % of the labels")
PAPER_ROWS = (  # Ouyang et al., MobiCom 2022, table 3: method, row, cost at each label rate
    ("cosmo", "Cosmo, stage 1", "101.19 min, 7286.07 kJ", "90.13 min, 6489.70 kJ"),
    ("cosmo", "Cosmo, stage 2", "25.93 min, 21.34 kJ", "49.87 min, 40.35 kJ"),
    ("deepsense", "DeepSense", "38.38 min, 30.99 kJ", "74.42 min, 60.90 kJ"),
    ("attnsense", "AttnSense", "62.52 min, 51.71 kJ", "120.98 min, 98.58 kJ"),
)


def _paper_table(run: RunData) -> Iterator[Table]:
    """The rows of the paper's Table 3 whose data set and methods the run has; nothing if it has none of them."""
    rows = [row for method, *row in PAPER_ROWS if PAPER_DATASET in run.datasets and method in run.methods]
    if not rows:
        return
    notes: tuple[Note, ...] = ()
    if "cosmo" in run.methods:
        notes = (
            Note(
                "The paper's energy of stage 1 is 1200.06 W times its duration at both label rates, so it was probably "
                "computed from a nominal power and not measured."
            ),
        )
    yield Table(
        "The paper's Table 3, for comparison",
        f"Training cost on {PAPER_DATASET} as published by Ouyang et al. (MobiCom 2022); not measured in this run. "
        "Stage 1 ran on a server with eight Titan Xp GPUs, everything else on a Jetson TX2.",
        tuple(map(Column, ("Method", *PAPER_RATES))),
        tuple(tuple(map(Text, row)) for row in rows),
        notes,
    )
