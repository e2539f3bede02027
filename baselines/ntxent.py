"""NT-Xent: each view is matched with the other view of its sample among all views of the batch."""

from __future__ import annotations

from pydantic import Field
from torch import nn
from typing_extensions import override

from baselines.augmented_views import AugmentedViews
from harness.options import Augmentations


class NTXentStage1(Augmentations):
    """Stage 1 of NT-Xent."""

    temperature: float = Field(default=0.07, gt=0, description="τ, the temperature of the loss")


class NTXent(AugmentedViews):
    """The normalised, temperature-scaled cross-entropy over the views of a batch.

    Source: Chen et al. 2020 (SimCLR). The implementation is SupConLoss of pytorch-metric-learning, which is the same
    loss if each view has one positive. Its memory grows with the square of the batch size, while that of NTXentLoss
    grows with the cube, which is too much for the talk's batch size of 512.
    """

    name = "ntxent"
    title = "NT-Xent"
    Stage1 = NTXentStage1

    @override
    def objective(self, options: NTXentStage1) -> nn.Module:
        from pytorch_metric_learning.losses import SupConLoss

        return SupConLoss(temperature=options.temperature)
