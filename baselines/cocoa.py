"""COCOA: the modalities of a sample agree, and the samples of a batch differ within each modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from harness.method import Classifier, Features, Method, Pretrained, Pretrainer, Task
from harness.nn.classifier import concatenation_classifier
from harness.nn.pretrainer import ProjectingPretrainer
from harness.options import Options


class COCOAStage1(Options):
    """Stage 1 of COCOA."""

    temperature: float = Field(
        default=0.1, ge=0.025, description="τ, the temperature of the loss; below 0.025 it would overflow"
    )
    negative_weight: float = Field(
        default=0.1248,
        ge=0,
        description="λ, the weight of the negatives in the loss (authors' code: 0.0039, with 1/32 for the positives)",
    )


class COCOAPretrainer(ProjectingPretrainer):
    """The views in the loss are the projections of the modalities."""

    def __init__(self, task: Task, options: COCOAStage1):
        super().__init__(task)
        self.options = options

    @override
    def loss(self, features: Features, rng: torch.Generator) -> Tensor:
        return cocoa_loss(torch.stack(features, dim=1), self.options.temperature, self.options.negative_weight)


def cocoa_loss(views: Tensor, temperature: float, negative_weight: float) -> Tensor:
    """The mean over samples i of P_i + λ N_i, for views (n, M, d) of M modalities, L2-normalised.

    P_i = mean over all pairs (v, w) of exp((1 − z_iv·z_iw) / τ), where a modality paired with itself adds a constant.
    N_i = Σ_v mean over j ≠ i of exp(z_iv·z_jv / τ). Needs at least two samples.
    """
    samples = len(views)
    positives = ((1 - views @ views.transpose(1, 2)) / temperature).exp().mean((1, 2))
    by_modality = views.transpose(0, 1)
    similarities = (by_modality @ by_modality.transpose(1, 2) / temperature).exp()
    itself = torch.eye(samples, dtype=torch.bool, device=views.device)
    negatives = similarities.masked_fill(itself, 0).sum((0, 2)) / (samples - 1)
    return (positives + negative_weight * negatives).mean()


class COCOA(Method):
    """COCOA: agreement between the modalities of a sample, against similarity of different samples in one modality.

    Source: Deldari et al., "COCOA: Cross Modality Contrastive Learning for Sensor Data", IMWUT 2022, and the authors'
    code, whose loss "cocoa2" is the sum of both terms that `cocoa_loss` implements. Unlike CMC, the negatives of a
    modality are of the same modality, and the terms are added instead of divided.

    It differs in four ways. The encoders and projection heads are those that all methods share. The loss is the mean
    over the samples of a batch instead of the sum, with the same ratio of both terms. The classifier of stage 2 is that
    of DeepSense, trained together with the encoders; the authors train a small network on frozen or fine-tuned
    encoders. Stage 1 keeps the harness's number of epochs and batch size, but takes Adam with the authors' learning
    rate, because the exponentials make the size of the gradients depend on τ by orders of magnitude.
    """

    name = "cocoa"
    title = "COCOA"
    Stage1 = COCOAStage1
    min_modalities = 2
    SETTINGS: ClassVar[Mapping[str, Any]] = {"stage1": {"optimizer": "adam", "lr": 0.0001}}

    @override
    def build_pretrainer(self, task: Task, options: COCOAStage1) -> Pretrainer:
        return COCOAPretrainer(task, options)

    @override
    def build_classifier(
        self, task: Task, options: Any, pretrained: Pretrained | None, variant: str = ""
    ) -> Classifier:
        return concatenation_classifier(task, pretrained)
