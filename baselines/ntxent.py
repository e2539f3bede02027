"""NT-Xent: a view finds its sample's other view among all views of the batch."""

from __future__ import annotations

from pydantic import Field
from torch import nn
from typing_extensions import override

from baselines.augmented_views import AugmentedViews
from harness.nn.augment import Augmentations


class NTXentStage1(Augmentations):
    """Stage 1 of NT-Xent."""

    temperature: float = Field(default=0.07, gt=0, description="τ, the temperature of the loss")


class NTXent(AugmentedViews):
    """The normalised, temperature-scaled cross-entropy over a batch's views.

    Source: Chen et al. 2020 (SimCLR). The loss is pytorch-metric-learning's SupConLoss, which with one positive a view is the
    same and needs the square of the batch in memory; its NTXentLoss needs the cube, out of reach for the talk's batch of 512.
    """

    name = "ntxent"
    title = "NT-Xent"
    Stage1 = NTXentStage1

    @override
    def objective(self, options: NTXentStage1) -> nn.Module:
        from pytorch_metric_learning.losses import SupConLoss

        return SupConLoss(temperature=options.temperature)
