"""Paired comparisons of the methods of one run: applies `reports.statistics` to groups of trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from reports import statistics
from reports.run import Group, GroupKey, Metric, Point, RunData, Trial, is_missing

ALPHA = 0.05


@dataclass(frozen=True)
class PairedDifference:
    """The mean difference between two groups over ``n`` common blocks (seeds or folds), with a 95 % interval, as
    fractions.

    low, high: NaN with fewer than three common blocks. mean: NaN with none.
    """

    mean: float
    low: float
    high: float
    n: int

    @property
    def significant(self) -> bool:
        """Whether the whole interval lies above 0, so that the first group is significantly better."""
        return self.low > 0


@dataclass(frozen=True)
class GroupComparison:
    """Two groups compared block by block, that is seed by seed or fold by fold.

    p: Wilcoxon's p value, adjusted by Holm's method over its family; None if ``least_p`` is above `ALPHA`, and if folds
    share test subjects, as they are then not independent. n_nonzero: the number of blocks at which the scores differ.
    least_p: the smallest adjusted p that so many allow.
    g: Hedges' g. biserial: rank-biserial correlation. Both are NaN where they are not defined.
    """

    first: Group
    second: Group
    difference: PairedDifference
    p: float | None
    least_p: float
    n_nonzero: int
    g: float
    biserial: float


def paired_values(first: Group, second: Group, metric: Metric) -> tuple[list[float], list[float]]:
    """The values of two groups at their common blocks, in the same order."""
    ours, theirs = first.scores[metric.column], second.scores[metric.column]
    blocks = [block for block in ours if block in theirs]
    return [ours[block] for block in blocks], [theirs[block] for block in blocks]


def paired_difference(first: Group, second: Group, metric: Metric) -> PairedDifference:
    """The first group minus the second; all NaN if they have no common block."""
    ours, theirs = paired_values(first, second, metric)
    mean, low, high = statistics.paired_difference(ours, theirs, overlap=first.overlap)
    return PairedDifference(float(mean), float(low), float(high), len(ours))


def compare_groups(pairs: Sequence[tuple[Group, Group]], metric: Metric) -> list[GroupComparison]:
    """Compare pairs; all form one family for Holm's method, except those with fewer than two common blocks."""
    values = [paired_values(first, second, metric) for first, second in pairs]
    family = [i for i, (ours, _) in enumerate(values) if len(ours) > 1]
    n_nonzero = [len(statistics.nonzero_differences(*some)) for some in values]
    adjusted = dict(zip(family, statistics.holm([statistics.wilcoxon(*values[i]) for i in family]), strict=True))
    least = dict(zip(family, statistics.holm([statistics.least_wilcoxon(n_nonzero[i]) for i in family]), strict=True))
    comparisons = []
    for i, (first, second) in enumerate(pairs):
        least_p = float(least.get(i, 1.0))
        p = float(adjusted[i]) if least_p <= ALPHA and not first.overlap else None
        g = statistics.hedges_g(*values[i]) if i in adjusted else float("nan")
        biserial = statistics.rank_biserial(*values[i]) if i in adjusted else float("nan")
        difference = paired_difference(first, second, metric)
        comparisons.append(GroupComparison(first, second, difference, p, least_p, n_nonzero[i], g, biserial))
    return comparisons


def compare_with_reference(run: RunData, dataset: str, point: Point, metric: Metric) -> list[GroupComparison]:
    """Every method minus the reference at a point; empty if the reference has no values there."""
    groups = groups_with_values(run, dataset, point, metric)
    reference = next((group for group in groups if group.method == run.reference), None)
    if reference is None:
        return []
    return compare_groups([(group, reference) for group in groups if group is not reference], metric)


def compare_all_pairs(run: RunData, dataset: str, point: Point, metric: Metric) -> list[GroupComparison]:
    """Each pair of methods at a point; all pairs form one family for Holm's method."""
    return compare_groups(list(combinations(groups_with_values(run, dataset, point, metric), 2)), metric)


def groups_with_values(run: RunData, dataset: str, point: Point, metric: Metric) -> list[Group]:
    """The groups at a point that have values, in the order of the run's methods, without constant predictors."""
    groups = run.groups(dataset)
    found = [groups[method, point] for method in run.methods if (method, point) in groups]
    return [group for group in found if group.values(metric) and not run.is_constant(dataset, group)]


