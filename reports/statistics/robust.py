"""Statistics that depend less on single runs than means do, with stratified bootstrap intervals.

``strata`` is a sequence of arrays, one for each stratum (a fold, a point of a sweep), whose first axis is the runs of
the stratum. Source: Agarwal et al. 2021, *Deep reinforcement learning at the edge of the statistical precipice*; a
stratum is what they call a task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from reports.statistics.arrays import Array, as_runs
from reports.statistics.intervals import LEAST_FOR_BOOTSTRAP

LEAST_PER_STRATUM = 5  # with fewer, resampling within the strata gives intervals that are too narrow
Strata = Sequence[Array]


def interquartile_mean(strata: Sequence[ArrayLike]) -> Array:
    """The mean of the middle half of the scores of all strata together.

    strata: arrays of shape (n_runs, ...). Returns shape (...). A quarter of the scores, rounded down, is left out at
    either end; with fewer than four scores it is the mean.

    >>> float(interquartile_mean([[0.1, 0.4, 0.5], [0.6, 0.9]]))
    0.5
    """
    from scipy.stats import trim_mean

    return np.asarray(trim_mean(np.concatenate([as_runs(stratum) for stratum in strata]), 0.25, axis=0))


def probability_of_improvement(strata: Sequence[ArrayLike]) -> Array:
    """The probability that a run of the first method scores higher than a run of the second in the same stratum.

    strata: arrays of shape (n_runs, 2, ...) with the scores of both methods. Equal scores count half. Returns shape
    (...), the mean over the strata; 0.5 if the methods have the same distribution.

    >>> float(probability_of_improvement([[[0.5, 0.4], [0.6, 0.5], [0.3, 0.2]]]))
    0.7222222222222222
    """
    shares = []
    for stratum in map(as_runs, strata):
        first, second = stratum[:, None, 0], stratum[None, :, 1]
        shares.append(((first > second) + 0.5 * (first == second)).mean(axis=(0, 1)))
    return np.mean(shares, axis=0)


def performance_profile(strata: Sequence[ArrayLike], thresholds: ArrayLike) -> Array:
    """The share of runs with a score above each threshold, as a mean over the strata.

    strata: arrays of shape (n_runs, ...). thresholds: shape (n_thresholds,). Returns shape (..., n_thresholds).

    >>> performance_profile([[0.2, 0.4], [0.6, 0.8]], [0.3, 0.5, 0.7]).tolist()
    [0.75, 0.5, 0.25]
    """
    above = [(as_runs(stratum)[..., None] > np.asarray(thresholds)).mean(axis=0) for stratum in strata]
    return np.mean(above, axis=0)


def can_bootstrap(strata: Sequence[ArrayLike]) -> bool:
    """Whether there are enough runs for `stratified_interval`."""
    counts = [len(as_runs(stratum)) for stratum in strata]
    return sum(counts) >= LEAST_FOR_BOOTSTRAP and min(counts, default=0) >= LEAST_PER_STRATUM


def stratified_interval(
    statistic: Callable[[Strata], Array],
    strata: Sequence[ArrayLike],
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[Array, Array]:
    """The percentile bootstrap interval of a statistic, whose runs are drawn again within each stratum: (low, high).

    statistic: takes strata of shape (n_runs, ..., resamples) and returns shape (resamples, ...), as the functions above
    do. strata: arrays of shape (n_runs, ...); all scores of a run are drawn together. The strata are fixed, so the
    interval does not extend to others. In simulations with normal scores and the least numbers that are accepted, a
    nominal 95 % interval of the interquartile mean covered 92 to 93 %.

    Raises ValueError below ten runs in all or five in a stratum.

    >>> low, high = stratified_interval(interquartile_mean, [np.arange(12) / 12])
    >>> bool(0.2 < low < 0.35), bool(0.55 < high < 0.7)
    (True, True)
    """
    runs = [as_runs(stratum) for stratum in strata]
    if not can_bootstrap(runs):
        raise ValueError(
            f"a bootstrap needs at least {LEAST_FOR_BOOTSTRAP} runs, {LEAST_PER_STRATUM} in each stratum, "
            f"not {[len(stratum) for stratum in runs]}"
        )
    random = np.random.default_rng(seed)
    drawn = [stratum[random.integers(0, len(stratum), (len(stratum), resamples))] for stratum in runs]
    # The axis of the resamples goes to the end of the axes of a run, where every statistic keeps it.
    values = statistic([np.moveaxis(stratum, 1, stratum.ndim - 1) for stratum in drawn])
    tail = [50 * (1 - confidence), 50 * (1 + confidence)]
    low, high = np.percentile(values, tail, axis=0)
    return low, high
