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
    """Attention pooling of m vectors, with the weights softmax(tanh(w·x + b)).

    Takes (..., m, width) and returns the weighted sum (..., width) and the weights (..., m).
    """

    def __init__(self, width: int):
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        weights = torch.tanh(self.score(x)).softmax(dim=-2)
        return (weights * x).sum(-2), weights.squeeze(-1)


class TwofoldAttentionHead(nn.Module):
    """The classifier of the original AttnSense.

    Takes features of M sensors, each (n, 64, intervals · 4), and returns logits (n, n_classes) and the weights of the
    sensors (n, M), averaged over the intervals. Attention over the sensors in each interval is followed by a GRU of 2
    layers with 120 units and by attention over the intervals. Source: Ma et al. 2019.
    """

    def __init__(self, n_classes: int):
        super().__init__()
        self.attention = Pooling(FILTERS * WIDTH)
        self.gru = IntervalGRU(FILTERS * WIDTH)
        self.time = Pooling(RECURRENT)
        self.output = nn.Linear(RECURRENT, n_classes)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        vectors = [by_interval(z).transpose(1, 2).flatten(2) for z in features]
        fused, weights = self.attention(torch.stack(vectors, dim=2))  # of (n, intervals, M, 256)
        return self.output(self.time(self.gru(fused))[0]), weights.mean(1)


class AttnSense(Method):
    """AttnSense: DeepSense with attention over the modalities, in two forms.

    comparison: the network of DeepSense, with `JointAttention` before the features are concatenated. Source: the code
    of Cosmo's authors for UTD.

    original: the network of Ma et al. 2019, DeepSense's convolutions of spectra and `TwofoldAttentionHead`, for series
    and skeletons. We found no source for its training, so the reading ``original`` uses the optimizer of DeepSense.
    """

    name = "attnsense"
    title = "AttnSense"
    Stage2 = SpectralStage2
    min_modalities = 2
    READINGS: ClassVar[Readings] = {
        "paper": {},
        "authors-code": {"stage2": {"epochs": 300, "lr": 0.001, "batch_norm": "running"}},
        "original": {"form": "original", "stage2": PUBLISHED},
    }

    @override
    def build_classifier(
        self, task: Task, options: SpectralStage2, pretrained: Pretrained | None, variant: str = ""
    ) -> Classifier:
        """Raises InputError for form original with frames or volumes."""
        if options.form == "original":
            spectral = build_spectral_encoders(task.modalities, options.intervals, self.name)
            return FusionClassifier(spectral, TwofoldAttentionHead(task.n_classes))
        encoders = start_encoders(task)
        head = FusionHead(widths(encoders), task.n_classes, JointAttention(widths(encoders)))
        return FusionClassifier(encoders, head)
