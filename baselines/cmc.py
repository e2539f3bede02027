"""CMC: the modalities of a sample are positives of each other."""

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
from harness.nn.by_modality import ByModality
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
        default="comparison",
        description="projections and loss: those of the comparison, or of the original publication",
    )
    temperature: float = Field(default=0.07, gt=0, description="τ, the temperature of the contrastive loss")


class CMCStage2(Iterative):
    """Stage 2 of CMC. Encoders and head are trained together, as in the code of Cosmo's authors."""

    iterative: bool = Field(default=False, description=Iterative.model_fields["iterative"].description)
    form: Form = Field(
        default="comparison",
        description="head: that of the comparison, with attention, or the linear layer of the original publication",
    )


class CMCPretrainer(ProjectingPretrainer):
    """The views in the loss are the projections of the modalities."""

    static = True

    def __init__(self, task: Task, options: CMCStage1):
        super().__init__(task)
        self.temperature = options.temperature
        self.loss_floor = same_sample_floor(len(task.modalities))

    @override
    def loss(self, features: Features, rng: torch.Generator) -> Tensor:
        return same_sample_loss(torch.stack(features, dim=1), self.temperature)


class OriginalCMCPretrainer(CMCPretrainer):
    """Like `CMCPretrainer`, with `cross_view_loss`, and linear layers to 128 as projections, L2-normalised."""

    def __init__(self, task: Task, options: CMCStage1):
        super().__init__(task, options)
        self.loss_floor = 0.0
        linear = {
            name: _LinearProjection(width)
            for name, width in zip(self.encoders, flat_widths(self.encoders), strict=True)
        }
        self.projections = ByModality(linear)

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
    """A linear layer on the concatenated features of M modalities.

    Takes features (n, 16, width_j) and returns logits (n, n_classes), without weights.
    """

    attention = None

    def __init__(self, widths: Sequence[int], n_classes: int):
        super().__init__()
        self.output = nn.Linear(sum(widths), n_classes)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, None]:
        return self.output(torch.cat([z.flatten(1) for z in features], dim=1)), None


def cross_view_loss(views: Sequence[Tensor], temperature: float) -> Tensor:
    """InfoNCE between all pairs of views, summed over both directions of each pair.

    The negatives of a sample are the other samples of the batch in the other view. views: M tensors (n, d), normalised.
    Source: Tian et al. 2020 (the full graph over views), in the form that is common today.
    """
    targets = torch.arange(len(views[0]), device=views[0].device)
    directions = [F.cross_entropy(one @ other.T / temperature, targets) for one, other in permutations(views, 2)]
    return torch.stack(directions).sum()


def flat_widths(encoders: nn.ModuleDict) -> tuple[int, ...]:
    """The number of features of each encoder."""
    return tuple(STEPS * width for width in widths(encoders))


class CMC(Method):
    """CMC: contrast between the modalities of a sample, in two forms with the encoders that all methods share.

    comparison: Cosmo's loss with the modalities as the only views, so that negatives can also have the same modality,
    and a stage 2 with `JointAttention` that trains encoders and head together. Source: the code of Cosmo's authors for
    UTD. It also reads the length of a turn for iterative training, but never uses it.

    original: the method of Tian et al. 2020, `cross_view_loss` and a linear classifier. It differs in two ways: the
    negatives are those of the batch and not of a memory bank, because a pretrainer does not know the identity of its
    samples, and the loss is InfoNCE instead of NCE. The reading ``original`` is this form with encoders frozen in stage
    2. The published optimizer is not used, since it is for photographs.
    """

    name = "cmc"
    title = "CMC"
    version = "2"
    Stage1 = CMCStage1
    Stage2 = CMCStage2
    min_modalities = 2
    READINGS: ClassVar[Readings] = {
        "paper": {},
        "authors-code": {
            "stage1": {"epochs": 300, "batch_size": 32, "lr_milestones": [100, 200, 300]},
            "stage2": {"epochs": 500, "lr": 0.001, "lr_milestones": [350, 400, 450], "batch_norm": "running"},
        },
        "original": {"form": "original", "freeze_encoders": True},
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
        encoders = start_encoders(task, pretrained)
        if options.form == "original":
            return FusionClassifier(encoders, LinearHead(flat_widths(encoders), task.n_classes), options)
        head = FusionHead(widths(encoders), task.n_classes, JointAttention(widths(encoders)))
        return FusionClassifier(encoders, head, options)
