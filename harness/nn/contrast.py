"""The contrastive loss whose labels are the samples themselves."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def same_sample_loss(views: Tensor, temperature: float) -> Tensor:
    """SupCon's "out" form with the sample's identity as label: Cosmo's contrastive fusion loss, and CMC's.

    views: (n, p, d), p >= 2 views of each of n samples; the scalar is the mean over the n·p anchors s of
    −1/(p−1) Σ_q log[exp(v_s·v_q/τ) / Σ_{a≠s} exp(v_s·v_a/τ)], q the other views of s's sample. Views are taken as they are:
    normalise them before. Computed in at least float32 by log-sum-exp, so that no τ overflows. Never below
    `same_sample_floor`. Source: Cosmo, contrastive fusion learning; the mean is the authors' code (the slides sum), whose
    factor τ/0.07 is left out. Raises ValueError for fewer than two views.
    """
    n, p, d = views.shape
    if p < 2:
        raise ValueError(f"a contrastive loss needs at least two views of each sample, not {p}")
    with torch.autocast(views.device.type, enabled=False):
        views = views.float() if views.dtype in (torch.bfloat16, torch.float16) else views
        flat = views.reshape(n * p, d)
        similarity = flat @ flat.T / temperature
        own = similarity.view(n, p, n, p).diagonal(dim1=0, dim2=2)  # (p, p, n): within each sample
        diagonal = similarity.diagonal()
        positive = (own.sum(1).T.flatten() - diagonal) / (p - 1)
        others = similarity.masked_fill(torch.eye(n * p, dtype=torch.bool, device=views.device), -math.inf)
        return (others.logsumexp(1) - positive).mean()


def same_sample_floor(views: int) -> float:
    """The least value of `same_sample_loss`: log(views − 1), when a sample's views agree and no other sample is near."""
    return math.log(views - 1)
