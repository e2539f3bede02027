"""How far apart the modalities' features of one sample lie."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

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
