"""Triplets: the other view of a sample is closer than any view of another sample, by a margin."""

from __future__ import annotations

from pydantic import Field
from torch import nn
from typing_extensions import override

from baselines.augmented_views import AugmentedViews
from harness.options import Augmentations


class TripletStage1(Augmentations):
    """Stage 1 of the triplet loss."""

    margin: float = Field(
        default=0.2, gt=0, le=2, description="distance by which the positive must be closer than the negative"
    )


class Triplet(AugmentedViews):
    """The triplet loss max(0, d(a, p) − d(a, n) + margin) over all triplets of a batch.

    Memory grows with the cube of the batch size. Source: Schroff et al. 2015 (margin 0.2), as implemented in
    pytorch-metric-learning: the distance d is not squared, and the mean is over the triplets with a loss above 0, so it
    stays near the margin while their number decreases.
    """

    name = "triplet"
    title = "Triplet"
    Stage1 = TripletStage1

    @override
    def objective(self, options: TripletStage1) -> nn.Module:
        from pytorch_metric_learning.losses import TripletMarginLoss

        return TripletMarginLoss(margin=options.margin)
