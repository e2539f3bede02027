"""DeepSense: one encoder per modality, whose features are concatenated, and a recurrent classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from typing_extensions import Self, override

from harness.method import Classifier, Method, Pretrained, Readings, Task
from harness.nn.classifier import FusionClassifier, concatenation_classifier
from harness.nn.heads import RECURRENT
from harness.nn.spectral import DROPOUT, FILTERS, WIDTH, build_spectral_encoders, by_interval
from harness.options import Options

MERGE_KERNELS = (8, 6, 4)
RECURRENT_DROPOUT = 0.5
PUBLISHED: dict[str, Any] = {"optimizer": "adam", "lr": 1e-4, "betas": [0.5, 0.9], "weight_decay": 5e-4}


class SpectralStage2(Options):
    """Stage 2 of DeepSense and AttnSense."""

    form: Literal["comparison", "original"] = Field(
        default="comparison",
        description="network: that of the comparison, shared by all methods, or that of the original publication",
    )
    intervals: int | None = Field(
        default=None,
        ge=1,
        description="number of time intervals whose spectra are the input of form original; by default 20, or fewer "
        "so that each has 10 samples of the shortest modality",
    )

    @model_validator(mode="after")
    def _intervals_are_the_originals(self) -> Self:
        if self.intervals is not None and self.form != "original":
            raise ValueError("intervals is for form 'original'; the network of form 'comparison' has no intervals")
        return self


class MergeHead(nn.Module):
    """The classifier of the original DeepSense.

    Takes features of M sensors, each (n, 64, intervals · 4), and returns logits (n, n_classes), without weights. Three
    convolutions over all sensors and the spectrum are followed by a GRU of 2 layers with 120 units over the intervals,
    whose outputs are averaged. Source: Yao et al. 2017 and the authors' code. The published kernels span the two
    sensors used there; here they span all sensors.
    """

    attention = None

    def __init__(self, sensors: int, n_classes: int):
        super().__init__()
        layers: list[nn.Module] = [nn.Dropout3d(DROPOUT)]
        for kernel in MERGE_KERNELS:
            layers += [
                nn.ConstantPad3d((*_same(kernel), *_same(sensors), 0, 0), 0),
                nn.Conv3d(FILTERS, FILTERS, (1, sensors, kernel)),
                nn.BatchNorm3d(FILTERS),
                nn.ReLU(inplace=True),
                nn.Dropout3d(DROPOUT),
            ]
        self.merge = nn.Sequential(*layers[:-1])  # the GRU that follows has its own dropout
        self.gru = IntervalGRU(FILTERS * sensors * WIDTH)
        self.output = nn.Linear(RECURRENT, n_classes)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, None]:
        merged = self.merge(torch.stack([by_interval(z) for z in features], dim=3))  # (n, 64, intervals, M, 4)
        return self.output(self.gru(merged.transpose(1, 2).flatten(2)).mean(1)), None


class IntervalGRU(nn.Module):
    """A GRU of two layers, each with dropout 0.5: (n, intervals, width) → (n, intervals, 120)."""

    def __init__(self, width: int):
        super().__init__()
        self.gru = nn.GRU(width, RECURRENT, num_layers=2, dropout=RECURRENT_DROPOUT, batch_first=True)
        self.dropout = nn.Dropout(RECURRENT_DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.gru(x)[0])


def _same(kernel: int) -> tuple[int, int]:
    """The numbers of zeros before and after that preserve the length."""
    return (kernel - 1) // 2, kernel // 2


class DeepSense(Method):
    """DeepSense: one encoder per modality and a recurrent classifier, in two forms.

    comparison: the encoders and the head that all methods share, with concatenated features and no attention. Source:
    the code of Cosmo's authors for UTD.

    original: the network of Yao et al. 2017 and its code, `SpectralEncoder` on spectra of time intervals and
    `MergeHead`. It differs in how an interval is sampled (see `spectra`), and needs series or skeletons. The reading
    ``original`` combines it with the published optimizer: Adam with learning rate 1e-4, betas 0.5 and 0.9, and weight
    decay 5e-4. Epochs and batch size are those of the harness, since the published ones are for 119 080 samples.
    """

    name = "deepsense"
    title = "DeepSense"
    Stage2 = SpectralStage2
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
            return FusionClassifier(spectral, MergeHead(len(task.modalities), task.n_classes))
        return concatenation_classifier(task)
