"""Methods compared with each other: paired differences, significance tests, effect sizes and ranks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reports import statistics
from reports.document import Block, Column, Figure, Note, Prose, Row, Table, Text
from reports.method_comparison import (
    ALPHA,
    GroupComparison,
    compare_all_pairs,
    compare_groups,
    compare_with_reference,
    scores_by_block,
)
from reports.parts.figures import forest_plot, rank_diagram
from reports.run import ACCURACY, Metric, Point, RunData, is_number
from reports.statistics import LEAST_FOR_INTERVAL
from reports.text import (
    capitalised,
    count,
    listing,
    number,
    option_title,
    point_values,
    score_notes,
    value_text,
    where_text,
)

if TYPE_CHECKING:
    import numpy as np

HOW = "Methods are left out where most of their trials predict a single class."
COLUMNS = {  # of a table of comparisons, with what they are
    "Points": "Points: mean difference in percentage points, paired by {unit}.",
    "95 % interval": "95 % interval: Student's t, not corrected for multiple comparisons.",
    "n": "n: number of common {unit}s.",
    "p (Holm)": "p: Wilcoxon's signed-rank test, two-sided, with Holm's correction over {family}.",
    "g": "g: Hedges' g of the paired differences.",
    "r": "r: matched-pairs rank-biserial correlation of the differences.",
}

MOST_OPEN = 12  # rows of a table that a page shows without folding it


@dataclass(frozen=True)
class Family:
    """The comparisons that Holm's correction is over: how many, and which in words."""

    size: int
    name: str


NamedComparison = tuple[str, str, GroupComparison]  # two names, and the comparison


def comparison_blocks(run: RunData, dataset: str, metric: Metric = ACCURACY) -> Iterator[Block]:
    """Comparisons of the methods on one data set; yields nothing if fewer than two of them have values."""
    compared = [(point, compare_with_reference(run, dataset, point, metric)) for point in run.points(dataset)]
    compared = [(point, comparisons) for point, comparisons in compared if comparisons]
    if not compared:
        return
    first_point, first = compared[0]
    blocks = [
        *_friedman_blocks(run, dataset, first_point, metric),
        *_reference_plot(run, dataset, first_point, first, metric),
    ]
    yield from (block for block in blocks if not isinstance(block, Figure))
    if figures := tuple(block for block in blocks if isinstance(block, Figure)):
        yield Row(figures)
    rows = [(point_values(point) or "–", run.title(c.first.method), c) for point, some in compared for c in some]
    title = f"{metric.title} relative to {run.title(run.reference)} on {dataset}"
    family = Family(
        len(first), "the comparisons at one point of the sweep" if run.swept(dataset) else "all comparisons"
    )
    table = pairs_table(title, ("At", "Method"), rows, family, score_notes(run, dataset))
    yield replace(table, folded=len(rows) > MOST_OPEN)
    pairs = compare_all_pairs(run, dataset, first_point, metric)
    if len(pairs) > len(first):
        title = f"{metric.title}: all pairs {where_text(dataset, first_point)}"
        matrix = pairs_matrix(run, title, pairs, score_notes(run, dataset))
        yield replace(matrix, folded=len(matrix.rows) > MOST_OPEN)


def _reference_plot(
    run: RunData, dataset: str, point: Point, comparisons: Sequence[GroupComparison], metric: Metric
) -> Iterator[Figure]:
    reference = run.title(run.reference)
    figure = forest_plot(
        f"{metric.title} relative to {reference} {where_text(dataset, point)}",
        comparisons,
        [run.title(comparison.first.method) for comparison in comparisons],
        [run.styles[comparison.first.method] for comparison in comparisons],
        f"{metric.title} minus that of {reference} {where_text(dataset, point)}, in percentage points, paired by "
        f"{comparisons[0].first.unit}{_intervals_text(comparisons)}. To the left of 0, {reference} is better.",
        score_notes(run, dataset),
    )
    if figure:
        yield figure


