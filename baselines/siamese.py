"""Siamese networks: views of the same sample are pulled together, views of different samples pushed apart."""

from __future__ import annotations

from pydantic import Field
from torch import nn
from typing_extensions import override

from baselines.augmented_views import AugmentedViews
from harness.options import Augmentations


class SiameseStage1(Augmentations):
    """Stage 1 of siamese networks."""

    margin: float = Field(
        default=1.0,
        gt=0,
        le=2,
        description="distance of normalised projections beyond which different samples add no loss",
    )


class Siamese(AugmentedViews):
    """The contrastive loss: d for views of the same sample, max(0, margin − d) for views of different samples.

    Source: Hadsell, Chopra and LeCun 2006, as implemented in pytorch-metric-learning: the distance d is not squared,
    and the loss is the mean over positive pairs plus the mean over negative pairs, each only over pairs with a loss
    above 0.
    """

    name = "siamese"
    title = "Siamese"
    Stage1 = SiameseStage1

    @override
    def objective(self, options: SiameseStage1) -> nn.Module:
        from pytorch_metric_learning.losses import ContrastiveLoss

        return ContrastiveLoss(neg_margin=options.margin)
