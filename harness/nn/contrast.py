"""The contrastive loss in which the views of a sample are its positives."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def same_sample_loss(views: Tensor, temperature: float) -> Tensor:
    """The "out" form of SupCon with the sample as label, which is the contrastive fusion loss of Cosmo and of CMC.

    ``views`` has shape (n, p, d): p ≥ 2 views of each of n samples. The loss is the mean over all n·p anchors s of
    −1/(p−1) Σ_q log[exp(v_s·v_q/τ) / Σ_{a≠s} exp(v_s·v_a/τ)], where q runs over the other views of the same sample.
    Views are not normalised here. The loss is computed by log-sum-exp in at least float32, so that it does not overflow
    for a small τ. It is never below `same_sample_floor`. Raises ValueError for fewer than two views.

    Source: Cosmo, contrastive fusion learning. The mean is that of the authors' code (the slides have a sum), without
    the code's factor τ/0.07.
    """
    n, p, d = views.shape
    if p < 2:
        raise ValueError(f"a contrastive loss needs at least two views of each sample, not {p}")
    with torch.autocast(views.device.type, enabled=False):
        views = views.float() if views.dtype in (torch.bfloat16, torch.float16) else views
        flat = views.reshape(n * p, d)
        similarity = flat @ flat.T / temperature
        own = similarity.view(n, p, n, p).diagonal(dim1=0, dim2=2)  # (p, p, n), within each sample
        diagonal = similarity.diagonal()
        positive = (own.sum(1).T.flatten() - diagonal) / (p - 1)
        others = similarity.masked_fill(torch.eye(n * p, dtype=torch.bool, device=views.device), -math.inf)
        return (others.logsumexp(1) - positive).mean()


def same_sample_floor(views: int) -> float:
    """The lower bound of `same_sample_loss`, log(views − 1).

    The loss approaches it when the views of each sample agree and other samples are far away.
    """
    return math.log(views - 1)
