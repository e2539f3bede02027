"""Effect sizes of paired runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from reports.statistics.arrays import as_runs, nonzero_differences


def hedges_g(first: ArrayLike, second: ArrayLike) -> float:
    """Hedges' g of paired runs: the mean difference over its standard deviation, corrected for small samples.

    first, second: arrays of shape (n_runs,). NaN below three runs, where the correction is not defined, and if all
    differences are equal. Source: Hedges 1981, the exact form with the gamma function.

    >>> round(hedges_g([3, 5, 7, 6], [1, 2, 3, 5]), 3)
    1.401
    """
    from scipy.special import gammaln

    differences = np.round(as_runs(first) - as_runs(second), 12)
    free = len(differences) - 1
    spread = differences.std(ddof=1) if free > 1 else 0.0
    if not spread > 0:
        return float("nan")
    correction = np.exp(gammaln(free / 2) - gammaln((free - 1) / 2)) / np.sqrt(free / 2)
    return float(correction * differences.mean() / spread)


def rank_biserial(first: ArrayLike, second: ArrayLike) -> float:
    """The matched-pairs rank-biserial correlation: (favourable − unfavourable rank sum) / their sum, from −1 to 1.

    first, second: arrays of shape (n_runs,). NaN if no pair differs.

    >>> rank_biserial([3, 5, 7], [1, 2, 8])
    0.6666666666666666
    """
    from scipy.stats import rankdata

    differences = nonzero_differences(first, second)
    if not len(differences):
        return float("nan")
    ranks = rankdata(np.abs(differences))
    return float((ranks * np.sign(differences)).sum() / ranks.sum())
