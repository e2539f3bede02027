"""CPC: the past of a sample predicts its own future among those of others."""

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
from harness.method import Batch, Classifier, Features, Method, Phase, Pretrained, Pretrainer, Readings, Task
from harness.nn.classifier import ENCODERS, HEAD, FusionClassifier, FusionHead, start_encoders, widths
from harness.nn.encoders import STEPS, Encoder, build_encoders
from harness.nn.spectral import require_series, resample
from harness.options import Options

CONTEXT = 256
HORIZON = 28
MOST_STEPS = 32  # of the comparison's form
DROPOUT = 0.2
CONVOLVED = (32, 64, 128)
JOINT = "joint"  # the original's only encoder; no modality has one of its own
PUBLISHED: dict[str, Any] = {
    "epochs": 150, "optimizer": "adam", "lr": 5e-4, "weight_decay": 0.0, "lr_decay": 0.8, "lr_milestones": list(range(25, 1001, 25)),
}  # fmt: skip

Form = Literal["comparison", "original"]


class CPCStage1(Options):
    """Stage 1 of CPC."""

    form: Form = Field(default="comparison", description="encoders: the comparison's, or the original publication's")
    steps: int | None = Field(
        default=None,
        ge=1,
        description="most time steps of a sequence; by default 32 for form comparison and the whole window for form original; "
        "never more than the shortest modality has",
    )
    horizon: int | None = Field(
        default=None,
        ge=1,
        description="k, the future steps that are predicted; by default 28, or half of the steps if that is less",
    )


class CPCStage2(Options):
    """Stage 2 of CPC."""

    form: Form = Field(default="comparison", description="classifier: the comparison's, or the original publication's")
    steps: int | None = Field(
        default=None, ge=1, description="most time steps of a sequence for form original, as in stage 1"
    )
    freeze_encoders: bool = Field(default=False, description="never train the encoders, only the head")


