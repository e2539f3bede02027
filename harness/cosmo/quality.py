"""Quality of modality (QoM): how clustered the unlabelled samples are, and how close to the number of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from harness.cosmo.clusters import Covariance, Criterion, cluster_range, optimal_clusters
from harness.keys import rng_of, seed_of
from harness.options import Options

MIN_SAMPLES = 4  # samples; with fewer, neither statistic is meaningful
SUBSET = 0.8  # share of the samples in each subset
PERCENTILES = (5, 95)  # of the values in the subsets, which the intervals end at
MAX_NUMBERS = 12  # numbers of clusters that are compared in a subset, spread over the whole range
CONSTANT = 1e-6  # samples whose deviation is at most this share of the length of their mean only differ by rounding
MAX_WIDTH = 0.1  # share of its range that an identified k_opt may vary over


class QualitySettings(Options):
    """How QoM is computed. The slides give only the formula, so these values are our interpretation.

    With the default components and covariance no criterion identifies k_opt on UTD-MHAD or USC-HAD, see
    docs/quality.md. The silhouette needs the distances of all pairs, so the number of clustered samples is limited.
    """

    features: Literal["samples", "encoders"] = Field(
        default="samples",
        description="what is assessed: the normalised samples, or the outputs of the encoders after stage 1",
    )
    components: int | None = Field(
        default=20, ge=1, description="principal components that the features are reduced to; null: no reduction"
    )
    criterion: Criterion = Field(default="silhouette", description="criterion that chooses the number of clusters")
    covariance: Covariance = Field(
        default="diag", description="covariance matrices of the Gaussian mixture of criterion bic"
    )
    hopkins_share: float = Field(
        default=0.1, gt=0, le=1, description="fraction of the samples that the Hopkins statistic is computed from"
    )
    hopkins_least: int = Field(
        default=50,
        ge=1,
        description="minimum number of samples for the Hopkins statistic, or half of all samples if that is less",
    )
    samples: int = Field(
        default=1500, ge=1, description="maximum number of samples that are clustered, drawn at random"
    )
    restarts: int = Field(
        default=3, ge=1, description="number of runs of k-means or of the mixture, of which the best is used"
    )
    subsets: int = Field(
        default=10, ge=0, description="random subsets of 80 % of the samples, which the intervals are computed from"
    )

    @model_validator(mode="after")
    def _covariance_can_be_estimated(self) -> QualitySettings:
        if self.criterion == "bic" and self.covariance != "diag" and self.components is None:
            raise ValueError(f"covariance '{self.covariance}' needs a number of components, or use 'diag'")
        return self


@dataclass(frozen=True)
class Quality:
    """The quality of one modality.

    k_opt is not identified if it or its interval reaches an end of the range of k, or if they spread over more than a
    tenth of that range. Without subsets the intervals are None, and only the ends are checked. Records of earlier
    versions have no intervals, ``identified`` or ``reason``.

    Attributes:
        hopkins: H.
        k_opt: The optimal number of clusters.
        score: q = H / max(|k_opt − classes|, 1).
        weight: q / Σq.
        hopkins_interval, k_opt_interval, score_interval, weight_interval: The 5th and the 95th percentile over the
            subsets.
        identified: Whether k_opt is stable and inside its range. It need not be the true number of clusters then.
        reason: Why k_opt is not identified; empty if it is.
    """

    hopkins: float
    k_opt: int
    score: float
    weight: float
    hopkins_interval: tuple[float, float] | None = None
    k_opt_interval: tuple[float, float] | None = None
    score_interval: tuple[float, float] | None = None
    weight_interval: tuple[float, float] | None = None
    identified: bool = True
    reason: str = ""

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
    """The quality of each modality, from the features (n, ...) of the same unlabelled samples.

    The intervals show how much the estimates depend on the samples and on the random draws. They are computed from
    random subsets of 80 % of the samples, in which about 12 numbers of clusters are compared, with k_opt among them.
    They are no confidence intervals: the mean over such a subset has half the standard error of the mean over all
    samples, and both H and k_opt depend on the number of samples, so that an interval need not contain its estimate.
    Subsets are used and not bootstrap samples, because repeated samples are at distance zero.

    Raises ValueError if there are fewer than four samples.
    """
    from threadpoolctl import threadpool_limits

    n = len(arrays[0])
    if n < MIN_SAMPLES:
        raise ValueError(
            f"the quality of a modality needs at least {MIN_SAMPLES} unlabelled samples, but there are {n}"
        )
    size = round(SUBSET * n)
    with threadpool_limits(1):  # otherwise the number of cores could change the last bits
        features = [_reduced(array, j, settings, seed) for j, array in enumerate(arrays)]
        estimates = [_estimate(x, j, n_classes, settings, seed) for j, x in enumerate(features)]
        resampled = []
        for names in [(seed, "subset", number) for number in range(settings.subsets if size >= MIN_SAMPLES else 0)]:
            rows = np.sort(rng_of(*names).permutation(n)[:size])
            inner = seed_of(*names)
            of_subset = [
                _estimate(x[rows], j, n_classes, settings, inner, estimates[j].k_opt) for j, x in enumerate(features)
            ]
            resampled.append(_scores(of_subset, n_classes))
    found = _scores(estimates, n_classes)
    return tuple(
        _with_intervals(found[j], estimates[j].numbers, [of_subset[j] for of_subset in resampled])
        for j in range(len(arrays))
    )


@dataclass(frozen=True)
class _Estimate:
    """H, k_opt, and the numbers of clusters that were compared."""

    hopkins: float
    k_opt: int
    numbers: range


def _scores(estimates: Sequence[_Estimate], n_classes: int) -> tuple[Quality, ...]:
    return scores([one.hopkins for one in estimates], [one.k_opt for one in estimates], n_classes)


def _reduced(array: np.ndarray, j: int, settings: QualitySettings, seed: int) -> np.ndarray:
    """The features (n, d) of the j-th modality, in principal components if there is a number of components."""
    from sklearn.decomposition import PCA

    flat = array.reshape(len(array), -1)
    if settings.components is None:
        return _zero_if_constant(flat.astype(np.float64), flat)
    reducer = PCA(
        min(settings.components, len(flat) - 1, flat.shape[1]),
        svd_solver="randomized",
        random_state=seed_of(seed, j, "pca") % 2**32,
    )
    with np.errstate(invalid="ignore"):  # a constant modality has no variance to divide by
        return _zero_if_constant(np.asarray(reducer.fit_transform(flat), dtype=np.float64), flat)


def _zero_if_constant(x: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """The components x of samples ``flat``; zeros if the samples only differ by rounding."""
    deviation = np.sqrt(x.var(axis=0).sum())
    constant = deviation <= CONSTANT * np.linalg.norm(flat.mean(axis=0, dtype=np.float64))
    return np.zeros_like(x) if constant else x


def _estimate(
    x: np.ndarray, j: int, n_classes: int, settings: QualitySettings, seed: int, k_opt: int | None = None
) -> _Estimate:
    """H and k_opt of the j-th modality.

    k_opt: that of all samples, where x is a subset of them.
    """
    n = len(x)
    sample = max(round(settings.hopkins_share * n), min(settings.hopkins_least, n // 2))
    h = hopkins(x, rng_of(seed, j, "hopkins"), sample)
    chosen = x[rng_of(seed, j, "silhouette").permutation(n)[: settings.samples]]
    numbers = cluster_range(chosen, 2 * n_classes, settings.criterion)
    compared = numbers if k_opt is None else _spread(numbers, k_opt)
    clustering = (seed_of(seed, j, "k-means"), settings.criterion, settings.restarts, settings.covariance)
    return _Estimate(h, optimal_clusters(chosen, compared, *clustering), numbers)


def _spread(numbers: range, k_opt: int) -> list[int]:
    """Some of the numbers, both ends among them, and k_opt."""
    step = -(-len(numbers) // MAX_NUMBERS) or 1
    return sorted({*numbers[::step], *numbers[-1:], *({k_opt} & set(numbers))})


def _with_intervals(quality: Quality, numbers: range, subsets: Sequence[Quality]) -> Quality:
    """The quality with the intervals over its values in the subsets, and whether k_opt is identified."""
    intervals: dict[str, Any] = {}
    if subsets:
        for name in ("hopkins", "k_opt", "score", "weight"):
            low, high = np.percentile([getattr(one, name) for one in subsets], PERCENTILES)
            intervals[f"{name}_interval"] = (float(low), float(high))
    reason = why_not_identified(quality.k_opt, intervals.get("k_opt_interval"), numbers)
    return replace(quality, **intervals, identified=not reason, reason=reason)


def why_not_identified(k_opt: int, interval: tuple[float, float] | None, numbers: range) -> str:
    """Why the data do not determine k_opt; empty if they do."""
    if len(numbers) < 2:
        return "too few different samples"
    first, last = numbers[0], numbers[-1]
    low, high = (min(k_opt, interval[0]), max(k_opt, interval[1])) if interval else (k_opt, k_opt)
    found = f"k_opt is {k_opt}"
    if interval:
        found += f" for all samples and {interval[0]:.0f} to {interval[1]:.0f} for subsets of them"
    if low <= first or high >= last:
        return f"{found}, which reaches the {'lower' if low <= first else 'upper'} end of its range, {first} to {last}"
    if high - low > max(MAX_WIDTH * (last - first), 1):
        return f"{found}, in a range of {first} to {last}"
    return ""
