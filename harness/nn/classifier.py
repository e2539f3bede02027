"""The classifier of stage 2 that methods share: encoders, attention over modalities, fusion and a recurrent head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from typing_extensions import override

from harness.method import ENCODERS, HEAD, Batch, Classifier, Features, Phase, Pretrained, Task
from harness.nn.distance import modal_distance
from harness.nn.encoders import Encoder, build_encoders
from harness.nn.heads import RecurrentClassifier
from harness.options import Options

Fusion = Literal["sum", "concat"]


class Iterative(Options):
    """Iterative fusion learning: the encoders and the head are trained in turn."""

    iterative: bool = Field(default=True, description="train encoders and head in turn; if false, both in every epoch")
    iterative_epochs: int = Field(default=5, ge=1, description="T_iter, the epochs of one turn")
    freeze: bool = Field(
        default=True,
        description="no gradient for the part whose turn it is not (slides); if false, that part is only put in "
        "evaluation mode and still gets gradients (authors' code)",
    )
    frozen_mode: Literal["eval", "train"] = Field(
        default="eval",
        description="mode of a part that gets no gradient: eval (dropout off, BatchNorm with the statistics of "
        "evaluation) or train (dropout on, BatchNorm with the statistics of the batch)",
    )
    first_part: Literal["encoders", "head"] = Field(
        default="encoders", description="the part whose turn comes first, the encoders in all sources"
    )
    first_phase: Literal["full", "short"] = Field(
        default="full", description="the first turn: T_iter epochs (slides), or one less (authors' code)"
    )
    freeze_encoders: bool = Field(default=False, description="never train the encoders, only the head")

    @model_validator(mode="after")
    def _frozen_mode_needs_a_frozen_part(self) -> Iterative:
        if self.frozen_mode == "train" and not (self.freeze or self.freeze_encoders):
            raise ValueError("frozen_mode: train needs freeze: true; with freeze: false every part gets gradients")
        return self

    @override
    def without_effect(self) -> set[str]:
        turns = {"iterative_epochs", "freeze", "first_part", "first_phase"}
        if self.freeze_encoders:
            return turns
        return set() if self.iterative else {*turns, "frozen_mode"}

    def phase(self, epoch: int) -> Phase:
        """The parts that are trained in ``epoch``, counted from 1."""
        both = frozenset({ENCODERS, HEAD})
        turn = (epoch - (self.first_phase == "full")) // self.iterative_epochs
        of_head = self.freeze_encoders or turn % 2 == (self.first_part == "encoders")
        active = frozenset({HEAD if of_head else ENCODERS})
        if not (self.iterative or self.freeze_encoders):
            return Phase(both)
        if not (self.freeze or self.freeze_encoders):
            return Phase(both, train_mode=active)
        return Phase(active, train_mode=both if self.frozen_mode == "train" else None)

    def cautions(self, epochs: int) -> list[str]:
        """A warning if the first turn of the head comes after the last epoch, so that it is never trained."""
        if not epochs or any(HEAD in self.phase(epoch).gradient for epoch in range(1, epochs + 1)):
            return []
        return [
            f"the classifier is never trained, because stage 2 has {epochs} epochs and iterative_epochs is "
            f"{self.iterative_epochs}"
        ]


class FusionHead(nn.Module):
    """Fuse the features of M modalities and classify them.

    Takes M tensors (n, 16, width_j). Returns logits (n, n_classes) and the weights (n, M), or None without attention.
    The features are multiplied by their weights and then concatenated (``fusion="concat"``, ConcateAttn) or added
    (``fusion="sum"``, SumAttn). Raises ValueError if features of unequal width are to be added.
    """

    def __init__(
        self, widths: Sequence[int], n_classes: int, attention: nn.Module | None = None, fusion: Fusion = "concat"
    ):
        super().__init__()
        if fusion == "sum" and len(set(widths)) > 1:
            raise ValueError(f"fusion 'sum' needs features of equal width, but the widths are {tuple(widths)}")
        self.fusion = fusion
        self.attention = attention
        self.recurrent = RecurrentClassifier(widths[0] if fusion == "sum" else sum(widths), n_classes)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        weights = None
        if self.attention is not None:
            weights = self.attention(features)
            features = [z * beta[:, None, None] for z, beta in zip(features, weights.unbind(1), strict=True)]
        fused = torch.stack(tuple(features)).sum(0) if self.fusion == "sum" else torch.cat(tuple(features), dim=2)
        return self.recurrent(fused), weights


class FusionClassifier(Classifier):
    """Encoders and a `FusionHead`. Without ``iterative`` both are trained in every epoch."""

    def __init__(self, encoders: nn.ModuleDict, head: nn.Module, iterative: Iterative | None = None):
        super().__init__()
        self.encoders = encoders
        self.head = head
        self.iterative = iterative

    def modal_features(self, batch: Batch) -> dict[str, Tensor]:
        """The features of each modality, (n, 16, width_j), before they are weighted."""
        return {name: encoder(batch[name]) for name, encoder in self.encoders.items()}

    @override
    def encode(self, batch: Batch) -> Features:
        return tuple(self.modal_features(batch).values())

    @override
    def classify(self, features: Features) -> Tensor:
        return self.head(features)[0]

    def phase(self, epoch: int) -> Phase:
        return super().phase(epoch) if self.iterative is None else self.iterative.phase(epoch)

    def explain(self, batch: Batch) -> dict[str, Tensor]:
        """The weights over modalities, and the distance between the modalities' features.

        Returns ``attention`` (n, M), ``modal_distance`` (n,) and ``features`` (n, M, 16 · width), as far as they exist.
        The last two are those of the features before they are weighted; see `harness.nn.distance`.
        """
        features = self.encode(batch)
        weights = self.head(features)[1]
        found = {} if weights is None else {"attention": weights}
        if "modal_distance" not in self.unexplained():
            found |= {
                "modal_distance": modal_distance(features),
                "features": torch.stack([z.flatten(1) for z in features], 1),
            }
        return found

    def unexplained(self) -> dict[str, str]:
        """The reasons why there is no attention, or no distance between the modalities."""
        by_name = dict(zip(self.encoders, widths(self.encoders), strict=True))
        reasons = {"attention": "the method has no attention over modalities"}
        if len(by_name) < 2:
            reasons["modal_distance"] = "there is only one modality"
        elif len(set(by_name.values())) > 1:
            reasons["modal_distance"] = "features of unequal width: " + ", ".join(
                f"{name} {width}" for name, width in by_name.items()
            )
        return reasons


def start_encoders(task: Task, pretrained: Pretrained | None = None) -> nn.ModuleDict:
    """The encoders of a task, randomly initialised or with the parameters of stage 1."""
    encoders = build_encoders(task.modalities)
    if pretrained:
        encoders.load_state_dict(dict(pretrained.encoders))
    return encoders


def concatenation_classifier(task: Task, pretrained: Pretrained | None = None) -> FusionClassifier:
    """The classifier without attention that most methods share: encoders and the concatenation of their features."""
    encoders = start_encoders(task, pretrained)
    return FusionClassifier(encoders, FusionHead(widths(encoders), task.n_classes))


def widths(encoders: nn.ModuleDict) -> tuple[int, ...]:
    """The width of each encoder, in order."""
    return tuple(e.width for e in encoders.values() if isinstance(e, Encoder))
