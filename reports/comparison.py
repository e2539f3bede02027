"""Methods against methods, seed by seed: what `reports.statistics` says of a run's groups of trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from reports import statistics
from reports.run import Group, Metric, Point, Run

ALPHA = 0.05


@dataclass(frozen=True)
class Lead:
    """How far a group's mean is above another's, in shares, over the seeds that both have."""

    mean: float
    low: float  # NaN below two seeds in common
    high: float
    n: int

    @property
    def clear(self) -> bool:
        return self.low > 0


@dataclass(frozen=True)
class Pair:
    """A comparison of two groups. p: Wilcoxon's, adjusted by Holm over its family; None where the test can't reject at this n.

    g: Hedges' g; biserial: rank-biserial correlation; NaN where there is none.
    """

    first: Group
    second: Group
    lead: Lead
    p: float | None
    g: float
    biserial: float


def paired_figures(one: Group, two: Group, metric: Metric) -> tuple[list[float], list[float]]:
    """Two groups' figures for the seeds that both have, in one order."""
    first, second = one.figures[metric.column], two.figures[metric.column]
    seeds = [seed for seed in first if seed in second]
    return [first[seed] for seed in seeds], [second[seed] for seed in seeds]


def lead(best: Group, other: Group, metric: Metric) -> Lead:
    """The paired lead of one group over another; all NaN if they have no seed in common."""
    one, two = paired_figures(best, other, metric)
    centre, low, high = statistics.paired_difference(one, two)
    return Lead(float(centre), float(low), float(high), len(one))


def compare(pairs: Sequence[tuple[Group, Group]], metric: Metric) -> list[Pair]:
    """Each pair compared, as one family: Holm steps down over the pairs in which both have two seeds or more."""
    figures = [paired_figures(one, two, metric) for one, two in pairs]
    family = [i for i, (one, _) in enumerate(figures) if len(one) > 1]
    adjusted = dict(zip(family, statistics.holm([statistics.wilcoxon(*figures[i]) for i in family]), strict=True))
    found = []
    for i, ((one, two), (first, second)) in enumerate(zip(pairs, figures, strict=True)):
        possible = i in adjusted and statistics.least_wilcoxon(len(first), len(family)) <= ALPHA
        p = float(adjusted[i]) if possible else None
        enough = len(first) > 1
        g = statistics.hedges_g(first, second) if enough else float("nan")
        biserial = statistics.rank_biserial(first, second) if enough else float("nan")
        found.append(Pair(one, two, lead(one, two, metric), p, g, biserial))
    return found


def with_figures(
    groups: Mapping[tuple[str, Point], Group], methods: Sequence[str], point: Point, metric: Metric
) -> list[Group]:
    """The groups at a point that have figures, in the order of the methods."""
    return [groups[m, point] for m in methods if (m, point) in groups and groups[m, point].values(metric)]


def against(run: Run, dataset: str, point: Point, metric: Metric) -> list[Pair]:
    """Every method against the reference at a point; none if the reference has no figures there."""
    groups = with_figures(run.groups(dataset), run.methods, point, metric)
    reference = next((group for group in groups if group.method == run.reference), None)
    return compare([(group, reference) for group in groups if group is not reference], metric) if reference else []


def all_pairs(run: Run, dataset: str, point: Point, metric: Metric) -> list[Pair]:
    """Every method against every other at a point, as one family."""
    return compare(list(combinations(with_figures(run.groups(dataset), run.methods, point, metric), 2)), metric)


def blocks(run: Run, dataset: str, point: Point, metric: Metric) -> tuple[list[str], np.ndarray]:
    """Methods, and their scores (n_seeds, n_methods) over the seeds that all of them have."""
    groups = with_figures(run.groups(dataset), run.methods, point, metric)
    common = (
        [s for s in groups[0].figures[metric.column] if all(s in g.figures[metric.column] for g in groups)]
        if groups
        else []
    )
    scores = np.array([[group.figures[metric.column][seed] for group in groups] for seed in common], dtype=np.float64)
    return [group.method for group in groups], scores.reshape(len(common), len(groups))


def contests(
    groups: Mapping[tuple[str, Point], Group], points: Sequence[Point], methods: Sequence[str]
) -> list[list[Group]]:
    """What stands against what: at each point the methods; with one method only, the points."""
    places = (
        [[(m, p) for m in methods] for p in points] if len(methods) > 1 else [[(m, p) for p in points] for m in methods]
    )
    return [[groups[place] for place in some if place in groups] for some in places]


def best_and_close(contest: Sequence[Group], metric: Metric) -> tuple[list[Group], list[Group]]:
    """The groups with the highest mean, and those that can't be told apart from the first of them.

    Not told apart: the paired 95 % t-interval of the difference holds 0, or there is none for want of common seeds.
    """
    shown = [group for group in contest if group.values(metric)]
    if len(shown) < 2:
        return [], []
    means = [round(float(statistics.mean(group.values(metric))), 9) for group in shown]
    best = [group for group, value in zip(shown, means, strict=True) if value == max(means)]
    others = [group for group in shown if group not in best]
    return best, [group for group in others if not lead(best[0], group, metric).clear]
