"""Statistics as pure functions of arrays. docs/statistics.md explains each of them.

The first axis of an array is always the runs (seeds); further axes are kept. NaN values are propagated, never dropped,
unless a function says otherwise.
"""

from reports.statistics.arrays import nonzero_differences
from reports.statistics.best import differences_from
from reports.statistics.effects import hedges_g, rank_biserial
from reports.statistics.intervals import bootstrap_interval, mean, paired_difference, t_half_width, t_interval
from reports.statistics.ranks import (
    critical_difference,
    friedman,
    holm,
    least_friedman,
    least_wilcoxon,
    mean_ranks,
    runs_to_reject,
    wilcoxon,
)

__all__ = [
    "bootstrap_interval",
    "critical_difference",
    "differences_from",
    "friedman",
    "hedges_g",
    "holm",
    "least_friedman",
    "least_wilcoxon",
    "mean",
    "mean_ranks",
    "nonzero_differences",
    "paired_difference",
    "rank_biserial",
    "runs_to_reject",
    "t_half_width",
    "t_interval",
    "wilcoxon",
]
