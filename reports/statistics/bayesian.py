"""The Bayesian signed-rank test, which can also find that two methods are practically equivalent."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from reports.statistics.arrays import as_runs

PRIOR = 0.5  # the weight of the prior, a single difference of 0


def signed_rank_probabilities(
    first: ArrayLike, second: ArrayLike, region: float, draws: int = 10_000, seed: int = 0
) -> tuple[float, float, float]:
    """The probabilities that the first method is better, practically equivalent and worse: three numbers, sum 1.

    first, second: paired scores, shape (n_blocks,). region: differences of at most this size are practically
    equivalent. The differences z have Dirichlet weights w; of all pairs of differences (z_i + z_j) / 2 that are above,
    within and below the region, the weights w_i w_j are summed. A probability is the share of draws of w in which that
    sum is the largest of the three.

    Source: Benavoli, Corani, Demšar and Zaffalon 2017, *Time for a change: a tutorial for comparing multiple
    classifiers through Bayesian analysis*, section 4.2. Means exactly at the edge of the region count half.

    >>> [round(p, 1) for p in signed_rank_probabilities([0.5, 0.6, 0.7, 0.6], [0.4, 0.5, 0.6, 0.5], 0.01)]
    [1.0, 0.0, 0.0]
    """
    differences = np.concatenate([[0.0], np.round(as_runs(first) - as_runs(second), 12)])
    means = np.round((differences[:, None] + differences) / 2, 12)
    concentration = np.concatenate([[PRIOR], np.ones(len(differences) - 1)])
    weights = np.random.default_rng(seed).dirichlet(concentration, draws)
    above, below = (((sign * means > region) + 0.5 * (sign * means == region)) for sign in (1, -1))
    better, worse = (((weights @ side) * weights).sum(axis=1) for side in (above, below))
    largest = np.stack([better, 1 - better - worse, worse]).argmax(axis=0)
    one, two, three = np.bincount(largest, minlength=3) / draws
    return float(one), float(two), float(three)
