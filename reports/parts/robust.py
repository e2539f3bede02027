"""Comparisons that depend less on single scores than means do, the probability of practical differences, and power."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from reports import statistics
from reports.charts import LineChart, Panel, Series
from reports.document import Block, Column, Figure, Note, Prose, Table, Text
from reports.method_comparison import groups_with_values, paired_strata, paired_values
from reports.run import ACCURACY, Group, Metric, Point, RunData
from reports.text import capitalised, count, number, percent, point_values, score_notes, where_text

REGION = 0.01  # differences of at most one point are practically equivalent
LEAST_SCORES = 5
DIFFERENCE = 0.03  # the difference of the note on power
POWER = 0.8
THRESHOLDS = 51
HOW = (
    "IQM: the interquartile mean, that is, the mean of the middle half of the scores, with the 95 % interval of a "
    "stratified bootstrap, which draws seeds again but not subjects. P(improvement): the probability that a run "
    "scores higher than a run of the reference; 0.5 if they are alike. {bayesian}Nothing is corrected for multiple "
    "comparisons."
)
BAYESIAN = (
    "P(better), P(equivalent) and P(worse): the Bayesian signed-rank test on the differences from the reference, "
    "paired by seed or by fold, where differences of at most 1 point are practically equivalent. "
)


def robust_blocks(run: RunData, dataset: str, metric: Metric = ACCURACY) -> Iterator[Block]:
    """The robust comparison on one data set; yields nothing if fewer than two methods have values."""
    points = [point for point in run.points(dataset) if len(groups_with_values(run, dataset, point, metric)) > 1]
    if not points:
        return
    most = max(
        _n(_strata(run, dataset, point, metric, group.method))
        for point in points
        for group in groups_with_values(run, dataset, point, metric)
    )
    if most < LEAST_SCORES:
        yield Prose(
            f"On {dataset}, methods have at most {count(most, 'score')} at a point. Interquartile means, probabilities "
            f"and performance profiles need at least {LEAST_SCORES}."
        )
    else:
        yield _table(run, dataset, points, metric)
        yield from _profiles(run, dataset, points, metric)
    if run.overlap(dataset):
        yield Prose(
            f"On {dataset}, the folds share test subjects, so they are not independent. There is therefore neither a "
            "Bayesian test nor a number of folds that a difference needs."
        )
    else:
        yield from _power_note(run, dataset, points[0], metric)


def _strata(run: RunData, dataset: str, point: Point, metric: Metric, method: str) -> list[np.ndarray]:
    """The scores of a method at a point, shape (n_seeds,) for each fold."""
    return [scores[:, 0] for scores in paired_strata(run, dataset, point, [method], metric)]


def _n(strata: Sequence[np.ndarray]) -> int:
    return sum(map(len, strata))


# -- table -------------------------------------------------------------------------------------------------------------


def _table(run: RunData, dataset: str, points: Sequence[Point], metric: Metric) -> Table:
    """A row for each method at each point."""
    rows = []
    for point in points:
        groups = groups_with_values(run, dataset, point, metric)
        against = next((group for group in groups if group.method == run.reference), None)
        for group in groups:
            middle = _middle_cells(_strata(run, dataset, point, metric, group.method))
            cells = (*middle, *_against_cells(run, dataset, group, against, metric))
            rows.append((Text(point_values(point) or "–"), Text(run.title(group.method)), *cells))
    numbers = ("IQM (%)", "95 % interval", "n", "P(improvement)", "P(better)", "P(equivalent)", "P(worse)")
    columns = (*map(Column, ("At", "Method")), *(Column(title, True) for title in numbers))
    title = f"Robust comparison of {metric.title.lower()} with {run.title(run.reference)} on {dataset}"
    notes = (*score_notes(run, dataset), *_too_few(run, dataset, rows))
    how = HOW.format(bayesian="" if run.overlap(dataset) else BAYESIAN)
    return Table(title, how, columns, tuple(rows), notes, folded=True).without_empty_columns()


def _middle_cells(strata: Sequence[np.ndarray]) -> tuple[Text, ...]:
    """The interquartile mean of some scores, its interval and the number of scores."""
    n, middle, interval = _n(strata), Text("–"), Text("–")
    if n >= LEAST_SCORES:
        value = float(statistics.interquartile_mean(strata))
        middle = Text(percent(value), rank=value)
    if statistics.can_bootstrap(strata):
        low, high = map(float, statistics.stratified_interval(statistics.interquartile_mean, strata))
        interval = Text(f"{percent(low)} to {percent(high)}", rank=low)
    return middle, interval, Text(str(n), rank=n)


def _against_cells(
    run: RunData, dataset: str, group: Group, reference: Group | None, metric: Metric
) -> tuple[Text, ...]:
    """The probabilities of a group against the reference, each where there are enough scores.

    The Bayesian test assumes independent differences, so folds that share test subjects have none.
    """
    improvement = Text("–")
    posterior: tuple[Text, ...] = (Text("–"),) * 3
    if reference is None or group is reference:
        return improvement, *posterior
    strata = paired_strata(run, dataset, group.point, [group.method, reference.method], metric)
    if _n(strata) >= LEAST_SCORES:
        share = float(statistics.probability_of_improvement(strata))
        improvement = Text(number(share, 2), rank=share)
    ours, theirs = paired_values(group, reference, metric)
    if len(ours) >= LEAST_SCORES and not group.overlap:
        three = statistics.signed_rank_probabilities(ours, theirs, REGION)
        posterior = tuple(Text(_probability(p), rank=p) for p in three)
    return improvement, *posterior


def _probability(p: float) -> str:
    """A probability that was estimated by drawing, with as many decimals as that allows."""
    return "< 0.01" if p < 0.01 else "> 0.99" if p > 0.99 else number(p, 2)


def _too_few(run: RunData, dataset: str, rows: Sequence[tuple[Text, ...]]) -> Iterator[Note]:
    """Why cells are empty."""
    if any(row[3].text == "–" for row in rows):
        yield Note(
            f"A bootstrap interval needs at least {statistics.LEAST_FOR_BOOTSTRAP} scores, "
            f"{statistics.LEAST_PER_STRATUM} on each split; with fewer it would be too narrow."
        )
    column, bayesian = -1, f", the Bayesian test {LEAST_SCORES} seeds or, with folds, {LEAST_SCORES} folds"
    if run.overlap(dataset):
        column, bayesian = 5, ""
    if any(row[column].text == "–" and row[1].text != run.title(run.reference) for row in rows):
        yield Note(f"P(improvement) needs at least {LEAST_SCORES} scores in common with the reference{bayesian}.")


# -- performance profiles ----------------------------------------------------------------------------------------------


def _profiles(run: RunData, dataset: str, points: Sequence[Point], metric: Metric) -> Iterator[Figure]:
    """The performance profile of every method with enough scores at all points."""
    strata = _profile_strata(run, dataset, points, metric)
    if not strata:
        return
    scores = np.concatenate([some for each in strata.values() for some in each])
    low, high = math.floor(50 * scores.min()) / 50, math.ceil(50 * scores.max()) / 50
    thresholds = np.linspace(low, max(high, low + 0.02), THRESHOLDS)
    lines = tuple(_profile(run, method, each, thresholds) for method, each in strata.items())
    title = f"Performance profiles by {metric.title.lower()} on {dataset}"
    chart = LineChart((Panel("", f"{metric.title.lower()} (%)", lines),), "runs above (%)", top=100.0)
    over = f" over {count(len(points), 'point')} of the sweep" if len(points) > 1 else ""
    banded = any(line.low[0] == line.low[0] for line in lines)
    caption = (
        f"{title}: the share of runs{over} that score above each value; a method whose line is higher everywhere is "
        f"better.{' Bars are 95 % intervals of a bootstrap.' if banded else ''}"
    )
    yield Figure(title, chart, f"{title}. {_profile_alt(lines)}", caption, score_notes(run, dataset))


def _profile_strata(run: RunData, dataset: str, points: Sequence[Point], metric: Metric) -> dict[str, list[np.ndarray]]:
    """The scores of the methods that have values at all points, one array for each point and fold."""
    found = {}
    for method in run.methods:
        at_points = [_strata(run, dataset, point, metric, method) for point in points]
        strata = [scores for some in at_points for scores in some]
        if all(at_points) and _n(strata) >= LEAST_SCORES:
            found[method] = strata
    return found


def _profile(run: RunData, method: str, strata: Sequence[np.ndarray], thresholds: np.ndarray) -> Series:
    shares = 100 * statistics.performance_profile(strata, thresholds)
    low = high = np.full(len(thresholds), np.nan)
    if statistics.can_bootstrap(strata):
        ends = statistics.stratified_interval(lambda some: statistics.performance_profile(some, thresholds), strata)
        low, high = (100 * end for end in ends)
    n = _n(strata)
    x, y, bottom, top = (tuple(map(float, some)) for some in (100 * thresholds, shares, low, high))
    return Series(run.title(method), run.styles[method], x, y, bottom, top, (n,) * len(x))


def _profile_alt(lines: Sequence[Series]) -> str:
    """For each line, the first value that fewer than half of the runs reach."""
    values = {line.name: next(x for x, y in zip(line.x, line.y, strict=True) if y < 50) for line in lines}
    return f"Fewer than half of the runs are above: {'; '.join(f'{name} {number(x)} %' for name, x in values.items())}."


# -- power -------------------------------------------------------------------------------------------------------------


def _power_note(run: RunData, dataset: str, point: Point, metric: Metric) -> Iterator[Prose]:
    """How many seeds or folds a difference of three points needs, given the spread of the differences at a point."""
    groups = groups_with_values(run, dataset, point, metric)
    reference = next((group for group in groups if group.method == run.reference), None)
    if reference is None:
        return
    pairs = [paired_values(group, reference, metric) for group in groups if group is not reference]
    spreads = sorted(float(np.std(np.subtract(*pair), ddof=1)) for pair in pairs if len(pair[0]) > 2)
    where, unit = capitalised(where_text(dataset, point)), run.unit(dataset)
    if not spreads:
        text = f"unknown, because it takes the differences from the reference at three {unit}s or more"
        yield Prose(f"{where}, the number of {unit}s that a difference of 3 points needs is {text}.")
        return
    needed = [statistics.blocks_for_power(spread, DIFFERENCE, POWER) for spread in (spreads[0], spreads[-1])]
    yield Prose(
        f"{where}, the paired differences from {run.title(run.reference)} have a standard deviation of "
        f"{_span([number(100 * spread) for spread in (spreads[0], spreads[-1])])} points. To find a difference of "
        f"{100 * DIFFERENCE:.0f} points with a power of {100 * POWER:.0f} %, one two-sided paired t-test at α = 0.05 "
        f"needs {_span([f'more than {statistics.MOST_BLOCKS}' if n is None else str(n) for n in needed])} {unit}s."
    )


def _span(ends: Sequence[str]) -> str:
    return " to ".join(dict.fromkeys(ends))
