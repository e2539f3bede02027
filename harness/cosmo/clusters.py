"""The number of clusters among samples, by one of four criteria."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

Criterion = Literal["silhouette", "calinski-harabasz", "gap", "bic"]
Covariance = Literal["diag", "tied", "full"]
Score = Callable[[int], float]

REFERENCES = 10  # uniform data sets that the gap statistic compares with
ONE_CLUSTER: tuple[Criterion, ...] = ("gap", "bic")  # the criteria that are defined for a single cluster


def cluster_range(x: np.ndarray, max_clusters: int, criterion: Criterion) -> range:
    """The numbers of clusters that are compared for x (n, d); empty if fewer than two samples differ.

    They begin at 1 if the criterion is defined there and otherwise at 2. They end at ``max_clusters``, or earlier if
    too few samples differ.
    """
    last = min(max_clusters, len(x) - 1, len(np.unique(x, axis=0)))
    return range(1 if criterion in ONE_CLUSTER else 2, last + 1)


def optimal_clusters(
    x: np.ndarray,
    numbers: Sequence[int],
    seed: int,
    criterion: Criterion = "silhouette",
    restarts: int = 3,
    covariance: Covariance = "diag",
) -> int:
    """The number of clusters of x (n, d), out of increasing ``numbers``, that the criterion prefers.

    It is the smallest of those that are tied, and 2 if there are no numbers to choose from.

    Args:
        x: The samples.
        numbers: The numbers of clusters to compare.
        seed: The seed of k-means or of the Gaussian mixture.
        criterion: ``silhouette``, the mean silhouette of k-means clusters (Rousseeuw 1987); ``calinski-harabasz``,
            their variance ratio (Caliński and Harabasz 1974); ``gap``, the gap statistic (Tibshirani, Walther and
            Hastie 2001); ``bic``, the Bayesian information criterion of a Gaussian mixture (Fraley and Raftery 1998).
        restarts: The number of runs of k-means or of the mixture, of which the best is used.
        covariance: The covariance matrices of the mixture, as scikit-learn names them.
    """
    if criterion == "gap":
        return _gap(x, numbers, seed, restarts)
    score = {
        "silhouette": lambda: _silhouette(x, seed, restarts),
        "calinski-harabasz": lambda: _calinski_harabasz(x, seed, restarts),
        "bic": lambda: _negative_bic(x, seed, restarts, covariance),
    }[criterion]()
    best, best_k = -np.inf, 2
    for k in numbers:
        found = score(k)
        if found > best + 1e-12:
            best, best_k = found, k
    return best_k


def _labels(x: np.ndarray, k: int, seed: int, restarts: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    return np.asarray(KMeans(k, n_init=restarts, random_state=seed % 2**32).fit_predict(x))


def _silhouette(x: np.ndarray, seed: int, restarts: int) -> Score:
    from sklearn.metrics import pairwise_distances, silhouette_score

    distances = pairwise_distances(x)
    np.fill_diagonal(distances, 0)
    return lambda k: float(silhouette_score(distances, _labels(x, k, seed, restarts), metric="precomputed"))


def _calinski_harabasz(x: np.ndarray, seed: int, restarts: int) -> Score:
    from sklearn.metrics import calinski_harabasz_score

    return lambda k: float(calinski_harabasz_score(x, _labels(x, k, seed, restarts)))


def _negative_bic(x: np.ndarray, seed: int, restarts: int, covariance: Covariance) -> Score:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    scaled = x / (x.std() or 1)  # scikit-learn adds a constant to the variances, which should not depend on the unit

    def score(k: int) -> float:
        mixture = GaussianMixture(k, covariance_type=covariance, n_init=restarts, random_state=seed % 2**32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the fit after the last step is good enough to rank
            return -float(mixture.fit(scaled).bic(scaled))

    return score


def _gap(x: np.ndarray, numbers: Sequence[int], seed: int, restarts: int) -> int:
    """The smallest k whose gap is at least the largest gap less the standard error of that one.

    The gap is the logarithm of the dispersion within clusters, compared with that of uniform samples in the bounding
    box of x. This rule is that of Dudoit and Fridlyand (2002). The original one compares k with k + 1 only, and chooses
    a single cluster where many clusters are far apart.
    """
    if not numbers:
        return 2
    rng = np.random.default_rng(seed)
    references = [rng.uniform(x.min(0), x.max(0), x.shape) for _ in range(REFERENCES)]
    expected = np.array([[_log_dispersion(one, k, seed, restarts) for one in references] for k in numbers])
    gaps = expected.mean(1) - [_log_dispersion(x, k, seed, restarts) for k in numbers]
    errors = expected.std(1) * np.sqrt(1 + 1 / REFERENCES)
    best = np.argmax(gaps)
    return numbers[int(np.argmax(gaps >= gaps[best] - errors[best]))]


def _log_dispersion(x: np.ndarray, k: int, seed: int, restarts: int) -> float:
    from sklearn.cluster import KMeans

    inertia = KMeans(k, n_init=restarts, random_state=seed % 2**32).fit(x).inertia_
    return float(np.log(max(inertia, np.finfo(float).tiny)))
