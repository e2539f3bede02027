"""CMC: the modalities of one sample are each other's positives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from harness.method import Classifier, Features, Method, Pretrained, Pretrainer, Readings, Task
from harness.nn.attention import JointAttention
from harness.nn.augment import Augmentations
from harness.nn.classifier import FusionClassifier, FusionHead, Iterative, start_encoders, widths
from harness.nn.contrast import same_sample_floor, same_sample_loss
from harness.nn.encoders import STEPS
from harness.nn.heads import PROJECTED
from harness.nn.pretrainer import ProjectingPretrainer
from harness.options import Options

Form = Literal["comparison", "original"]


class CMCStage1(Options):
    """Stage 1 of CMC."""

    form: Form = Field(
        default="comparison", description="projections and loss: the comparison's, or the original publication's"
    )
    temperature: float = Field(default=0.07, gt=0, description="τ, the temperature of the contrastive loss")
    augmentations: Augmentations | None = Field(
        default=None, description="augment each sample before it is encoded; by default not at all"
    )


class CMCStage2(Iterative):
    """Stage 2 of CMC."""

    form: Form = Field(
        default="comparison", description="head: the comparison's with attention, or the original's linear layer"
    )


class CMCPretrainer(ProjectingPretrainer):
    """A sample's views are its modalities' own projections."""

    def __init__(self, task: Task, options: CMCStage1):
        super().__init__(task, options.augmentations)
        self.temperature = options.temperature
        self.loss_floor = same_sample_floor(len(task.modalities))

    @override
    def loss(self, features: Features, rng: torch.Generator) -> Tensor:
        return same_sample_loss(torch.stack(features, dim=1), self.temperature)


class OriginalCMCPretrainer(CMCPretrainer):
    """As `CMCPretrainer`, but each projection is one linear layer to 128, L2-normalised, and the loss is `cross_view_loss`."""

    def __init__(self, task: Task, options: CMCStage1):
        super().__init__(task, options)
        self.loss_floor = 0.0
        linear = {
            name: _LinearProjection(width)
            for name, width in zip(self.encoders, flat_widths(self.encoders), strict=True)
        }
        self.projections = nn.ModuleDict(linear)

    @override
    def loss(self, features: Features, rng: torch.Generator) -> Tensor:
        return cross_view_loss(features, self.temperature)


class _LinearProjection(nn.Linear):
    def __init__(self, inputs: int):
        super().__init__(inputs, PROJECTED)

    @override
    def forward(self, input: Tensor) -> Tensor:
        return F.normalize(super().forward(input.flatten(1)), dim=1)


class LinearHead(nn.Module):
    """Features of M modalities, each (n, 16, width_j), side by side → one linear layer → logits (n, n_classes), and no weights."""

    attention = None

    def __init__(self, widths: Sequence[int], n_classes: int):
        super().__init__()
        self.output = nn.Linear(sum(widths), n_classes)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, None]:
        return self.output(torch.cat([z.flatten(1) for z in features], dim=1)), None


def cross_view_loss(views: Sequence[Tensor], temperature: float) -> Tensor:
    """InfoNCE of each view against each other view, whose samples of the batch are the only negatives; both directions summed.

    views: M tensors (n, d), normalised. Source: Tian et al. 2020 (the full graph over views), in the common modern form.
    """
    own = torch.arange(len(views[0]), device=views[0].device)
    directions = [F.cross_entropy(one @ other.T / temperature, own) for one, other in permutations(views, 2)]
    return torch.stack(directions).sum()


def flat_widths(encoders: nn.ModuleDict) -> tuple[int, ...]:
    """The number of features of each encoder, in order."""
    return tuple(STEPS * width for width in widths(encoders))


class CMC(Method):
    """CMC in two forms, both with the encoders that all methods here share.

    comparison: Cosmo's loss with the modalities as the only views (so negatives are of the same modality, too); Cosmo's stage 2
    without quality guide, with `JointAttention`. Source: the authors of Cosmo's code for UTD. original: Tian et al. 2020:
    `cross_view_loss`, then a linear classifier. It departs in the negatives: the batch's and not a memory bank's, as a
    pretrainer does not know which samples it sees, and InfoNCE instead of NCE. The reading ``original`` is that form with the
    encoders frozen in stage 2; the published optimiser is for photographs and not taken over.
    """

    name = "cmc"
    title = "CMC"
    Stage1 = CMCStage1
    Stage2 = CMCStage2
    min_modalities = 2
    READINGS: ClassVar[Readings] = {
        "paper": {},
        "authors-code": {
            "freeze": False,
            "first_phase": "short",
            "stage1": {"epochs": 300, "batch_size": 32, "lr_milestones": [100, 200, 300]},
            "stage2": {"epochs": 500, "lr": 0.001, "lr_milestones": [350, 400, 450]},
        },
        "original": {"form": "original", "iterative": False, "freeze_encoders": True},
    }

    @override
    def cautions(self, stage2: CMCStage2, epochs: int) -> list[str]:
        return stage2.cautions(epochs)

    @override
    def build_pretrainer(self, task: Task, options: CMCStage1) -> Pretrainer:
        return OriginalCMCPretrainer(task, options) if options.form == "original" else CMCPretrainer(task, options)

    @override
    def build_classifier(
        self, task: Task, options: CMCStage2, pretrained: Pretrained | None, variant: str = ""
    ) -> Classifier:
        encoders = start_encoders(task, pretrained.encoders if pretrained else None)
        if options.form == "original":
            return FusionClassifier(encoders, LinearHead(flat_widths(encoders), task.n_classes), options)
        head = FusionHead(widths(encoders), task.n_classes, JointAttention(widths(encoders)))
        return FusionClassifier(encoders, head, options)
