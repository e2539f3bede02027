"""Tests on ranks, and corrections for multiple comparisons.

The functions ``least_…`` give the smallest p value that a test can reach, to distinguish a test that cannot reject from
one that does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from reports.statistics.arrays import Array, as_runs, nonzero_differences


def wilcoxon(first: ArrayLike, second: ArrayLike) -> float:
    """The two-sided p value of Wilcoxon's signed-rank test on paired runs; 1 if no pair differs.

    first, second: arrays of shape (n_runs,). Pairs without a difference are left out, and ties share their mean rank.
    The p value is exact with ties as well: the share of all 2ⁿ signs with which the sum of the ranks is as extreme.

    Raises ValueError if the shapes differ.

    >>> wilcoxon([5, 6, 7, 8, 9], [1, 1, 1, 1, 1])
    0.0625
    """
    from scipy.stats import rankdata

    differences = nonzero_differences(first, second)
    doubled = np.rint(2 * rankdata(np.abs(differences))).astype(int)  # mean ranks are multiples of one half
    shares = np.ones(1)  # of the signs, by the sum of the doubled ranks with a positive sign
    for rank in doubled:
        shares = (np.pad(shares, (0, rank)) + np.pad(shares, (rank, 0))) / 2
    positive = doubled[differences > 0].sum()
    return float(min(1.0, 2 * min(shares[: positive + 1].sum(), shares[positive:].sum())))


def least_wilcoxon(n_nonzero: int, n_comparisons: int = 1) -> float:
    """The smallest p value that Wilcoxon's test can reach after Holm's correction over ``n_comparisons``.

    n_nonzero: the number of pairs that differ, because the test leaves out pairs without a difference.

    >>> least_wilcoxon(5), least_wilcoxon(8), least_wilcoxon(8, 5) < 0.05, least_wilcoxon(9, 15) < 0.05
    (0.0625, 0.0078125, True, False)
    """
    return min(1.0, n_comparisons * 2.0 ** (1 - n_nonzero)) if n_nonzero else 1.0


def runs_to_reject(n_comparisons: int = 1, alpha: float = 0.05) -> int:
    """The smallest number of pairs that differ with which Wilcoxon's test can reject.

    >>> runs_to_reject(), runs_to_reject(5), runs_to_reject(15)
    (6, 8, 10)
    """
    return next(n for n in range(1, 100) if least_wilcoxon(n, n_comparisons) <= alpha)


def holm(p: ArrayLike) -> Array:
    """Holm's step-down adjustment: the i-th smallest of m p values times m − i + 1, made non-decreasing, at most 1.

    p: array of shape (m,). Returns the adjusted p values in the same order, shape (m,).

    >>> holm([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    adjusted = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    found = np.empty_like(values)
    found[order] = np.minimum(adjusted, 1)
    return found


def mean_ranks(scores: ArrayLike) -> Array:
    """The mean rank of each method over blocks. Rank 1 is the highest score; equal scores share their mean rank.

    scores: array of shape (n_blocks, n_methods). Returns shape (n_methods,).

    >>> mean_ranks([[0.9, 0.5, 0.5], [0.8, 0.7, 0.6]]).tolist()
    [1.0, 2.25, 2.75]
    """
    from scipy.stats import rankdata

    return np.asarray(rankdata(-np.round(as_runs(scores), 12), axis=1).mean(axis=0), dtype=np.float64)


def friedman(scores: ArrayLike) -> tuple[float, float]:
    """Friedman's test of the hypothesis that no method differs: (χ², p), corrected for ties.

    scores: array of shape (n_blocks, n_methods). p is computed from χ² with n_methods − 1 degrees of freedom, a rough
    approximation for few blocks.

    Raises ValueError with fewer than two blocks or three methods.
    """
    from scipy import stats

    values = np.round(as_runs(scores), 12)
    if values.ndim != 2 or values.shape[0] < 2 or values.shape[1] < 3:
        raise ValueError(f"Friedman's test needs at least two blocks and three methods, not shape {values.shape}")
    if (values == values[:, :1]).all():
        return 0.0, 1.0
    statistic, p = stats.friedmanchisquare(*values.T)
    return float(statistic), float(p)


def least_friedman(n_blocks: int, n_methods: int) -> float:
    """The smallest p value that Friedman's test can reach: that of the same order in every block.

    >>> least_friedman(2, 3) > 0.05, least_friedman(4, 3) < 0.05
    (True, True)
    """
    from scipy.special import chdtrc

    return float(chdtrc(n_methods - 1, n_blocks * (n_methods - 1)))


def critical_difference(n_blocks: int, n_methods: int, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks: q_α √(k (k + 1) / 6 n) for k methods and n blocks.

    q_α is the quantile of the studentised range divided by √2.


    >>> round(critical_difference(3, 6), 2), round(critical_difference(10, 6), 2)
    (4.35, 2.38)
    """
    from scipy.stats import studentized_range

    q = studentized_range.ppf(1 - alpha, n_methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_methods * (n_methods + 1) / (6 * n_blocks)))
