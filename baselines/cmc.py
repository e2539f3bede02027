"""CMC: the modalities of one sample are each other's positives."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from harness.method import Batch, Classifier, Features, Method, Pretrained, Pretrainer, Readings, Task
from harness.nn.attention import JointAttention
from harness.nn.classifier import FusionClassifier, FusionHead, Iterative, start_encoders, widths
from harness.nn.contrast import same_sample_floor, same_sample_loss
from harness.nn.encoders import build_encoders
from harness.nn.heads import build_projections
from harness.options import Options


class CMCStage1(Options):
    """temperature: τ of the loss."""

    temperature: Annotated[float, Field(gt=0)] = 0.07


class CMCPretrainer(Pretrainer):
    """Encoders and a projection head each; a sample's views are its modalities' own projections."""

    def __init__(self, task: Task, options: CMCStage1):
        super().__init__()
        self.temperature = options.temperature
        self.loss_floor = same_sample_floor(len(task.modalities))
        self.encoders = build_encoders(task.modalities)
        self.projections = build_projections(self.encoders)

    @override
    def forward(self, batch: Batch, rng: torch.Generator) -> Features:
        """The normalised projections (n, 128) of each modality."""
        return tuple(self.projections[name](encoder(batch[name])) for name, encoder in self.encoders.items())

    @override
    def loss(self, features: Features, rng: torch.Generator) -> Tensor:
        return same_sample_loss(torch.stack(features, dim=1), self.temperature)


class CMC(Method):
    """CMC in the comparison's form: Cosmo's loss with the modalities as the only views; Cosmo's stage 2 without quality guide.

    Source: the authors of Cosmo's code for UTD; iterative stage 2 with `JointAttention`. It departs from Tian et al. 2020:
    negatives are the batch's, of the same modality too, and there is neither memory bank nor NCE.
    """

    name = "cmc"
    title = "CMC"
    Stage1 = CMCStage1
    Stage2 = Iterative
    min_modalities = 2
    READINGS: ClassVar[Readings] = {
        "paper": {},
        "authors-code": {
            "freeze": False,
            "first_phase": "short",
            "stage1": {"epochs": 300, "batch_size": 32, "lr_milestones": [100, 200, 300]},
            "stage2": {"epochs": 500, "lr": 0.001, "lr_milestones": [350, 400, 450]},
        },
    }

    @override
    def build_pretrainer(self, task: Task, options: CMCStage1) -> Pretrainer:
        return CMCPretrainer(task, options)

    @override
    def build_classifier(self, task: Task, options: Iterative, pretrained: Pretrained | None, row: str = "") -> Classifier:
        encoders = start_encoders(task, pretrained.encoders if pretrained else None)
        head = FusionHead(widths(encoders), task.n_classes, JointAttention(widths(encoders)))
        return FusionClassifier(encoders, head, options)
