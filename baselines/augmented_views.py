"""The base of siamese networks, triplets and NT-Xent: stage 1 on two augmented views, stage 2 as in DeepSense."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from harness.method import Batch, Classifier, Features, Method, Pretrained, Pretrainer, Task
from harness.nn.augment import two_views
from harness.nn.classifier import concatenation_classifier, widths
from harness.nn.encoders import build_encoders
from harness.nn.heads import ProjectionHead
from harness.options import Augmentations


class ViewsPretrainer(Pretrainer):
    """Encoders, and one projection head on their concatenated features.

    ``objective`` takes embeddings (2n, 128) and labels (2n,).
    """

    def __init__(self, task: Task, augmentations: Augmentations, objective: nn.Module):
        super().__init__()
        self.augmentations = augmentations
        self.objective = objective
        self.encoders = build_encoders(task.modalities)
        self.projection = ProjectionHead(sum(widths(self.encoders)))

    @override
    def views(self, batch: Batch, rng: torch.Generator) -> Batch:
        """Two augmented views of each sample, (n, 2, ...). Each modality is augmented separately."""
        return two_views(batch, self.augmentations, rng)

    @override
    def forward(self, batch: Batch, rng: torch.Generator) -> Features:
        """The normalised projections of the first and of the second views, both (n, 128)."""
        features = [encoder(batch[name].transpose(0, 1).flatten(0, 1)) for name, encoder in self.encoders.items()]
        first, second = self.projection(torch.cat(features, dim=2)).chunk(2)
        return first, second

    @override
    def loss(self, features: Features, rng: torch.Generator) -> Tensor:
        """The objective, in which the label of a view is its sample."""
        identity = torch.arange(len(features[0]), device=features[0].device)
        loss: Tensor = self.objective(torch.cat(features), identity.repeat(2))
        return loss


class AugmentedViews(Method):
    """Base class of the classic contrastive methods, for any number of modalities. A subclass defines the objective.

    Source of the augmentations and objectives: the talk on contrastive losses for sensor data. The encoders, the
    projection head and the classifier are not those of the talk, but those that all methods share.
    """

    @abstractmethod
    def objective(self, options: Any) -> nn.Module:
        """The loss from pytorch-metric-learning, which is imported only when it is needed."""

    @override
    def build_pretrainer(self, task: Task, options: Any) -> Pretrainer:
        return ViewsPretrainer(task, options, self.objective(options))

    @override
    def build_classifier(
        self, task: Task, options: Any, pretrained: Pretrained | None, variant: str = ""
    ) -> Classifier:
        return concatenation_classifier(task, pretrained)
