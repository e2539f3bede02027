"""CPC: the past of a sample identifies its own future among the futures of other samples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from harness.data.base import Modality
from harness.errors import InputError
from harness.method import (
    ENCODERS,
    HEAD,
    Batch,
    Classifier,
    Features,
    Method,
    Phase,
    Pretrained,
    Pretrainer,
    Readings,
    Task,
)
from harness.nn.classifier import FusionClassifier, FusionHead, start_encoders, widths
from harness.nn.encoders import STEPS, Encoder, build_encoders
from harness.nn.spectral import require_series, resample
from harness.options import Options

CONTEXT = 256
HORIZON = 28
MAX_STEPS = 32  # of form comparison
DROPOUT = 0.2
CONVOLVED = (32, 64, 128)
JOINT = "joint"  # the only encoder of form original, for all modalities
PUBLISHED: dict[str, Any] = {
    "epochs": 150,
    "optimizer": "adam",
    "lr": 5e-4,
    "weight_decay": 0.0,
    "lr_decay": 0.8,
    "lr_milestones": list(range(25, 1001, 25)),
}

Form = Literal["comparison", "original"]


class CPCStage1(Options):
    """Stage 1 of CPC."""

    form: Form = Field(
        default="comparison", description="encoders: those of the comparison, or of the original publication"
    )
    steps: int | None = Field(
        default=None,
        ge=1,
        description="maximum number of time steps of a sequence, at most the length of the shortest modality; "
        "by default 32 for form comparison, and the whole window for form original",
    )
    horizon: int | None = Field(
        default=None,
        ge=1,
        description="k, the number of future steps to predict; by default 28, or half of the steps if that is less",
    )


class CPCStage2(Options):
    """Stage 2 of CPC."""

    form: Form = Field(
        default="comparison", description="classifier: that of the comparison, or of the original publication"
    )
    steps: int | None = Field(
        default=None, ge=1, description="maximum number of time steps of a sequence for form original, as in stage 1"
    )
    freeze_encoders: bool = Field(default=False, description="train only the head, not the encoders")


def resolve_horizon(asked: int | None, steps: int, what: str) -> int:
    """The horizon k. Raises InputError if no step is left for the past; ``what`` begins the end of its message."""
    if asked is None and steps < 2:
        raise InputError(f"cpc: at least 2 time steps are needed, but {what} {steps}")
    horizon = asked or min(HORIZON, steps // 2)
    if horizon >= steps:
        raise InputError(f"cpc: a horizon of {horizon} needs more than {horizon} time steps, but {what} {steps}")
    return horizon


class CPCPretrainer(Pretrainer):
    """Base class of both forms: a sequence of features, the context of its past, a linear predictor per future step."""

    steps: int
    horizon: int
    predictors: nn.ModuleList

    @abstractmethod
    def sequence(self, batch: Batch) -> Tensor:
        """The features over time (n, steps, width)."""

    @abstractmethod
    def last_context(self, past: Tensor) -> Tensor:
        """The context after the last past step: (n, past steps, width) → (n, 256)."""

    @override
    def forward(self, batch: Batch, rng: torch.Generator) -> Features:
        """Predicted and actual features, both (n, horizon, width), from a start that is drawn once per batch."""
        past = 1 + int(torch.randint(self.steps - self.horizon, (), generator=rng))
        sequence = self.sequence(batch)
        context = self.last_context(sequence[:, :past])
        predicted = torch.stack([predictor(context) for predictor in self.predictors], dim=1)
        return predicted, sequence[:, past : past + self.horizon]

    @override
    def loss(self, features: Features, rng: torch.Generator) -> Tensor:
        """InfoNCE of each prediction against the same step of all samples in the batch, averaged over the horizon."""
        predicted, actual = (f.transpose(0, 1).float() for f in features)
        logits = predicted @ actual.transpose(1, 2)  # (horizon, n, n)
        targets = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape[:2])
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


class ComparisonCPC(CPCPretrainer):
    """The shared encoders, whose maps form one sequence, and a GRU. Raises InputError like `resolve_horizon`."""

    def __init__(self, task: Task, options: CPCStage1):
        super().__init__()
        self.encoders = build_encoders(task.modalities)
        encoders = [e for e in self.encoders.values() if isinstance(e, Encoder)]
        self.steps = min(options.steps or MAX_STEPS, *(e.time for e in encoders))
        self.horizon = resolve_horizon(options.horizon, self.steps, "the features have")
        width = sum(STEPS * e.width // e.time for e in encoders)
        self.context = nn.GRU(width, CONTEXT, num_layers=2, dropout=DROPOUT, batch_first=True)
        self.predictors = nn.ModuleList(nn.Linear(CONTEXT, width) for _ in range(self.horizon))

    @override
    def sequence(self, batch: Batch) -> Tensor:
        """The feature maps of all encoders, averaged to common time steps and concatenated."""
        parts = []
        for name, encoder in self.encoders.items():
            assert isinstance(encoder, Encoder)
            maps = encoder.map(batch[name])  # (n, 16, time, ...)
            by_time = maps.movedim(2, -1).flatten(1, -2)
            parts.append(F.adaptive_avg_pool1d(by_time, self.steps))
        return torch.cat(parts, dim=1).transpose(1, 2)

    @override
    def last_context(self, past: Tensor) -> Tensor:
        return self.context(past)[0][:, -1]


class JointEncoder(nn.Module):
    """The network of form original: the concatenated channels of all modalities → the last context (n, 256).

    Convolutions to 32, 64 and 128 channels (kernel 3, reflection padding, no bias, ReLU, dropout 0.2) are followed by a
    GRU of 2 layers with 256 units and dropout 0.2. Source: Haresamudram et al. 2021, for the 6 channels of one sensor.
    Several modalities are averaged to the length of the shortest, or to ``steps``. Raises InputError for frames and
    volumes.
    """

    def __init__(self, modalities: Sequence[Modality], steps: int | None):
        super().__init__()
        require_series(modalities, CPC.name)
        self.steps = min(m.shape[0] for m in modalities)
        self.steps = min(steps or self.steps, self.steps)
        if self.steps < 2:
            raise InputError(
                f"cpc: form 'original' needs at least 2 time steps, not {self.steps} (the option steps, or the length "
                "of the shortest modality)"
            )
        layers: list[nn.Module] = []
        inputs = sum(prod(m.shape[1:]) for m in modalities)
        for outputs in CONVOLVED:
            convolution = nn.Conv1d(inputs, outputs, 3, padding=1, padding_mode="reflect", bias=False)
            layers += [convolution, nn.ReLU(inplace=True), nn.Dropout(DROPOUT)]
            inputs = outputs
        self.names = [m.name for m in modalities]
        self.convolutions = nn.Sequential(*layers)
        self.context = nn.GRU(inputs, CONTEXT, num_layers=2, dropout=DROPOUT, batch_first=True)

    def sequence(self, batch: Batch) -> Tensor:
        """The features over time (n, steps, 128)."""
        channels = torch.cat([resample(batch[name], self.steps) for name in self.names], dim=1)
        return self.convolutions(channels).transpose(1, 2)

    def last_context(self, past: Tensor) -> Tensor:
        """The context after the last past step: (n, past steps, 128) → (n, 256)."""
        return self.context(past)[0][:, -1]

    def forward(self, batch: Batch) -> Tensor:
        return self.last_context(self.sequence(batch))


class OriginalCPC(CPCPretrainer):
    """`JointEncoder` and the predictors. Raises InputError like `JointEncoder` and `resolve_horizon`."""

    def __init__(self, task: Task, options: CPCStage1):
        super().__init__()
        joint = JointEncoder(task.modalities, options.steps)
        self.encoders = nn.ModuleDict({JOINT: joint})
        self.steps = joint.steps
        self.horizon = resolve_horizon(options.horizon, self.steps, "the window has")
        self.predictors = nn.ModuleList(nn.Linear(CONTEXT, CONVOLVED[-1]) for _ in range(self.horizon))

    @property
    def joint(self) -> JointEncoder:
        return cast(JointEncoder, self.encoders[JOINT])

    @override
    def sequence(self, batch: Batch) -> Tensor:
        return self.joint.sequence(batch)

    @override
    def last_context(self, past: Tensor) -> Tensor:
        return self.joint.last_context(past)


class OriginalClassifier(Classifier):
    """`JointEncoder` and an MLP 256-256-128-classes, with BatchNorm, ReLU and dropout 0.2 after each hidden layer."""

    def __init__(self, joint: JointEncoder, n_classes: int, freeze_encoders: bool):
        super().__init__()
        self.encoders = nn.ModuleDict({JOINT: joint})
        self.head = nn.Sequential(
            nn.Linear(CONTEXT, 256), nn.BatchNorm1d(256), nn.ReLU(inplace=True), nn.Dropout(DROPOUT),
            nn.Linear(256, 128), nn.BatchNorm1d(128), nn.ReLU(inplace=True), nn.Dropout(DROPOUT),
            nn.Linear(128, n_classes),
        )  # fmt: skip
        self.freeze_encoders = freeze_encoders

    @override
    def encode(self, batch: Batch) -> Features:
        return (self.encoders[JOINT](batch),)

    @override
    def classify(self, features: Features) -> Tensor:
        return self.head(features[0])

    @override
    def phase(self, epoch: int) -> Phase:
        return Phase(frozenset({HEAD} if self.freeze_encoders else {ENCODERS, HEAD}))

    @override
    def unexplained(self) -> dict[str, str]:
        reason = "all modalities go through one encoder"
        return {"attention": reason, "modal_distance": reason}


class ComparisonClassifier(FusionClassifier):
    """The classifier of DeepSense, with encoders that can be frozen."""

    def __init__(self, encoders: nn.ModuleDict, n_classes: int, freeze_encoders: bool):
        super().__init__(encoders, FusionHead(widths(encoders), n_classes))
        self.freeze_encoders = freeze_encoders

    @override
    def phase(self, epoch: int) -> Phase:
        return Phase(frozenset({HEAD})) if self.freeze_encoders else super().phase(epoch)


class CPC(Method):
    """CPC: prediction of the future features of a sample, in two forms.

    In both, the context is computed by a GRU of 2 layers with 256 units, one random start is drawn per batch, and the
    loss is InfoNCE over the batch, averaged over k steps.

    comparison: the shared encoders, trained by predictive coding and fine-tuned with the classifier of DeepSense. No
    source describes CPC with several modalities or these encoders. Here the time axis of each feature map is averaged
    to common steps, and the modalities are concatenated.

    original: the network of Haresamudram et al. 2021, `JointEncoder` and an MLP, for series and skeletons. The reading
    ``original`` combines it with the published settings: k = 28, Adam with learning rate 5e-4, multiplied by 0.8 every
    25 epochs (up to epoch 1000), 150 epochs, batch size 64, and frozen encoders. We found no source for the optimizer
    of stage 2, which is therefore that of stage 1 with the batch size of the harness, nor for weight decay, which is 0.
    """

    name = "cpc"
    title = "CPC"
    version = "2"
    Stage1 = CPCStage1
    Stage2 = CPCStage2
    READINGS: ClassVar[Readings] = {
        "paper": {},
        "authors-code": {"stage2": {"epochs": 300, "lr": 0.001, "batch_norm": "running"}},
        "original": {
            "form": "original",
            "horizon": HORIZON,
            "freeze_encoders": True,
            "stage1": {**PUBLISHED, "batch_size": 64},
            "stage2": PUBLISHED,
        },
    }

    @override
    def build_pretrainer(self, task: Task, options: CPCStage1) -> Pretrainer:
        return OriginalCPC(task, options) if options.form == "original" else ComparisonCPC(task, options)

    @override
    def build_classifier(
        self, task: Task, options: CPCStage2, pretrained: Pretrained | None, variant: str = ""
    ) -> Classifier:
        if options.form != "original":
            encoders = start_encoders(task, pretrained)
            return ComparisonClassifier(encoders, task.n_classes, options.freeze_encoders)
        model = OriginalClassifier(
            JointEncoder(task.modalities, options.steps), task.n_classes, options.freeze_encoders
        )
        if pretrained:
            model.encoders.load_state_dict(dict(pretrained.encoders))
        return model
