"""Quality-guided attention over modalities."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn

Scale = Literal["none", "sqrt"]


class DotAttention(nn.Module):
    """The attention of the slides: β(Attn)_j = softmax_j(mean over steps of μ_j·z_j / s_j), μ_j = tanh(W z_j + b).

    Takes M tensors (n, steps, width_j) and returns weights (n, M). W and b are shared if all widths are equal,
    otherwise each modality has its own. Our interpretation: z_j is the feature of one step, and the score of a sample
    is the mean over its steps. With scale "none", s_j = 1, which is the formula of the slides. With "sqrt", s_j =
    √width_j, as in scaled dot-product attention: the dot product of ReLU features grows with their width, so without
    scaling the widest modality takes all the weight and the softmax saturates.
    """

    def __init__(self, widths: Sequence[int], scale: Scale = "sqrt"):
        super().__init__()
        shared = len(set(widths)) == 1
        self.linear = nn.ModuleList(nn.Linear(w, w) for w in (widths[:1] if shared else widths))
        self.divisors = [sqrt(w) if scale == "sqrt" else 1.0 for w in widths]

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        scores = []
        for j, (z, divisor) in enumerate(zip(features, self.divisors, strict=True)):
            mu = self.linear[min(j, len(self.linear) - 1)](z).tanh()
            scores.append((mu * z).sum(2).mean(1) / divisor)
        return torch.stack(scores, dim=1).softmax(dim=1)


class EqualAttention(nn.Module):
    """No attention: every modality has the weight 1/M. Returns weights (n, M)."""

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        return features[0].new_full((len(features[0]), len(features)), 1 / len(features))


class GuidedAttention(nn.Module):
    """Guided attention: β_j = (1 − λ) β(Attn)_j + λ β(QoM)_j, weights (n, M) whose rows sum to one.

    guide: the M weights β(QoM), not necessarily normalised.
    """

    def __init__(self, attention: nn.Module, guide: Sequence[float], lambda_: float):
        super().__init__()
        self.attention = attention
        self.lambda_ = lambda_
        self.guide = [value / sum(guide) for value in guide]

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        weights = self.attention(features)
        return (1 - self.lambda_) * weights + self.lambda_ * weights.new_tensor(self.guide)