def _intervals_text(comparisons: Sequence[GroupComparison]) -> str:
    """Names the intervals of a plot, if it has any."""
    return ", with 95 % t-intervals" if _has_intervals(comparisons) else ""


def _has_intervals(comparisons: Sequence[GroupComparison]) -> bool:
    return any(comparison.difference.n >= LEAST_FOR_INTERVAL for comparison in comparisons)


# -- tables ------------------------------------------------------------------------------------------------------------


def pairs_table(
    title: str, columns: tuple[str, str], rows: Sequence[NamedComparison], family: Family, notes: tuple[Note, ...]
) -> Table:
    """Comparisons with difference, interval, p value and effect sizes, and a caption that says what each of them is.

    columns: the titles of the columns of both names. Columns without a value are left out.
    """
    without_p = [comparison for *_, comparison in rows if comparison.p is None]
    any_p = len(without_p) < len(rows)
    cells = tuple((Text(first), Text(second), *_comparison_cells(some, any_p)) for first, second, some in rows)
    if without_p:
        notes += (_no_p_value(without_p, family.size),)
    every = (*map(Column, columns), *(Column(title, True) for title in COLUMNS))
    table = Table(title, "", every, cells, notes).without_empty_columns()
    shown = [COLUMNS[column.title] for column in table.columns if column.title in COLUMNS]
    return replace(table, caption=" ".join(shown).format(unit=rows[0][2].first.unit, family=family.name))


def pairs_matrix(run: RunData, title: str, pairs: Sequence[GroupComparison], notes: tuple[Note, ...]) -> Table:
    """All pairs of methods: above the diagonal the differences, row minus column, and below it their p values, if any.

    pairs: each pair of methods once; they are one family in Holm's correction.
    """
    found = {(pair.first.method, pair.second.method): pair for pair in pairs}
    methods = list(dict.fromkeys(method for pair in found for method in pair))
    with_p = any(pair.p is not None for pair in pairs)
    down, across = (methods, methods) if with_p else (methods[:-1], methods[1:])  # without empty ones
    rows = tuple(
        (Text(run.title(row)), *(_matrix_cell(found.get((row, column)), found.get((column, row))) for column in across))
        for row in down
    )
    columns = (Column("Method"), *(Column(run.title(method), True) for method in across))
    without_p = [pair for pair in pairs if pair.p is None]
    half_width = ", ± the half-width of the 95 % t-interval" if _has_intervals(pairs) else ""
    caption = f"Above the diagonal: row minus column, in percentage points{half_width}."
    if with_p:
        caption += f" Below: p of the same pair, with Holm's correction over {len(pairs)} pairs."
    if without_p:
        notes += (_no_p_value(without_p, len(pairs)),)
    return Table(title, caption, columns, rows, notes)


def _matrix_cell(above: GroupComparison | None, below: GroupComparison | None) -> Text:
    """The cell of a pair above or below the diagonal; empty on it."""
    if above is not None:
        difference = above.difference
        half_width = f" ± {number(50 * (difference.high - difference.low))}" if _has_intervals([above]) else ""
        return Text(number(100 * difference.mean) + half_width, rank=difference.mean) if difference.n else Text("–")
    return Text("") if below is None or below.p is None else Text(p_text(below.p), rank=below.p)


def _comparison_cells(comparison: GroupComparison, any_p: bool) -> tuple[Text, ...]:
    """The cells of a comparison. any_p: whether any of the table has a p value; else no cell says why it has none."""
    difference = comparison.difference
    points = Text(number(100 * difference.mean), rank=100 * difference.mean) if difference.n else Text("–")
    interval = p = Text("–")
    if _has_intervals([comparison]):
        low, high = 100 * difference.low, 100 * difference.high
        interval = Text(f"{number(low)} to {number(high)}", rank=low)
    if difference.n > 1 and any_p:
        p = Text(_why_no_p(comparison)) if comparison.p is None else Text(p_text(comparison.p), rank=comparison.p)
    n = Text(str(difference.n), rank=difference.n)
    return (points, interval, n, p, _effect(comparison.g), _effect(comparison.biserial))