def horizon_of(asked: int | None, steps: int, what: str) -> int:
    """k. Raises InputError if that leaves no step of ``what`` for the past."""
    horizon = asked or min(HORIZON, max(1, steps // 2))
    if horizon >= steps:
        raise InputError(f"cpc: a horizon of {horizon} needs more than {horizon} time steps; {what} {steps}")
    return horizon


class CPCPretrainer(Pretrainer):
    """Base of both forms: a sequence of features, the context of its past, a linear predictor for each future step."""

    steps: int
    horizon: int
    predictors: nn.ModuleList

    @abstractmethod
    def sequence(self, batch: Batch) -> Tensor:
        """The features over time, (n, steps, width)."""

    @abstractmethod
    def last_context(self, past: Tensor) -> Tensor:
        """(n, past steps, width) → (n, 256)."""

    @override
    def forward(self, batch: Batch, rng: torch.Generator) -> Features:
        """Predictions and what came, both (n, horizon, width), after a start drawn once for the batch."""
        past = 1 + int(torch.randint(self.steps - self.horizon, (), generator=rng))
        sequence = self.sequence(batch)
        context = self.last_context(sequence[:, :past])
        predicted = torch.stack([predictor(context) for predictor in self.predictors], dim=1)
        return predicted, sequence[:, past : past + self.horizon]

    @override
    def loss(self, features: Features, rng: torch.Generator) -> Tensor:
        """InfoNCE of each prediction against that step of every sample in the batch, mean over the horizon."""
        predicted, came = (f.transpose(0, 1).float() for f in features)
        logits = predicted @ came.transpose(1, 2)  # (horizon, n, n)
        own = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape[:2])
        return F.cross_entropy(logits.flatten(0, 1), own.flatten())


class ComparisonCPC(CPCPretrainer):
    """The shared encoders; their maps as one sequence in time; a GRU's context. Raises InputError as `horizon_of` does."""

    def __init__(self, task: Task, options: CPCStage1):
        super().__init__()
        self.encoders = build_encoders(task.modalities)
        encoders = [e for e in self.encoders.values() if isinstance(e, Encoder)]
        self.steps = min(options.steps or MOST_STEPS, *(e.time for e in encoders))
        self.horizon = horizon_of(options.horizon, self.steps, "the features have")
        width = sum(STEPS * e.width // e.time for e in encoders)
        self.context = nn.GRU(width, CONTEXT, num_layers=2, dropout=DROPOUT, batch_first=True)
        self.predictors = nn.ModuleList(nn.Linear(CONTEXT, width) for _ in range(self.horizon))

    @override
    def sequence(self, batch: Batch) -> Tensor:
        """Each encoder's map averaged to the common time steps, side by side."""
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
    """The original's network, of all modalities' channels side by side: a batch → its last context (n, 256).

    Convolutions to 32, 64 and 128 channels (kernel 3, reflected at the ends, no bias; ReLU, dropout 0.2), GRU 2x256 with dropout
    0.2. Source: Haresamudram et al. 2021, for one sensor's 6 channels; several modalities are averaged to the shortest's
    length, or to ``steps``. Raises InputError for frames and volumes.
    """

    def __init__(self, modalities: Sequence[Modality], steps: int | None):
        super().__init__()
        require_series(modalities, CPC.name)
        self.steps = min(m.shape[0] for m in modalities)
        self.steps = min(steps or self.steps, self.steps)
        if self.steps < 2:
            raise InputError(
                f"cpc: form 'original' needs at least 2 time steps, the shortest modality or the option gives {self.steps}"
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
        """(n, steps, 128)."""
        channels = torch.cat([resample(batch[name], self.steps) for name in self.names], dim=1)
        return self.convolutions(channels).transpose(1, 2)

    def last_context(self, past: Tensor) -> Tensor:
        """(n, past steps, 128) → (n, 256)."""
        return self.context(past)[0][:, -1]

    def forward(self, batch: Batch) -> Tensor:
        return self.last_context(self.sequence(batch))


class OriginalCPC(CPCPretrainer):
    """`JointEncoder` and the predictors. Raises InputError as these two and `horizon_of` do."""

    def __init__(self, task: Task, options: CPCStage1):
        super().__init__()
        joint = JointEncoder(task.modalities, options.steps)
        self.encoders = nn.ModuleDict({JOINT: joint})
        self.steps = joint.steps
        self.horizon = horizon_of(options.horizon, self.steps, "the window has")
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
    """`JointEncoder`'s last context → MLP 256-256-128-classes, with BatchNorm, ReLU and dropout 0.2 after each hidden layer."""

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
    def forward(self, batch: Batch) -> Tensor:
        return self.head(self.encoders[JOINT](batch))

    @override
    def phase(self, epoch: int) -> Phase:
        return Phase(frozenset({HEAD} if self.freeze_encoders else {ENCODERS, HEAD}))

    @override
    def unexplained(self) -> dict[str, str]:
        reason = "all modalities go through one encoder"
        return {"attention": reason, "modal_distance": reason}


class ComparisonClassifier(FusionClassifier):
    """DeepSense's classifier, with encoders that may be frozen."""

    def __init__(self, encoders: nn.ModuleDict, n_classes: int, freeze_encoders: bool):
        super().__init__(encoders, FusionHead(widths(encoders), n_classes))
        self.freeze_encoders = freeze_encoders

    @override
    def phase(self, epoch: int) -> Phase:
        return Phase(frozenset({HEAD})) if self.freeze_encoders else super().phase(epoch)


class CPC(Method):
    """CPC in two forms, both with a context of GRU 2x256, one random start a batch, InfoNCE over the batch, mean over k steps.

    comparison: the shared encoders trained by predictive coding, then DeepSense's classifier, fine-tuned. No source describes
    it with several modalities or these encoders: here each map's time axis is averaged to common steps and the modalities
    set side by side. original: Haresamudram et al. 2021: `JointEncoder`, then an MLP; for series and skeletons. The reading
    ``original`` is that form with what was published: k = 28, Adam 5e-4, times 0.8 each 25 epochs (to epoch 1000), 150 epochs, batch 64,
    frozen encoders. Stage 2's own optimiser is in no source of ours: it is stage 1's, at the harness's batch; weight decay is 0.
    """

    name = "cpc"
    title = "CPC"
    Stage1 = CPCStage1
    Stage2 = CPCStage2
    READINGS: ClassVar[Readings] = {
        "paper": {},
        "authors-code": {"stage2": {"epochs": 300, "lr": 0.001}},
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
            encoders = start_encoders(task, pretrained.encoders if pretrained else None)
            return ComparisonClassifier(encoders, task.n_classes, options.freeze_encoders)
        model = OriginalClassifier(
            JointEncoder(task.modalities, options.steps), task.n_classes, options.freeze_encoders
        )
        if pretrained:
            model.encoders.load_state_dict(dict(pretrained.encoders))
        return model
