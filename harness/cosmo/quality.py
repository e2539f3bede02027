"""Quality of modality (QoM): how clustered the unlabelled samples are, and how close to the number of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pydantic import Field

from harness.keys import rng_of, seed_of
from harness.options import Options

MIN_SAMPLES = 4  # samples; with fewer, neither statistic is meaningful


class QualitySettings(Options):
    """How QoM is computed. The slides give only the formula, so these values are our interpretation.

    With 10 components, k_opt on UTD-MHAD varies between seeds, and so does q; with 20 or more, the weights hardly
    change. The silhouette needs the distances of all pairs, so the number of clustered samples is limited.
    """

    components: int = Field(default=20, ge=1, description="principal components that the samples are reduced to")
    hopkins_share: float = Field(
        default=0.1, description="fraction of the samples that the Hopkins statistic is computed from"
    )
    hopkins_least: int = Field(
        default=50,
        ge=1,
        description="minimum number of samples for the Hopkins statistic, or half of all samples if that is less",
    )
    samples: int = Field(
        default=1500, ge=1, description="maximum number of samples that are clustered, drawn at random"
    )
    restarts: int = Field(default=3, ge=1, description="number of runs of k-means, of which the best is used")


@dataclass(frozen=True)
class Quality:
    """The quality of one modality.

    hopkins: H. k_opt: the optimal number of clusters. score: q = H / max(|k_opt − classes|, 1). weight: q / Σq.
    """

    hopkins: float
    k_opt: int
    score: float
    weight: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def hopkins(x: np.ndarray, rng: np.random.Generator, sample: int) -> float:
    """Hopkins statistic of x (n, d): about 0.5 for uniform samples, near 1 for clustered ones, below 0.5 for a lattice.

    H = Σu / (Σu + Σw), each sum over ``sample`` distances. u is the distance from a random point, uniform in the
    bounding box of x, to the nearest sample, and w that from a random sample to the nearest other one. H is 0.5 if all
    samples are equal. The exponent of the distances is 1, because the published exponent d (Hopkins and Skellam; Lawson
    and Jurs) fails in more than a few dimensions.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(x)
    points = rng.uniform(x.min(0), x.max(0), (sample, x.shape[1]))
    u = np.asarray(tree.query(points)[0]).sum()
    w = np.asarray(tree.query(x[rng.choice(len(x), sample, replace=False)], k=2)[0])[:, 1].sum()
    return float(u / (u + w)) if u + w else 0.5


def optimal_clusters(x: np.ndarray, max_clusters: int, seed: int, restarts: int) -> int:
    """The number of k-means clusters of x (n, d), from 2 to ``max_clusters``, with the highest mean silhouette.

    It is the smallest of those that are tied.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import pairwise_distances, silhouette_score

    distances = pairwise_distances(x)
    np.fill_diagonal(distances, 0)
    best, best_k = -np.inf, 2
    for k in range(2, min(max_clusters, len(x) - 1, len(np.unique(x, axis=0))) + 1):
        labels = KMeans(k, n_init=restarts, random_state=seed % 2**32).fit_predict(x)
        score = silhouette_score(distances, labels, metric="precomputed")
        if score > best + 1e-12:
            best, best_k = score, k
    return best_k


def scores(h: Sequence[float], k_opt: Sequence[int], n_classes: int) -> tuple[Quality, ...]:
    """The quality of each modality, from its H and k_opt.

    q = H / c with c = max(|k_opt − n_classes|, 1). In the slides c = |k_opt − n_classes|, and no source defines q where
    that is zero.

    >>> round(scores([0.8513], [24], 27)[0].score, 4)
    0.2838
    """
    q = [h_j / max(abs(k_j - n_classes), 1) for h_j, k_j in zip(h, k_opt, strict=True)]
    return tuple(Quality(h_j, k_j, q_j, q_j / sum(q)) for h_j, k_j, q_j in zip(h, k_opt, q, strict=True))


def measure(arrays: Sequence[np.ndarray], n_classes: int, settings: QualitySettings, seed: int) -> tuple[Quality, ...]:
    """The quality of each modality, from its normalised unlabelled samples (n, ...).

    Raises ValueError if there are fewer than four samples.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # otherwise the number of cores could change the last bits
        found = [_hopkins_and_clusters(array, j, n_classes, settings, seed) for j, array in enumerate(arrays)]
    return scores([h for h, _ in found], [k for _, k in found], n_classes)


def _hopkins_and_clusters(
    array: np.ndarray, j: int, n_classes: int, settings: QualitySettings, seed: int
) -> tuple[float, int]:
    """H and k_opt of the j-th modality."""
    from sklearn.decomposition import PCA

    n = len(array)
    if n < MIN_SAMPLES:
        raise ValueError(
            f"the quality of a modality needs at least {MIN_SAMPLES} unlabelled samples, but there are {n}"
        )
    flat = array.reshape(n, -1)
    reducer = PCA(
        min(settings.components, n - 1, flat.shape[1]),
        svd_solver="randomized",
        random_state=seed_of(seed, j, "pca") % 2**32,
    )
    with np.errstate(invalid="ignore"):  # a constant modality has no variance to divide by
        reduced = reducer.fit_transform(flat).astype(np.float64)
    sample = max(round(settings.hopkins_share * n), min(settings.hopkins_least, n // 2))
    h = hopkins(reduced, rng_of(seed, j, "hopkins"), sample)
    chosen = reduced[rng_of(seed, j, "silhouette").permutation(n)[: settings.samples]]
    return h, optimal_clusters(chosen, 2 * n_classes, seed_of(seed, j, "k-means"), settings.restarts)
