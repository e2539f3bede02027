"""The distance between the modalities' features of a sample, as a number and as points in a plane."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def modal_distance(features: Sequence[Tensor]) -> Tensor:
    """The cosine distance 1 − cos between the features of each sample, averaged over the pairs of modalities.

    Takes M ≥ 2 tensors of the same shape (n, ...), each flattened to one vector per sample. Returns (n,), in [0, 2]. A
    zero vector has distance 1 to every other one. The mean over all samples is D̄ in Cosmo's evaluation (Fig. 2).
    """
    flat = [z.flatten(1).float() for z in features]
    return torch.stack([1 - F.cosine_similarity(one, other) for one, other in combinations(flat, 2)]).mean(0)


def modal_plane(features: np.ndarray) -> tuple[np.ndarray, float]:
    """Project the features of all modalities onto the plane of their first two principal components.

    Takes (n, M, width). Returns (n, M, 2) float32, and the fraction of the variance that the plane explains. Features
    are scaled to length 1 first, so that distances in the plane correspond to cosine distances. Raises ValueError for
    fewer than three vectors.
    """
    from sklearn.decomposition import PCA

    flat = features.reshape(-1, features.shape[-1]).astype(np.float64)
    if len(flat) < 3:
        raise ValueError(f"a principal plane needs at least three feature vectors, not {len(flat)}")
    lengths = np.linalg.norm(flat, axis=1, keepdims=True)
    pca = PCA(2, random_state=0)
    with np.errstate(invalid="ignore"):  # identical features have no variance to divide by
        plane = pca.fit_transform(np.divide(flat, lengths, out=np.zeros_like(flat), where=lengths > 0))
    explained = float(np.nan_to_num(pca.explained_variance_ratio_.sum()))
    return plane.reshape(*features.shape[:2], 2).astype(np.float32), explained
