"""Mixtures of the modalities of a sample, which stage 1 treats as positives of each other."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

MixtureKind = Literal["grid", "uniform", "dirichlet"]
Per = Literal["batch", "sample"]


def grid(positives: int, modalities: int) -> Tensor:
    """Fixed weights (positives, modalities), whose rows sum to one.

    For two modalities, k/(P+1) and 1 − k/(P+1) with k = 1…P. For P = 9 this is the authors' k/10, which can't be used
    above 9. For more modalities, for which no source has a grid, the spacings between the sorted coordinates of the
    points of a Halton sequence, which cover the simplex evenly.
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
    """Weights (positives, modalities), or (samples, positives, modalities) if drawn per sample; float64, summing to
    one.

    grid: see `grid`. uniform: U(0, 1) for the first of two modalities, or for each of more than two. dirichlet:
    Dirichlet(1, …, 1), the authors' choice for three modalities. Grid and uniform weights are then mapped to the range
    [low, high] by w → low + (high − low)·w: of two modalities the first, and the second gets the rest; of more than two
    each, and they are divided by their sum.
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
    """Mixtures (n, positives, d) of M features (n, d), with weights from `draw_weights`."""
    stacked = torch.stack(features, dim=1)
    equation = "npm,nmd->npd" if weights.dim() == 3 else "pm,nmd->npd"
    return torch.einsum(equation, weights.to(stacked), stacked)
