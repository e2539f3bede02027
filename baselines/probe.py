"""The base of probes: classifiers that are fitted once, on features that stage 2 does not change."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from typing_extensions import override

from harness import registry
from harness.errors import InputError
from harness.method import HEAD, Batch, Classifier, Features, Method, Phase, Pretrained, Task
from harness.nn.by_modality import ByModality
from harness.nn.channel_statistics import ChannelStatistics
from harness.nn.classifier import start_encoders
from harness.options import Options

RANDOM, STATISTICS = "random", "statistics"


class ProbeOptions(Options):
    """Stage 2 of a probe."""

    features: tuple[str, ...] = Field(
        default=(RANDOM, STATISTICS),
        min_length=1,
        description="the features to classify, each of which is a model of its own: random (untrained encoders), "
        "statistics (of each channel), or a method's name, for the encoders after its stage 1",
    )

    @field_validator("features")
    @classmethod
    def _features_exist(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("each of the features should be named once")
        for name in set(names) - {RANDOM, STATISTICS}:
            try:
                method = registry.get("methods", name)
            except InputError as error:
                raise ValueError(f"neither {RANDOM}, {STATISTICS} nor a method: {error}") from error
            if method.Stage1 is None:
                raise ValueError(f"{name} has no stage 1 whose features could be used")
        return names

    @override
    def content(self) -> dict[str, Any]:
        """All but the list of features: the variant of a job names the one that it classifies."""
        return {name: value for name, value in super().content().items() if name != "features"}


class ProbeHead(nn.Module, ABC):
    """Classifies standardised features (n, width): each feature has mean 0 and variance 1 on the labelled samples.

    A feature that is constant on them is only centred. With ``unit_length`` each sample is then scaled to length 1.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int, n_classes: int, unit_length: bool = False):
        super().__init__()
        self.n_classes, self.unit_length = n_classes, unit_length
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def forward(self, features: Tensor) -> Tensor:
        return self.logits(self._standardised(features))

    def fit(self, features: Tensor, label: Tensor) -> None:
        """Fit to the features (n, width) of the labelled samples and their classes (n,)."""
        scale = features.std(0, correction=0)
        self.mean.copy_(features.mean(0))
        self.scale.copy_(torch.where(scale > torch.finfo(scale.dtype).eps * self.mean.abs(), scale, 1))
        self.fit_standardised(self._standardised(features), label)

    def _standardised(self, features: Tensor) -> Tensor:
        standardised = (features - self.mean) / self.scale
        return nn.functional.normalize(standardised, dim=1) if self.unit_length else standardised

    @abstractmethod
    def logits(self, features: Tensor) -> Tensor:
        """The logits (n, n_classes) of standardised features."""

    @abstractmethod
    def fit_standardised(self, features: Tensor, label: Tensor) -> None:
        """Fit to standardised features."""


class Probe(Classifier):
    """Frozen encoders, and a head on all their features. An encoder here is any module of one modality."""

    def __init__(self, encoders: nn.ModuleDict, head: ProbeHead):
        super().__init__()
        self.encoders, self.head = encoders, head

    @override
    def encode(self, batch: Batch) -> Features:
        return tuple(encoder(batch[name]).flatten(1) for name, encoder in self.encoders.items())

    @override
    def classify(self, features: Features) -> Tensor:
        return self.head(torch.cat(features, dim=1).float())

    @override
    def fit(self, features: Features, label: Tensor) -> None:
        self.head.fit(torch.cat(features, dim=1).float(), label)

    @override
    def phase(self, epoch: int) -> Phase:
        return Phase(frozenset({HEAD}))

    @override
    def unexplained(self) -> dict[str, str]:
        return dict.fromkeys(("attention", "modal_distance"), "a probe does not compare modalities")


class Probing(Method):
    """Base class of probes. A subclass defines the head.

    The features are the flattened outputs of the encoders of all modalities, not of projection heads, or the
    `harness.nn.channel_statistics` of the normalised recordings. They are standardised on the labelled samples.
    ``stage2.batch_norm`` says which BatchNorm statistics the encoders have, as for every method.
    """

    Stage2 = ProbeOptions
    fitted = True

    @abstractmethod
    def build_head(self, width: int, n_classes: int, options: Any) -> ProbeHead:
        """The head for so many features."""

    @override
    def variants(self, task: Task, options: ProbeOptions) -> tuple[str, ...]:
        return options.features

    @override
    def stage1_of(self, variant: str) -> str | None:
        return None if variant in (RANDOM, STATISTICS) else variant

    @override
    def build_classifier(
        self, task: Task, options: Any, pretrained: Pretrained | None, variant: str = ""
    ) -> Classifier:
        encoders = _encoders(task, pretrained, variant)
        zeros = {m.name: torch.zeros(1, *m.shape) for m in task.modalities}
        with torch.no_grad():
            width = sum(encoder.eval()(zeros[name]).numel() for name, encoder in encoders.items())
        return Probe(encoders, self.build_head(width, task.n_classes, options))


def _encoders(task: Task, pretrained: Pretrained | None, variant: str) -> nn.ModuleDict:
    if variant == STATISTICS:
        return ByModality({m.name: ChannelStatistics() for m in task.modalities})
    return start_encoders(task, pretrained)