def scores_by_block(run: RunData, dataset: str, point: Point, metric: Metric) -> tuple[list[str], np.ndarray]:
    """The methods with values at a point, and their scores of shape (n_blocks, n_methods) at their common blocks."""
    groups = groups_with_values(run, dataset, point, metric)
    scores = all_scores(groups, metric)
    return [group.method for group in groups], scores[~np.isnan(scores).any(axis=1)]


def all_scores(groups: Sequence[Group], metric: Metric) -> np.ndarray:
    """The scores of groups, shape (n_blocks, n_groups), at the blocks of any of them; NaN where a group has none."""
    scores = [group.scores[metric.column] for group in groups]
    blocks = sorted({block for some in scores for block in some})
    rows = [[some.get(block, np.nan) for some in scores] for block in blocks]
    return np.array(rows, dtype=np.float64).reshape(len(blocks), len(groups))


def paired_strata(run: RunData, dataset: str, point: Point, methods: Sequence[str], metric: Metric) -> list[np.ndarray]:
    """The scores of methods at a point: an array of shape (n_seeds, n_methods) for each fold, one without folds.

    The seeds are those at which all of the methods have a score in that fold.
    """
    scores = [_score_by_place(run.done_trials(dataset, point, method), metric) for method in methods]
    common = sorted(set(scores[0]).intersection(*scores[1:]))
    return [
        np.array([[some[place] for some in scores] for place in common if place[0] == fold])
        for fold in dict.fromkeys(fold for fold, _ in common)
    ]


def _score_by_place(trials: Sequence[Trial], metric: Metric) -> dict[tuple[int, int], float]:
    """The scores of trials by fold (0 without folds) and seed."""
    scored = [trial for trial in trials if not is_missing(trial[metric.column])]
    return {(trial.get("fold") or 0, trial["seed"]): float(trial[metric.column]) for trial in scored}


def contests(groups: Mapping[GroupKey, Group], points: Sequence[Point], methods: Sequence[str]) -> list[list[Group]]:
    """The groups among which the best is marked: all methods at each point or, with a single method, all its points."""
    if len(methods) > 1:
        keys = [[(method, point) for method in methods] for point in points]
    else:
        keys = [[(method, point) for point in points] for method in methods]
    return [[groups[key] for key in some if key in groups] for some in keys]


def rounded_mean(values: Sequence[float]) -> float:
    """The mean of scores to rank by. It is rounded, so that the same scores in another order have the same mean."""
    return round(float(statistics.mean(values)), 9)


def best_and_close(contest: Sequence[Group], metric: Metric) -> tuple[list[Group], list[Group]]:
    """The groups with the highest mean, and those that are not significantly worse than the first of these.

    Not significantly worse: the simultaneous 95 % interval of the best minus the group is not entirely above 0, or
    cannot be computed because there are fewer than three common blocks.
    """
    shown = [group for group in contest if group.values(metric)]
    if len(shown) < 2:
        return [], []
    means = [rounded_mean(group.values(metric)) for group in shown]
    best = [group for group, value in zip(shown, means, strict=True) if value == max(means)]
    others = [group for group in shown if group not in best]
    differences = simultaneous_differences(best[0], [*best[1:], *others], metric)[len(best) - 1 :]
    return best, [group for group, some in zip(others, differences, strict=True) if not some.significant]


def simultaneous_differences(best: Group, others: Sequence[Group], metric: Metric) -> list[PairedDifference]:
    """A group minus each of the others, with intervals that hold for all pairs of these groups at the same time.

    So they may be used for the best of the groups, although it was chosen because of its scores.
    """
    scores = all_scores([best, *others], metric)
    if not others:
        return []
    means, half_widths = statistics.differences_from(0, scores)
    common = (~np.isnan(scores) & ~np.isnan(scores[:, :1])).sum(axis=0)
    half_widths *= np.sqrt(1 + common * best.overlap)  # as in statistics.t_half_width
    return [
        PairedDifference(float(mean), float(mean - half), float(mean + half), int(n))
        for mean, half, n in zip(means[1:], half_widths[1:], common[1:], strict=True)
    ]
