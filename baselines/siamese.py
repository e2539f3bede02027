"""Siamese networks: views of one sample are drawn together, views of two samples pushed apart, up to a margin."""

from __future__ import annotations

from pydantic import Field
from torch import nn
from typing_extensions import override

from baselines.augmented_views import AugmentedViews
from harness.nn.augment import Augmentations


class SiameseStage1(Augmentations):
    """Stage 1 of siamese networks."""

    margin: float = Field(
        default=1.0,
        gt=0,
        le=2,
        description="distance of two normalised projections from which different samples add no loss",
    )


class Siamese(AugmentedViews):
    """The contrastive loss d for two views of a sample, max(0, margin − d) for views of two, over all pairs of a batch.

    Source: Hadsell, Chopra and LeCun 2006, in pytorch-metric-learning's form: d isn't squared; the two kinds of pairs are each
    averaged over those with a loss above 0, then added.
    """

    name = "siamese"
    title = "Siamese"
    Stage1 = SiameseStage1

    @override
    def objective(self, options: SiameseStage1) -> nn.Module:
        from pytorch_metric_learning.losses import ContrastiveLoss

        return ContrastiveLoss(neg_margin=options.margin)
