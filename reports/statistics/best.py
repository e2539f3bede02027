"""Comparisons with the best method that allow for the choice of the best from the same scores.

The best of several equal methods is ahead of the worst by more than a test of two methods allows for. The intervals
here are therefore simultaneous for all pairs of methods (Tukey's method for randomised blocks; Hsu 1996, *Multiple
Comparisons*, chapter 5), so that they hold whichever pair is looked at.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from reports.statistics.arrays import Array, as_runs
from reports.statistics.intervals import LEAST_FOR_INTERVAL


def differences_from(chosen: int, scores: ArrayLike, confidence: float = 0.95) -> tuple[Array, Array]:
    """The mean paired differences of one method minus each, and the half-widths of their simultaneous intervals.

    scores: array of shape (n_blocks, n_methods), NaN where a method has no score. A pair is compared in the blocks that
    both have. Returns two arrays of shape (n_methods,): the differences, NaN without a common block, and the
    half-widths, NaN with fewer than three common blocks. Those of the chosen method itself are 0.

    The half-width is q · s / √(2 n), with q the quantile of the studentised range over all methods, n the number of
    common blocks and s the standard deviation of a difference between two methods. Tukey's method takes s from the
    residuals of methods and blocks together, which is right if all pairs of methods vary equally. As they often do
    not, s is here the larger of that and the pair's own standard deviation.

    Raises ValueError unless there are at least two methods.

    >>> difference, half = differences_from(1, [[0.5, 0.7, 0.6], [0.4, 0.7, 0.7], [0.3, 0.5, 0.3]])
    >>> difference.round(3).tolist(), half.round(3).tolist()
    ([0.233, 0.0, 0.1], [0.227, 0.0, 0.227])
    """
    values = as_runs(scores)
    if values.ndim != 2 or values.shape[1] < 2:
        raise ValueError(f"scores must have the shape (n_blocks, n_methods) with two methods or more: {values.shape}")
    differences, half_widths = np.full((2, values.shape[1]), np.nan)
    variance, freedom = _residual_variance(values)
    q = _studentised_range(confidence, values.shape[1], freedom)
    for other in range(values.shape[1]):
        pairs = np.round(values[:, chosen] - values[:, other], 12)
        pairs = pairs[~np.isnan(pairs)]
        differences[other] = pairs.mean() if len(pairs) else np.nan
        if len(pairs) >= LEAST_FOR_INTERVAL:
            spread = np.sqrt(max(2 * variance, pairs.var(ddof=1)))
            half_widths[other] = q * spread / np.sqrt(2 * len(pairs))
    half_widths[chosen] = 0.0
    return differences, half_widths


def _residual_variance(values: Array) -> tuple[float, int]:
    """The variance of the scores about the sum of a method's and a block's effect, and its degrees of freedom."""
    block, method = np.nonzero(~np.isnan(values))
    n_blocks, n_methods = values.shape
    design = np.hstack([np.eye(n_blocks)[block], np.eye(n_methods)[method]])
    seen = values[block, method]
    effects, _, rank, _ = np.linalg.lstsq(design, seen, rcond=None)
    freedom = len(seen) - int(rank)
    residuals = np.round(seen - design @ effects, 12)
    return (float(residuals @ residuals) / freedom if freedom else np.nan), freedom


@cache
def _studentised_range(confidence: float, n_methods: int, freedom: int) -> float:
    from scipy.stats import studentized_range  # importing it and the quantile take most of a second

    return float(studentized_range.ppf(confidence, n_methods, freedom))
