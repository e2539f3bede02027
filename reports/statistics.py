"""Statistics as pure functions of arrays.

The first axis of an array is always the runs (seeds); further axes are kept. NaN values are propagated, never dropped.
Intervals are Student's t-intervals, because with three to five seeds the coverage of a bootstrap interval is far below
its nominal 95 %. The functions ``least_…`` give the smallest p value that a test can reach with a number of runs, to
distinguish a test that cannot reject from one that does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
LEAST_FOR_BOOTSTRAP = 10  # with fewer runs, a nominal 95 % interval of the percentile bootstrap covers less than 90 %
MOST_PERMUTED = 16  # the most differences for which all 2ⁿ signs are tried


def mean(values: ArrayLike) -> Any:
    """The mean over runs.

    values: array of shape (n_runs, ...). Returns shape (...), NaN if there are no runs.

    >>> float(mean([0.5, 0.25, 0.75]))
    0.5
    >>> float(mean([]))
    nan
    """
    runs = _runs(values)
    return runs.mean(axis=0) if len(runs) else np.full(runs.shape[1:], np.nan)[()]


def t_half_width(values: ArrayLike, confidence: float = 0.95) -> Any:
    """Half the width of the t-interval of the mean over runs: t · s / √n, with n − 1 in the standard deviation.

    values: array of shape (n_runs, ...). Returns shape (...), in the unit of the values. NaN, not 0, below two
    runs, because a single run gives no estimate of the spread.

    >>> round(float(t_half_width([0.4, 0.5, 0.6])), 4)
    0.2484
    >>> float(t_half_width([0.4]))
    nan
    """
    from scipy.special import stdtrit  # the t quantile; importing scipy.stats would take a second

    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    runs = _runs(values)
    n = len(runs)
    if n < 2:
        return np.full(runs.shape[1:], np.nan)[()]
    return stdtrit(n - 1, (1 + confidence) / 2) * runs.std(axis=0, ddof=1) / np.sqrt(n)


def t_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[Any, Any]:
    """The t-interval of the mean over runs: (low, high).

    values: array of shape (n_runs, ...). Returns two arrays of shape (...), both NaN below two runs. The interval is
    not clipped to [0, 1], so that it stays centred on the mean.

    >>> low, high = t_interval([0.4, 0.5, 0.6])
    >>> round(float(low), 4), round(float(high), 4)
    (0.2516, 0.7484)
    """
    centre, half = mean(values), t_half_width(values, confidence)
    return centre - half, centre + half


def paired_difference(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> tuple[Any, Any, Any]:
    """The mean of the paired differences first − second and its t-interval: (mean, low, high).

    first, second: arrays of the same shape (n_runs, ...). Run i of both has the same seed and hence the same labelled
    samples. Variation that the runs share cancels out, so the interval is usually narrower than those of the two means.

    Raises ValueError if the shapes differ.

    >>> centre, low, high = paired_difference([0.52, 0.61, 0.70], [0.40, 0.50, 0.60])
    >>> round(float(centre), 3), round(float(low), 3), round(float(high), 3)
    (0.11, 0.085, 0.135)
    """
    one, two = _runs(first), _runs(second)
    if one.shape != two.shape:
        raise ValueError(f"paired runs must have the same shape, not {one.shape} and {two.shape}")
    return mean(one - two), *t_interval(one - two, confidence)


def bootstrap_interval(
    values: ArrayLike, confidence: float = 0.95, resamples: int = 9999, seed: int = 0
) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean over runs: (low, high).

    values: array of shape (n_runs,). Raises ValueError below ten runs, where the coverage is far below nominal.

    >>> low, high = bootstrap_interval(np.arange(12) / 12)
    >>> 0.25 < low < 0.35, 0.57 < high < 0.67
    (True, True)
    """
    runs = _runs(values)
    if runs.ndim != 1 or len(runs) < LEAST_FOR_BOOTSTRAP:
        raise ValueError(f"a bootstrap needs at least {LEAST_FOR_BOOTSTRAP} runs of shape (n_runs,), not {runs.shape}")
    drawn = np.random.default_rng(seed).choice(runs, (resamples, len(runs))).mean(axis=1)
    low, high = np.percentile(drawn, [50 * (1 - confidence), 50 * (1 + confidence)])
    return float(low), float(high)


