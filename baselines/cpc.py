"""CPC: the past of a sample predicts its own future among those of others."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from harness.errors import InputError
from harness.method import Batch, Classifier, Features, Method, Pretrained, Pretrainer, Readings, Task
from harness.nn.classifier import FusionClassifier, FusionHead, start_encoders, widths
from harness.nn.encoders import STEPS, Encoder, build_encoders
from harness.options import Options, Positive

CONTEXT = 256


class CPCStage1(Options):
    """steps: at most so many time steps, equal for all modalities; the shortest feature map sets them if it has fewer.

    horizon: k, the future steps predicted, fewer than the steps; none: 28, or half of the steps if that is less.
    """

    steps: Positive = 32
    horizon: Positive | None = None


class CPCPretrainer(Pretrainer):
    """Encoders; their maps as one sequence in time; a GRU's context; a linear predictor for each future step.

    Raises InputError if the horizon leaves no step for the past.
    """

    def __init__(self, task: Task, options: CPCStage1):
        super().__init__()
        self.encoders = build_encoders(task.modalities)
        encoders = [e for e in self.encoders.values() if isinstance(e, Encoder)]
        self.steps = min(options.steps, *(e.time for e in encoders))
        self.horizon = options.horizon or min(28, max(1, self.steps // 2))
        if self.horizon >= self.steps:
            raise InputError(f"cpc: a horizon of {self.horizon} needs more than {self.horizon} time steps; the features have {self.steps}")
        width = sum(STEPS * e.width // e.time for e in encoders)
        self.context = nn.GRU(width, CONTEXT, num_layers=2, dropout=0.2, batch_first=True)
        self.predictors = nn.ModuleList(nn.Linear(CONTEXT, width) for _ in range(self.horizon))

    def sequence(self, batch: Batch) -> Tensor:
        """(n, steps, width): each encoder's map averaged to the common time steps, side by side."""
        parts = []
        for name, encoder in self.encoders.items():
            assert isinstance(encoder, Encoder)
            maps = encoder.map(batch[name])  # (n, 16, time, ...)
            by_time = maps.movedim(2, -1).flatten(1, -2)
            parts.append(F.adaptive_avg_pool1d(by_time, self.steps))
        return torch.cat(parts, dim=1).transpose(1, 2)

    @override
    def forward(self, batch: Batch, rng: torch.Generator) -> Features:
        """Predictions and what came, both (n, horizon, width), after a start drawn once for the batch."""
        past = 1 + int(torch.randint(self.steps - self.horizon, (), generator=rng))
        sequence = self.sequence(batch)
        context = self.context(sequence[:, :past])[0][:, -1]
        predicted = torch.stack([predictor(context) for predictor in self.predictors], dim=1)
        return predicted, sequence[:, past : past + self.horizon]

    @override
    def loss(self, features: Features, rng: torch.Generator) -> Tensor:
        """InfoNCE of each prediction against that step of every sample in the batch, mean over the horizon."""
        predicted, came = (f.transpose(0, 1).float() for f in features)
        logits = predicted @ came.transpose(1, 2)  # (horizon, n, n)
        own = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape[:2])
        return F.cross_entropy(logits.flatten(0, 1), own.flatten())


class CPC(Method):
    """CPC in the comparison's form: the shared encoders trained by predictive coding, then DeepSense's classifier, fine-tuned.

    Source: Haresamudram et al. 2021 (context of GRU 2x256 with dropout 0.2, one random start a batch, InfoNCE over the
    batch, mean over k = 28 steps). No source describes it with several modalities or these encoders: here each map's time
    axis is averaged to common steps and the modalities set side by side. It departs from the paper in encoders, optimiser
    and a stage 2 that trains the encoders too.
    """

    name = "cpc"
    title = "CPC"
    Stage1 = CPCStage1
    READINGS: ClassVar[Readings] = {"paper": {}, "authors-code": {"stage2": {"epochs": 300, "lr": 0.001}}}

    @override
    def build_pretrainer(self, task: Task, options: CPCStage1) -> Pretrainer:
        return CPCPretrainer(task, options)

    @override
    def build_classifier(self, task: Task, options: Options, pretrained: Pretrained | None, row: str = "") -> Classifier:
        encoders = start_encoders(task, pretrained.encoders if pretrained else None)
        return FusionClassifier(encoders, FusionHead(widths(encoders), task.n_classes))
