"""Features by hand: statistics of each channel of a modality."""

from __future__ import annotations

import torch
from torch import Tensor, nn

STATISTICS = (
    "mean", "standard deviation", "minimum", "lower quartile", "median", "upper quartile", "maximum", "energy",
    "mean absolute change", "dominant frequency",
)  # fmt: skip


class ChannelStatistics(nn.Module):
    """(n, time, ...) → (n, channels · 10), the `STATISTICS` of each channel over time. It has no parameters.

    All axes after time are channels. Quartiles interpolate linearly. The energy is the mean square. The dominant
    frequency is that of the highest amplitude above 0, in periods per window; among equal ones, the lowest.
    """

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2)
        ordered = x.sort(dim=1).values
        change = x.diff(dim=1).abs()
        found = [
            x.mean(1),
            x.std(1, correction=0),
            *(_quantile(ordered, fraction) for fraction in (0, 0.25, 0.5, 0.75, 1)),
            x.square().mean(1),
            change.mean(1) if change.shape[1] else torch.zeros_like(x[:, 0]),
            _dominant_frequency(x),
        ]
        return torch.stack(found, dim=2).flatten(1)


def _quantile(ordered: Tensor, fraction: float) -> Tensor:
    """A quantile over time of (n, time, channels), sorted by time: torch.quantile refuses large tensors."""
    position = fraction * (ordered.shape[1] - 1)
    below = int(position)
    above = min(below + 1, ordered.shape[1] - 1)
    return torch.lerp(ordered[:, below], ordered[:, above], position - below)


def _dominant_frequency(x: Tensor) -> Tensor:
    amplitude = torch.fft.rfft(x.float(), dim=1).abs()[:, 1:]
    return amplitude.argmax(1).to(x.dtype) + 1 if amplitude.shape[1] else torch.zeros_like(x[:, 0])
