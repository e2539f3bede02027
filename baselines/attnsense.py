"""AttnSense: DeepSense with attention over the modalities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from baselines.deepsense import PUBLISHED, IntervalGRU, SpectralStage2
from harness.method import Classifier, Method, Pretrained, Readings, Task
from harness.nn.attention import JointAttention
from harness.nn.classifier import FusionClassifier, FusionHead, start_encoders, widths
from harness.nn.heads import RECURRENT
from harness.nn.spectral import FILTERS, WIDTH, build_spectral_encoders, by_interval


class Pooling(nn.Module):
    """(..., m, width) → their weighted sum (..., width) and the weights (..., m): softmax(tanh(w·x + b)) over the m vectors."""

    def __init__(self, width: int):
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        weights = torch.tanh(self.score(x)).softmax(dim=-2)
        return (weights * x).sum(-2), weights.squeeze(-1)


class TwofoldAttentionHead(nn.Module):
    """Features of M sensors, each (n, 64, intervals · 4) → logits (n, n_classes), and their weights (n, M), mean over the intervals.

    Attention over the sensors in each interval, a GRU of 2x120, attention over the intervals. Source: Ma et al. 2019.
    """

    def __init__(self, n_classes: int):
        super().__init__()
        self.attention = Pooling(FILTERS * WIDTH)
        self.gru = IntervalGRU(FILTERS * WIDTH)
        self.time = Pooling(RECURRENT)
        self.output = nn.Linear(RECURRENT, n_classes)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        vectors = torch.stack(
            [by_interval(z).transpose(1, 2).flatten(2) for z in features], dim=2
        )  # (n, intervals, M, 256)
        fused, weights = self.attention(vectors)
        return self.output(self.time(self.gru(fused))[0]), weights.mean(1)


class AttnSense(Method):
    """AttnSense in two forms.

    comparison: DeepSense's network with `JointAttention` before the features are concatenated. Source: the authors of Cosmo's
    code for UTD. original: Ma et al. 2019: DeepSense's convolutions of spectra and `TwofoldAttentionHead`, for series and
    skeletons. How it was trained is in no source of ours: the reading ``original`` has DeepSense's optimiser.
    """

    name = "attnsense"
    title = "AttnSense"
    Stage2 = SpectralStage2
    min_modalities = 2
    READINGS: ClassVar[Readings] = {
        "paper": {},
        "authors-code": {"stage2": {"epochs": 300, "lr": 0.001}},
        "original": {"form": "original", "stage2": PUBLISHED},
    }

    @override
    def build_classifier(
        self, task: Task, options: SpectralStage2, pretrained: Pretrained | None, variant: str = ""
    ) -> Classifier:
        """Raises InputError for the original form of frames and volumes."""
        if options.form == "original":
            spectral = build_spectral_encoders(task.modalities, options.intervals, self.name)
            return FusionClassifier(spectral, TwofoldAttentionHead(task.n_classes))
        encoders = start_encoders(task)
        head = FusionHead(widths(encoders), task.n_classes, JointAttention(widths(encoders)))
        return FusionClassifier(encoders, head)
