"""How far apart the modalities' features of one sample lie, as a number and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def modal_distance(features: Sequence[Tensor]) -> Tensor:
    """Cosine distance 1 − cos between the features of one sample, mean over the pairs of modalities: (n,), in [0, 2].

    features: M ≥ 2 tensors of the same shape (n, ...), each sample's taken as one vector; a vector of zeros has distance 1
    to all others. Its mean over the samples is the D̄ of Cosmo's evaluation (Fig 2).
    """
    flat = [z.flatten(1).float() for z in features]
    return torch.stack([1 - F.cosine_similarity(one, other) for one, other in combinations(flat, 2)]).mean(0)


def modal_plane(features: np.ndarray) -> tuple[np.ndarray, float]:
    """All modalities' features in one plane, that of their two principal components, and the share of their variance in it.

    features: (n, M, width). They are scaled to length 1 first, so that distances go with the cosine distances that D̄ is the mean of.
    Returns (n, M, 2) float32. Raises ValueError for less than three vectors.
    """
    from sklearn.decomposition import PCA

    flat = features.reshape(-1, features.shape[-1]).astype(np.float64)
    if len(flat) < 3:
        raise ValueError(f"a plane through {len(flat)} features says nothing")
    lengths = np.linalg.norm(flat, axis=1, keepdims=True)
    pca = PCA(2, random_state=0)
    with np.errstate(invalid="ignore"):  # features that are all the same have no variance
        plane = pca.fit_transform(np.divide(flat, lengths, out=np.zeros_like(flat), where=lengths > 0))
    return plane.reshape(*features.shape[:2], 2).astype(np.float32), float(
        np.nan_to_num(pca.explained_variance_ratio_.sum())
    )
