"""FOCAL: what modalities share is contrasted between them, what is private to one between augmented views."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from harness.method import Batch, Classifier, Features, Method, Pretrained, Pretrainer, Task
from harness.nn.augment import two_views
from harness.nn.classifier import concatenation_classifier
from harness.nn.contrast import same_sample_loss
from harness.nn.encoders import build_encoders
from harness.nn.heads import build_projections
from harness.options import Augmentations


class FOCALStage1(Augmentations):
    """Stage 1 of FOCAL."""

    temperature: float = Field(
        default=0.5,
        gt=0,
        description="τ, the temperature of both contrastive losses (published: 0.5 for convolutional encoders)",
    )
    shared_weight: float = Field(default=1.0, ge=0, description="weight of the loss between modalities")
    private_weight: float = Field(default=1.0, ge=0, description="weight of the loss between augmented views")
    orthogonality_weight: float = Field(default=3.0, ge=0, description="weight of the orthogonality of subspaces")


class FOCALPretrainer(Pretrainer):
    """Encoders with a projection head each, whose output is one half shared and one half private."""

    def __init__(self, task: Task, options: FOCALStage1):
        super().__init__()
        self.options = options
        self.encoders = build_encoders(task.modalities)
        self.projections = build_projections(self.encoders)

    @override
    def views(self, batch: Batch, rng: torch.Generator) -> Batch:
        """Two augmented views of each sample, (n, 2, ...). Each modality is augmented separately."""
        return two_views(batch, self.options, rng)

    @override
    def forward(self, batch: Batch, rng: torch.Generator) -> Features:
        """The projections of both views, (n, 2, 128), of each modality."""
        return tuple(
            self.projections[name](encoder(batch[name].flatten(0, 1))).unflatten(0, (-1, 2))
            for name, encoder in self.encoders.items()
        )

    @override
    def loss(self, features: Features, rng: torch.Generator) -> Tensor:
        halves = [projection.chunk(2, dim=2) for projection in features]
        shared, private = [half[0] for half in halves], [half[1] for half in halves]
        options = self.options
        return (
            options.shared_weight * shared_loss(shared, options.temperature)
            + options.private_weight * private_loss(private, options.temperature)
            + options.orthogonality_weight * orthogonality_loss(shared, private)
        )


def shared_loss(shared: Sequence[Tensor], temperature: float) -> Tensor:
    """NT-Xent between each pair of modalities in the same view, summed over pairs and views.

    shared: (n, 2, d) for each modality. The negatives are the other samples in both modalities.
    """
    pairs = [
        torch.stack((one[:, view], other[:, view]), dim=1) for one, other in combinations(shared, 2) for view in (0, 1)
    ]
    return torch.stack([same_sample_loss(F.normalize(pair, dim=2), temperature) for pair in pairs]).sum()


def private_loss(private: Sequence[Tensor], temperature: float) -> Tensor:
    """NT-Xent between both views of a modality, summed over modalities. private: (n, 2, d) for each modality."""
    return torch.stack([same_sample_loss(F.normalize(views, dim=2), temperature) for views in private]).sum()


def orthogonality_loss(shared: Sequence[Tensor], private: Sequence[Tensor]) -> Tensor:
    """The mean over samples of max(0, cos), summed over both views and over the pairs that should be orthogonal.

    These are the shared and the private part of each modality, and the private parts of each pair of modalities.
    """
    pairs = [*zip(shared, private, strict=True), *combinations(private, 2)]
    return torch.stack([F.cosine_similarity(one, other, dim=2).relu().mean(0).sum() for one, other in pairs]).sum()


class FOCAL(Method):
    """FOCAL: contrastive learning in a factorised, orthogonal latent space.

    Source: Liu et al., "FOCAL: Contrastive Learning for Multimodal Time-Series Sensing Signals in Factorized Orthogonal
    Latent Space", NeurIPS 2023, and the authors' code. The projection of each modality has a shared and a private half.
    The loss is a weighted sum of `shared_loss`, `private_loss` and `orthogonality_loss`, with the published weights.

    It differs in five ways. The temporal loss, which brings neighbouring windows closer together than distant ones, is
    left out, because a pretrainer does not know which windows are neighbours; its published weight is 5. The encoders
    and projection heads are those that all methods share, with 64 dimensions for each half. The augmentations are
    those of the harness instead of time warping, permutation, phase shift and others. Stage 1 has the harness's
    optimizer instead of AdamW. The classifier of stage 2 is that of DeepSense, trained together with the encoders; the
    authors train a fusion and a linear layer on frozen encoders.
    """

    name = "focal"
    title = "FOCAL"
    Stage1 = FOCALStage1
    min_modalities = 2

    @override
    def build_pretrainer(self, task: Task, options: FOCALStage1) -> Pretrainer:
        return FOCALPretrainer(task, options)

    @override
    def build_classifier(
        self, task: Task, options: Any, pretrained: Pretrained | None, variant: str = ""
    ) -> Classifier:
        return concatenation_classifier(task, pretrained)
