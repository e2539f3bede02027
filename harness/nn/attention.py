"""Attention over modalities as in the authors' code; used by Cosmo (reading authors-code), CMC and AttnSense."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from harness.nn.encoders import STEPS
from harness.nn.heads import HIDDEN, PROJECTED


class JointAttention(nn.Module):
    """Softmax weights over M modalities, computed from all of their features.

    Each modality's features pass through a Linear layer of 1280 units. Their concatenation passes through an MLP
    1280-128-M with BatchNorm and tanh after every layer, including the last, and a softmax. Takes M tensors (n, 16,
    width_j) and returns weights (n, M), whose rows sum to one. Source: the authors' code, which has two modalities.
    """

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        m = len(widths)
        self.reduce = nn.ModuleList(nn.Linear(STEPS * width, HIDDEN) for width in widths)
        self.weight = nn.Sequential(
            nn.Linear(HIDDEN * m, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.Tanh(),
            nn.Linear(HIDDEN, PROJECTED), nn.BatchNorm1d(PROJECTED), nn.Tanh(),
            nn.Linear(PROJECTED, m), nn.BatchNorm1d(m), nn.Tanh(),
        )  # fmt: skip

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        reduced = [linear(z.flatten(1)) for linear, z in zip(self.reduce, features, strict=True)]
        return self.weight(torch.cat(reduced, dim=1)).softmax(dim=1)
