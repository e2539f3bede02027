"""The mixtures of a sample's modalities that stage 1 takes as positives of each other."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

MixtureKind = Literal["grid", "uniform", "dirichlet"]
Per = Literal["batch", "sample"]


def grid(positives: int, modalities: int) -> Tensor:
    """Fixed weights, (positives, modalities), rows summing to one.

    Two modalities: k/(P+1) and 1 − k/(P+1), k = 1…P; with P = 9 the authors' k/10, and fit for any P (theirs breaks above 9).
    More: the spacings of a Halton sequence's points, which fill the simplex evenly; no source has a grid for them.
    """
    if modalities == 2:
        first = torch.arange(1, positives + 1, dtype=torch.float64) / (positives + 1)
        return torch.stack([first, 1 - first], dim=1)
    from scipy.stats.qmc import Halton

    points = torch.from_numpy(Halton(modalities - 1, scramble=False).random(positives + 1)[1:]).sort(dim=1).values
    return torch.diff(points, dim=1, prepend=torch.zeros(positives, 1), append=torch.ones(positives, 1))


def draw_weights(
    kind: MixtureKind, samples: int, positives: int, modalities: int, rng: torch.Generator,
    low: float = 0.0, high: float = 1.0, per: Per = "batch",
) -> Tensor:  # fmt: skip
    """Weights (positives, modalities), or (samples, positives, modalities) if drawn ``per`` sample; float64, summing to one.

    grid: as `grid`; uniform: the first of two modalities ~ U(0, 1), of more: each ~ U(0, 1); dirichlet: ~ Dirichlet(1, …, 1),
    the authors' choice for three modalities. The first two are then squeezed into the range [low, high]: w → low + (high − low)·w,
    on the first modality, the second taking the rest; with more than two, on each, divided by their sum.
    """
    shape = (samples, positives, modalities) if per == "sample" else (positives, modalities)
    if kind == "dirichlet":
        exponential = -torch.log1p(-torch.rand(shape, generator=rng, dtype=torch.float64))
        return F.normalize(exponential, p=1, dim=-1)
    base = (
        grid(positives, modalities).expand(shape)
        if kind == "grid"
        else torch.rand(shape, generator=rng, dtype=torch.float64)
    )
    weights = low + (high - low) * base
    if modalities == 2:
        return torch.stack([weights[..., 0], 1 - weights[..., 0]], dim=-1)
    return weights / weights.sum(-1, keepdim=True)


def mix(features: tuple[Tensor, ...], weights: Tensor) -> Tensor:
    """Mixtures (n, positives, d) of M features (n, d) with weights as `draw_weights` gives them."""
    stacked = torch.stack(features, dim=1)
    equation = "npm,nmd->npd" if weights.dim() == 3 else "pm,nmd->npd"
    return torch.einsum(equation, weights.to(stacked), stacked)
