"""The layers on top of the encoders: the projection head of stage 1 and the recurrent classifier of stage 2."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from harness.nn.by_modality import ByModality
from harness.nn.encoders import STEPS, Encoder

HIDDEN = 1280
PROJECTED = 128
RECURRENT = 120


class ProjectionHead(nn.Module):
    """(n, 16, width) → (n, 128), L2-normalised: Linear 1280, BatchNorm, ReLU, Linear 128 (authors' code)."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(STEPS * width, HIDDEN),
            nn.BatchNorm1d(HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, PROJECTED),
        )

    def forward(self, features: Tensor) -> Tensor:
        return F.normalize(self.layers(features.flatten(1)), dim=1)


def build_projections(encoders: nn.ModuleDict) -> ByModality:
    """A randomly initialised projection head for each encoder, under its modality's name."""
    return ByModality({name: ProjectionHead(e.width) for name, e in encoders.items() if isinstance(e, Encoder)})


class RecurrentClassifier(nn.Module):
    """(n, 16, width) → logits (n, n_classes), as in the authors' code.

    A GRU of two layers with 120 units runs over the 16 steps; all of its outputs pass through an MLP 1280-128.
    """

    def __init__(self, width: int, n_classes: int):
        super().__init__()
        self.gru = nn.GRU(width, RECURRENT, num_layers=2, batch_first=True)
        self.classifier = nn.Sequential(
            nn.Linear(STEPS * RECURRENT, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, PROJECTED), nn.BatchNorm1d(PROJECTED), nn.ReLU(inplace=True),
            nn.Linear(PROJECTED, n_classes),
        )  # fmt: skip

    def forward(self, fused: Tensor) -> Tensor:
        return self.classifier(self.gru(fused)[0].flatten(1))