def _why_no_p(comparison: GroupComparison) -> str:
    return "–" if comparison.first.overlap else f"too few {comparison.first.unit}s"


def _no_p_value(comparisons: Sequence[GroupComparison], family: int) -> Note:
    """Why some comparisons have no p value. Only the seeds or folds at which the scores differ count."""
    unit = comparisons[0].first.unit
    if comparisons[0].first.overlap:
        return Note("No p values: the folds share test subjects, so they are not independent, as the test assumes.")
    most = max(comparisons, key=lambda comparison: comparison.n_nonzero)
    any_equal = any(comparison.n_nonzero < comparison.difference.n for comparison in comparisons)
    differ = " on which the scores differ" if any_equal and unit == "fold" else ""
    differ = " at which the scores differ" if any_equal and unit == "seed" else differ
    return Note(
        f"Too few {unit}s for a p value; at least {statistics.runs_to_reject(family)}{differ} are needed. With "
        f"{count(most.n_nonzero, unit)}{differ} and {count(family, 'comparison')}, the smallest possible adjusted p of "
        f"Wilcoxon's test is {p_text(most.least_p)}.",
    )


def p_text(p: float) -> str:
    """A p value with three decimals, or as less than 0.001.

    >>> p_text(0.03125), p_text(0.00001)
    ('0.031', '< 0.001')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _effect(value: float) -> Text:
    return Text(number(value, 2) if value == value else "–")


# -- ablation ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ablation:
    """A sweep over names on one data set. baseline: the point that all others are compared with."""

    run: RunData
    dataset: str
    metric: Metric
    points: list[Point]
    baseline: Point

    @property
    def option(self) -> str:
        return self.baseline.options[0]

    @property
    def baseline_name(self) -> str:
        value = self.baseline.values[0]
        return "the full method" if value == "nothing" else value_text(value, self.option)

    def affects(self, method: str) -> bool:
        """Whether the option affects a method. If it does not, the trials at all points are the same jobs."""
        trials = self.run.trials_by_group(self.dataset)
        keys = [{trial["key"] for trial in trials.get((method, point), ())} for point in self.points]
        return any(found != keys[0] for found in keys)

    def compare(self, method: str) -> list[GroupComparison]:
        """A method at each other point minus the same method at the baseline; empty if that has no values."""
        groups = self.run.groups(self.dataset)
        found = [groups[method, point] for point in self.points if (method, point) in groups]
        shown = [group for group in found if group.values(self.metric)]
        baseline = next((group for group in shown if group.point == self.baseline), None)
        if baseline is None:
            return []
        return compare_groups([(group, baseline) for group in shown if group is not baseline], self.metric)


def _ablation(run: RunData, dataset: str, metric: Metric) -> _Ablation | None:
    """The ablation on a data set; None unless it sweeps one option, over at least two values, not all numbers."""
    points = run.points(dataset)
    if len(run.swept(dataset)) != 1 or len(points) < 2 or all(is_number(point.values[0]) for point in points):
        return None
    baseline = next((point for point in points if point.values[0] == "nothing"), points[0])
    return _Ablation(run, dataset, metric, points, baseline)


def ablation_blocks(run: RunData, dataset: str, metric: Metric = ACCURACY) -> Iterator[Block]:
    """A sweep over names (ablations, readings, networks): what each value changes, compared with the baseline.

    The baseline is the value ``nothing``, which is the full method of an ablation, or else the first value. Methods
    that the option does not affect are only named. Yields nothing if the sweep is over numbers or over several options.
    """
    if (ablation := _ablation(run, dataset, metric)) is None:
        return
    affected = [method for method in run.methods if ablation.affects(method)]
    compared = {method: found for method in affected if (found := ablation.compare(method))}
    if not compared:
        return
    title = f"{metric.title} on {dataset}: {option_title(ablation.option)} against {ablation.baseline_name}"
    first, notes = next(iter(compared.values())), score_notes(run, dataset)
    yield from _ablation_plot(ablation, title, first, notes)
    rows = [(run.title(method), point_values(c.first.point), c) for method, found in compared.items() for c in found]
    family = Family(len(first), "the comparisons of one method")
    yield pairs_table(title, ("Method", option_title(ablation.option)), rows, family, notes)
    if others := [run.title(method) for method in run.methods if method not in affected]:
        yield Prose(f"The option does not affect {listing(others)}.")


def _ablation_plot(
    ablation: _Ablation, title: str, comparisons: Sequence[GroupComparison], notes: tuple[Note, ...]
) -> Iterator[Figure]:
    """The comparisons of one method."""
    names = [point_values(comparison.first.point) for comparison in comparisons]
    styles = [ablation.run.styles[comparison.first.method] for comparison in comparisons]
    caption = (
        f"{ablation.metric.title} minus that of {ablation.baseline_name}, in percentage points, paired by "
        f"{comparisons[0].first.unit}{_intervals_text(comparisons)}."
    )
    if figure := forest_plot(title, comparisons, names, styles, caption, notes):
        yield figure


# -- ranks -------------------------------------------------------------------------------------------------------------


def _friedman_blocks(run: RunData, dataset: str, point: Point, metric: Metric) -> Iterator[Block]:
    """Friedman's test over the blocks at a point, then the ranks of the methods if the test can be significant."""
    methods, scores = scores_by_block(run, dataset, point, metric)
    n, k = scores.shape
    if k < 3 or n < 2 or run.overlap(dataset):  # folds that share test subjects are not independent
        return
    unit = run.unit(dataset)
    where = capitalised(where_text(dataset, point))
    if statistics.least_friedman(n, k) > ALPHA:
        yield Prose(f"{where}, Friedman's test cannot reach significance with {count(n, unit)} and {k} methods.")
        return
    yield Prose(f"{where}, {_friedman_text(scores, unit)}")
    title = f"Ranks by {metric.title.lower()} {where_text(dataset, point)}"
    yield _ranks(run, title, methods, scores, metric, dataset)