def wilcoxon(first: ArrayLike, second: ArrayLike) -> float:
    """The two-sided p value of Wilcoxon's signed-rank test on paired runs; 1 if no pair differs.

    first, second: arrays of shape (n_runs,). Pairs without a difference are left out, and ties share their mean rank.
    The p value is exact without ties, and with ties up to n = 16, where all 2ⁿ signs are tried. Above that, it is the
    normal approximation if there are ties.

    Raises ValueError if the shapes differ.

    >>> wilcoxon([5, 6, 7, 8, 9], [1, 1, 1, 1, 1])
    0.0625
    """
    from scipy import stats

    one, two = _runs(first), _runs(second)
    if one.shape != two.shape or one.ndim != 1:
        raise ValueError(f"paired runs must have the same shape (n_runs,), not {one.shape} and {two.shape}")
    differences = np.round(one - two, 12)  # 0.3 − 0.2 and 0.2 − 0.1 must be tied
    differences = differences[differences != 0]
    if not len(differences):
        return 1.0
    if len(np.unique(np.abs(differences))) == len(differences):
        return float(stats.wilcoxon(differences, method="exact").pvalue)
    if len(differences) <= MOST_PERMUTED:
        return float(stats.wilcoxon(differences, method=stats.PermutationMethod(n_resamples=2**MOST_PERMUTED)).pvalue)
    return float(stats.wilcoxon(differences, method="approx").pvalue)


def least_wilcoxon(n_runs: int, n_comparisons: int = 1) -> float:
    """The smallest p value that Wilcoxon's test can reach after Holm's correction over ``n_comparisons``.

    >>> least_wilcoxon(5), least_wilcoxon(8), least_wilcoxon(8, 5) < 0.05, least_wilcoxon(9, 15) < 0.05
    (0.0625, 0.0078125, True, False)
    """
    return min(1.0, n_comparisons * 2.0 ** (1 - n_runs)) if n_runs else 1.0


def runs_to_reject(n_comparisons: int = 1, alpha: float = 0.05) -> int:
    """The smallest number of paired runs with which Wilcoxon's test can reject.

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

    return np.asarray(rankdata(-np.round(_runs(scores), 12), axis=1).mean(axis=0), dtype=np.float64)


def friedman(scores: ArrayLike) -> tuple[float, float]:
    """Friedman's test of the hypothesis that no method differs: (χ², p), corrected for ties.

    scores: array of shape (n_blocks, n_methods). p is computed from χ² with n_methods − 1 degrees of freedom, a rough
    approximation for few blocks.

    Raises ValueError with fewer than two blocks or three methods.
    """
    from scipy import stats

    values = np.round(_runs(scores), 12)
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


def hedges_g(first: ArrayLike, second: ArrayLike) -> float:
    """Hedges' g of paired runs: the mean difference over its standard deviation, corrected for small samples.

    first, second: arrays of shape (n_runs,). NaN below three runs, where the correction is not defined, and if all
    differences are equal. Source: Hedges 1981, the exact form with the gamma function.

    >>> round(hedges_g([3, 5, 7, 6], [1, 2, 3, 5]), 3)
    1.401
    """
    from scipy.special import gammaln

    differences = np.round(_runs(first) - _runs(second), 12)
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

    differences = np.round(_runs(first) - _runs(second), 12)
    differences = differences[differences != 0]
    if not len(differences):
        return float("nan")
    ranks = rankdata(np.abs(differences))
    return float((ranks * np.sign(differences)).sum() / ranks.sum())


def _runs(values: ArrayLike) -> Array:
    runs = np.asarray(values, dtype=np.float64)
    if runs.ndim == 0:
        raise ValueError("values must be an array of shape (n_runs, ...), not a single number")
    return runs
