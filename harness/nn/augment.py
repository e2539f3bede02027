"""Augmentations of a batch, of any kind of modality: what a sensor may do to a sample without changing what it shows.

They are those of `harness.data.augment` (Source: the talk on contrastive losses for sensor data) for what a method sees: a
normalised batch, in which nothing tells a missing row from a real one. So they act on time steps, not on real samples: what is
lost is 0, the mean of the training part, in every channel, instead of flagged; a lower rate holds its last step.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor

from harness.options import Options


class Augmentations(Options):
    """The greatest strength of each augmentation. The strength itself is drawn for each sample and modality."""

    failure: float = Field(
        default=0.3, ge=0, le=1, description="longest share of the time that a failing sensor loses; 0 for none"
    )
    noise: float = Field(
        default=0.3,
        ge=0,
        description="greatest standard deviation of noise, in those of the normalised modality; 0 for none",
    )
    down_sampling: int = Field(default=4, ge=1, description="keep no fewer than one in so many time steps; 1 for all")

    def apply(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """A view of each sample (n, time, ...), all of one modality. ``generator`` is on the batch's device."""
        x = down_sample(x, self.down_sampling, generator)
        x = add_noise(x, self.noise, generator)
        return sensor_failure(x, self.failure, generator)


def device_generator(batch: Mapping[str, Tensor], rng: torch.Generator) -> torch.Generator:
    """A generator on the batch's device, seeded by one draw from ``rng``."""
    seed = int(torch.randint(2**62, (), generator=rng))
    return torch.Generator(next(iter(batch.values())).device).manual_seed(seed)


def sensor_failure(x: Tensor, longest: float, generator: torch.Generator) -> Tensor:
    """Each sample of (n, time, ...) loses a block of U{0 … longest · time} steps at a random place: they are 0."""
    n, time = x.shape[:2]
    length = _whole(n, int(longest * time) + 1, generator)
    start = (torch.rand(n, 1, generator=generator, device=x.device) * (time - length + 1)).floor()
    step = torch.arange(time, device=x.device)
    lost = (step >= start) & (step < start + length)
    return x.masked_fill(_beside(lost, x), 0)


def add_noise(x: Tensor, std: float, generator: torch.Generator) -> Tensor:
    """Gaussian noise, for each sample its standard deviation from U(0, std) and its mean from U(−std/3, std/3)."""
    drawn = torch.rand(2, len(x), 1, generator=generator, device=x.device) * std
    sigma, mean = drawn[0], (2 * drawn[1] - std) / 3
    noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    return x + _beside(mean, x) + _beside(sigma, x) * noise


def down_sample(x: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """One in k steps is kept, k from U{1 … most}, the first from U{0 … k − 1}, and held until the next; what precedes it is it, too."""
    n, time = x.shape[:2]
    k = _whole(n, most, generator) + 1
    first = (torch.rand(n, 1, generator=generator, device=x.device) * k).floor()
    first = torch.minimum(first, torch.full_like(first, time - 1))
    step = torch.arange(time, device=x.device)
    kept = torch.maximum(step - (step - first).remainder(k), first).long()
    return x.gather(1, _beside(kept, x).expand_as(x))


def _whole(n: int, below: int, generator: torch.Generator) -> Tensor:
    """(n, 1) from U{0 … below − 1}."""
    return torch.randint(below, (n, 1), generator=generator, device=generator.device)


def _beside(values: Tensor, x: Tensor) -> Tensor:
    """(n, time or 1) with as many axes as x."""
    return values.reshape(*values.shape, *[1] * (x.dim() - 2))
