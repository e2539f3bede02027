"""A pretrainer with one encoder and one projection head per modality."""

from __future__ import annotations

import torch
from typing_extensions import override

from harness.method import Batch, Features, Pretrainer, Task
from harness.nn.encoders import build_encoders
from harness.nn.heads import build_projections


class ProjectingPretrainer(Pretrainer):
    """Encoders with a projection head each. A subclass defines the loss of the projections."""

    def __init__(self, task: Task):
        super().__init__()
        self.encoders = build_encoders(task.modalities)
        self.projections = build_projections(self.encoders)

    @override
    def forward(self, batch: Batch, rng: torch.Generator) -> Features:
        """The normalised projections (n, 128) of each modality."""
        return tuple(self.projections[name](encoder(batch[name])) for name, encoder in self.encoders.items())
