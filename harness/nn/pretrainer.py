"""A pretrainer with one encoder and one projection head per modality."""

from __future__ import annotations

import torch
from typing_extensions import override

from harness.method import Batch, Features, Pretrainer, Task
from harness.nn.augment import Augmentations, device_generator
from harness.nn.encoders import build_encoders
from harness.nn.heads import build_projections


class ProjectingPretrainer(Pretrainer):
    """Encoders with a projection head each. A subclass defines the loss of the projections.

    ``augmentations`` are applied to each modality of each sample before it is encoded. None of Cosmo's sources has any,
    so the default is None.
    """

    def __init__(self, task: Task, augmentations: Augmentations | None = None):
        super().__init__()
        self.augmentations = augmentations
        self.encoders = build_encoders(task.modalities)
        self.projections = build_projections(self.encoders)

    @override
    def views(self, batch: Batch, rng: torch.Generator) -> Batch:
        """The batch, with each sample augmented once if there are augmentations."""
        if self.augmentations is None:
            return batch
        generator = device_generator(batch, rng)
        return {name: self.augmentations.apply(batch[name], generator) for name in self.encoders}

    @override
    def forward(self, batch: Batch, rng: torch.Generator) -> Features:
        """The normalised projections (n, 128) of each modality."""
        return tuple(self.projections[name](encoder(batch[name])) for name, encoder in self.encoders.items())