def _friedman_text(scores: np.ndarray, unit: str) -> str:
    """The result of Friedman's test in words. scores: shape (n_blocks, n_methods)."""
    statistic, p = statistics.friedman(scores)
    p_value = p_text(p) if p_text(p).startswith("<") else f"= {p_text(p)}"
    differ = "at least one method differs significantly"
    verdict = differ if p <= ALPHA else "no significant difference between the methods"
    return f"Friedman's test over {count(len(scores), unit)} gives χ² = {number(statistic, 2)}, p {p_value}: {verdict}."


def _ranks(run: RunData, title: str, methods: Sequence[str], scores: np.ndarray, metric: Metric, dataset: str) -> Block:
    """The critical-difference diagram, or why there is none. scores: shape (n_blocks, n_methods)."""
    n, k = scores.shape
    unit, critical = run.unit(dataset), statistics.critical_difference(n, k)
    if critical >= k - 1:
        needed = next(more for more in range(n, 10_000) if statistics.critical_difference(more, k) < k - 1)
        return Prose(
            f"There is no critical-difference diagram: with {count(n, unit)} Nemenyi's critical difference is "
            f"{number(critical, 2)}, but the ranks of {k} methods differ by at most {k - 1}. At least {needed} {unit}s "
            "are needed."
        )
    return rank_diagram(
        title,
        [run.title(method) for method in methods],
        [run.styles[method] for method in methods],
        statistics.mean_ranks(scores).tolist(),
        critical,
        f"{title}, means over {count(n, unit)}. A bar joins methods whose ranks differ by less "
        f"than Nemenyi's critical difference of {number(critical, 2)} (α = 0.05).",
        score_notes(run, dataset),
    )
