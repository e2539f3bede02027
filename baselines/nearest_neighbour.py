"""1-NN: each sample gets the class of the labelled sample whose features are nearest."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from baselines.probe import ProbeHead, ProbeOptions, Probing


class NearestNeighbourOptions(ProbeOptions):
    """Stage 2 of 1-NN."""

    distance: Literal["euclidean", "cosine"] = Field(
        default="euclidean", description="the distance between standardised features"
    )


class NearestNeighbourHead(ProbeHead):
    """The logit of a class is −d²/2 + ‖x‖²/2, in which d is the distance of x to the nearest sample of the class.

    The second term is the same for all classes. A class without a labelled sample has the logit −∞.
    """

    neighbours: Tensor
    label: Tensor

    def __init__(self, width: int, n_classes: int, unit_length: bool):
        super().__init__(width, n_classes, unit_length)
        self.register_buffer("neighbours", torch.zeros(0, width))
        self.register_buffer("label", torch.zeros(0, dtype=torch.int64))

    @override
    def logits(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):  # bf16 can't tell close neighbours apart
            closeness = F.linear(features, self.neighbours, -self.neighbours.square().sum(1) / 2)
        lowest = features.new_full((len(features), self.n_classes), -torch.inf)
        return lowest.scatter_reduce(1, self.label.expand(len(features), -1), closeness, "amax")

    @override
    def fit_standardised(self, features: Tensor, label: Tensor) -> None:
        self.neighbours, self.label = features, label

    @override
    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any, **named: Any) -> None:
        for name in ("neighbours", "label"):  # their number is only known once the head is fitted
            if (found := state_dict.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(found))
        super()._load_from_state_dict(state_dict, prefix, *args, **named)


class NearestNeighbour(Probing):
    """The nearest neighbour among the labelled samples, on features that are standardised on these samples.

    It shows what the features are worth without any training on labels, so a fine-tuned classifier should be better.
    Source: Cover and Hart 1967.
    """

    name = "nearest-neighbour"
    title = "1-NN"
    Stage2 = NearestNeighbourOptions

    @override
    def build_head(self, width: int, n_classes: int, options: NearestNeighbourOptions) -> ProbeHead:
        return NearestNeighbourHead(width, n_classes, options.distance == "cosine")
