"""Quality of a modality (QoM), found in the unlabelled data: how clustered it is, and how near to the classes in number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from harness.keys import rng_of, seed_of
from harness.options import Options, Positive

FEWEST = 4  # samples without which neither statistic says anything


class QualitySettings(Options):
    """How QoM is computed; the slides name the formula only, so these are readings.

    components: PCA keeps so many columns before anything is measured. On UTD-MHAD k_opt jumps between seeds with 10 columns,
    and q with it, for q is 1/|k_opt − classes|; from 20 on the weights hardly change.
    hopkins_share, hopkins_least: size of the Hopkins sample, a share of the data but at least so many (or half of all).
    samples: at most so many samples, drawn at random, are clustered and have their silhouette taken, which is quadratic.
    restarts: of k-means, the best of which counts.
    """

    components: Positive = 20
    hopkins_share: float = 0.1
    hopkins_least: Positive = 50
    samples: Positive = 1500
    restarts: Positive = 3


@dataclass(frozen=True)
class Quality:
    """One modality's: H, k_opt, q = H / max(|k_opt − classes|, 1), and its share of Σq."""

    hopkins: float
    k_opt: int
    score: float
    weight: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def hopkins(x: np.ndarray, rng: np.random.Generator, sample: int) -> float:
    """Hopkins statistic of x (n, d): Σu / (Σu + Σw); about 0.5 for uniform data, toward 1 for clustered, less for a lattice.

    u: distance from a uniform random point in x's bounding box to the nearest of x; w: from one of x to its nearest other;
    ``sample`` of each. Reading: exponent 1, as the exponent d (Hopkins and Skellam; Lawson and Jurs) breaks in more than a
    few columns. 0.5 where all samples are the same.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(x)
    points = rng.uniform(x.min(0), x.max(0), (sample, x.shape[1]))
    u = np.asarray(tree.query(points)[0]).sum()
    w = np.asarray(tree.query(x[rng.choice(len(x), sample, replace=False)], k=2)[0])[:, 1].sum()
    return float(u / (u + w)) if u + w else 0.5


def optimal_clusters(x: np.ndarray, most: int, seed: int, restarts: int) -> int:
    """The k from 2 to ``most`` whose k-means clusters of x (n, d) have the greatest mean silhouette; of equal ones the least."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import pairwise_distances, silhouette_score

    distances = pairwise_distances(x)
    np.fill_diagonal(distances, 0)
    best, best_k = -np.inf, 2
    for k in range(2, min(most, len(x) - 1, len(np.unique(x, axis=0))) + 1):
        labels = KMeans(k, n_init=restarts, random_state=seed % 2**32).fit_predict(x)
        score = silhouette_score(distances, labels, metric="precomputed")
        if score > best + 1e-12:
            best, best_k = score, k
    return best_k


def scores(h: Sequence[float], k_opt: Sequence[int], n_classes: int) -> tuple[Quality, ...]:
    """Quality from each modality's H and k_opt.

    q = H / c, c = max(|k_opt − n_classes|, 1): one where the slides' c is zero, which no source speaks of.

    >>> round(scores([0.8513], [24], 27)[0].score, 4)
    0.2838
    """
    q = [h_j / max(abs(k_j - n_classes), 1) for h_j, k_j in zip(h, k_opt, strict=True)]
    return tuple(Quality(h_j, k_j, q_j, q_j / sum(q)) for h_j, k_j, q_j in zip(h, k_opt, q, strict=True))


def measure(arrays: Sequence[np.ndarray], n_classes: int, settings: QualitySettings, seed: int) -> tuple[Quality, ...]:
    """Quality of each modality's normalised unlabelled samples (n, ...). Raises ValueError for fewer than four samples."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # libraries take every core else, and the number of cores could change the last bits
        found = [_measure_one(array, j, n_classes, settings, seed) for j, array in enumerate(arrays)]
    return scores([h for h, _ in found], [k for _, k in found], n_classes)


def _measure_one(array: np.ndarray, j: int, n_classes: int, settings: QualitySettings, seed: int) -> tuple[float, int]:
    """H and k_opt of the j-th modality."""
    from sklearn.decomposition import PCA

    n = len(array)
    if n < FEWEST:
        raise ValueError(
            f"the quality of a modality can't be found in {n} unlabelled samples; it needs at least {FEWEST}"
        )
    flat = array.reshape(n, -1)
    reducer = PCA(
        min(settings.components, n - 1, flat.shape[1]),
        svd_solver="randomized",
        random_state=seed_of(seed, j, "pca") % 2**32,
    )
    with np.errstate(invalid="ignore"):  # a constant modality has no variance to take shares of
        reduced = reducer.fit_transform(flat).astype(np.float64)
    sample = max(round(settings.hopkins_share * n), min(settings.hopkins_least, n // 2))
    h = hopkins(reduced, rng_of(seed, j, "hopkins"), sample)
    chosen = reduced[rng_of(seed, j, "silhouette").permutation(n)[: settings.samples]]
    return h, optimal_clusters(chosen, 2 * n_classes, seed_of(seed, j, "k-means"), settings.restarts)
