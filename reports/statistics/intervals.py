"""Means over runs and their intervals.

Intervals are Student's t-intervals, because with three to five seeds the coverage of a bootstrap interval is far below
its nominal 95 %.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reports.statistics.arrays import as_runs

LEAST_FOR_INTERVAL = 3  # runs; the interval of two is nine standard deviations wide on each side
LEAST_FOR_BOOTSTRAP = 10  # with fewer runs, a nominal 95 % interval of the percentile bootstrap covers less than 90 %


def mean(values: ArrayLike) -> Any:
    """The mean over runs.

    values: array of shape (n_runs, ...). Returns shape (...), NaN if there are no runs.

    >>> float(mean([0.5, 0.25, 0.75]))
    0.5
    >>> float(mean([]))
    nan
    """
    runs = as_runs(values)
    return runs.mean(axis=0) if len(runs) else np.full(runs.shape[1:], np.nan)[()]


def t_half_width(values: ArrayLike, confidence: float = 0.95, overlap: float = 0.0) -> Any:
    """Half the width of the t-interval of the mean over runs: t · s · √(1/n + overlap), with n − 1 in s.

    values: array of shape (n_runs, ...). overlap: 0 for independent runs. For random splits that share test subjects,
    the number of test subjects per training subject: the corrected resampled t-interval (Nadeau and Bengio 2003).
    Returns shape (...), in the unit of the values. NaN, not 0, below three runs: a single one gives no estimate of the
    spread, and the interval of two is too wide to be of use.

    >>> round(float(t_half_width([0.4, 0.5, 0.6])), 4)
    0.2484
    >>> float(t_half_width([0.4, 0.5]))
    nan
    """
    from scipy.special import stdtrit  # the t quantile; importing scipy.stats would take a second

    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    runs = as_runs(values)
    n = len(runs)
    if n < LEAST_FOR_INTERVAL:
        return np.full(runs.shape[1:], np.nan)[()]
    return stdtrit(n - 1, (1 + confidence) / 2) * runs.std(axis=0, ddof=1) * np.sqrt(1 / n + overlap)


def t_interval(values: ArrayLike, confidence: float = 0.95, overlap: float = 0.0) -> tuple[Any, Any]:
    """The t-interval of the mean over runs: (low, high).

    values: array of shape (n_runs, ...). overlap: see `t_half_width`. Returns two arrays of shape (...), both NaN below
    three runs. The interval is not clipped to [0, 1], so that it stays centred on the mean.

    >>> low, high = t_interval([0.4, 0.5, 0.6])
    >>> round(float(low), 4), round(float(high), 4)
    (0.2516, 0.7484)
    """
    centre, half = mean(values), t_half_width(values, confidence, overlap)
    return centre - half, centre + half


def paired_difference(
    first: ArrayLike, second: ArrayLike, confidence: float = 0.95, overlap: float = 0.0
) -> tuple[Any, Any, Any]:
    """The mean of the paired differences first − second and its t-interval: (mean, low, high).

    first, second: arrays of the same shape (n_runs, ...). Run i of both has the same seed and hence the same labelled
    samples; or run i is the mean over the seeds of fold i. Variation that the runs share cancels out, so the interval
    is usually narrower than those of the two means.

    Raises ValueError if the shapes differ.

    >>> centre, low, high = paired_difference([0.52, 0.61, 0.70], [0.40, 0.50, 0.60])
    >>> round(float(centre), 3), round(float(low), 3), round(float(high), 3)
    (0.11, 0.085, 0.135)
    """
    one, two = as_runs(first), as_runs(second)
    if one.shape != two.shape:
        raise ValueError(f"paired runs must have the same shape, not {one.shape} and {two.shape}")
    return mean(one - two), *t_interval(one - two, confidence, overlap)
