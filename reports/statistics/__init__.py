"""Statistics as pure functions of arrays. docs/statistics.md explains each of them.

The first axis of an array is always the runs (seeds); further axes are kept. NaN values are propagated, never dropped,
unless a function says otherwise.
"""

from reports.statistics.arrays import nonzero_differences
from reports.statistics.bayesian import signed_rank_probabilities
from reports.statistics.best import differences_from
from reports.statistics.effects import hedges_g, rank_biserial
from reports.statistics.intervals import (
    LEAST_FOR_BOOTSTRAP,
    LEAST_FOR_INTERVAL,
    mean,
    paired_difference,
    t_half_width,
    t_interval,
)
from reports.statistics.power import MOST_BLOCKS, blocks_for_power, detectable_difference
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
from reports.statistics.robust import (
    LEAST_PER_STRATUM,
    can_bootstrap,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
    stratified_interval,
)

__all__ = [
    "LEAST_FOR_BOOTSTRAP",
    "LEAST_FOR_INTERVAL",
    "LEAST_PER_STRATUM",
    "MOST_BLOCKS",
    "blocks_for_power",
    "can_bootstrap",
    "critical_difference",
    "detectable_difference",
    "differences_from",
    "friedman",
    "hedges_g",
    "holm",
    "interquartile_mean",
    "least_friedman",
    "least_wilcoxon",
    "mean",
    "mean_ranks",
    "nonzero_differences",
    "paired_difference",
    "performance_profile",
    "probability_of_improvement",
    "rank_biserial",
    "runs_to_reject",
    "signed_rank_probabilities",
    "stratified_interval",
    "t_half_width",
    "t_interval",
    "wilcoxon",
]
