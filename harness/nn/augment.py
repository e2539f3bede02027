"""Augmentations of a batch, for any kind of modality: sensor failure, noise and down-sampling.

Source: the talk on contrastive losses for sensor data, whose augmentations act on the real samples of a series. Batches
are normalised and do not flag missing samples, so these act on all time steps: lost steps are set to 0, the mean of the
training part, and down-sampling repeats the last step that it kept.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from harness.options import Augmentations


def augment(batch: Mapping[str, Tensor], augmentations: Augmentations, generator: torch.Generator) -> dict[str, Tensor]:
    """Augment each modality (n, time, ...) of each sample. ``generator`` is on the batch's device."""
    return {name: augment_modality(x, augmentations, generator) for name, x in batch.items()}


def augment_modality(x: Tensor, augmentations: Augmentations, generator: torch.Generator) -> Tensor:
    """Augment each sample of one modality (n, time, ...). ``generator`` is on its device."""
    x = down_sample(x, augmentations.down_sampling, generator)
    x = add_noise(x, augmentations.noise, generator)
    return sensor_failure(x, augmentations.failure, generator)


def two_views(batch: Mapping[str, Tensor], augmentations: Augmentations, rng: torch.Generator) -> dict[str, Tensor]:
    """Two augmented views of each sample, (n, 2, ...). Each modality is augmented separately."""
    generator = device_generator(batch, rng)
    return {
        name: torch.stack([augment_modality(x, augmentations, generator) for _ in range(2)], dim=1)
        for name, x in batch.items()
    }


def device_generator(batch: Mapping[str, Tensor], rng: torch.Generator) -> torch.Generator:
    """A generator on the batch's device, seeded by one draw from ``rng``."""
    seed = int(torch.randint(2**62, (), generator=rng))
    return torch.Generator(next(iter(batch.values())).device).manual_seed(seed)


def sensor_failure(x: Tensor, longest: float, generator: torch.Generator) -> Tensor:
    """Set a block of U{0 … longest · time} steps at a random position to 0, in each sample of (n, time, ...)."""
    n, time = x.shape[:2]
    length = _whole(n, int(longest * time) + 1, generator)
    start = (torch.rand(n, 1, generator=generator, device=x.device) * (time - length + 1)).floor()
    step = torch.arange(time, device=x.device)
    lost = (step >= start) & (step < start + length)
    return x.masked_fill(_broadcastable(lost, x), 0)


def add_noise(x: Tensor, std: float, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise, whose standard deviation is from U(0, std) and mean from U(−std/3, std/3) for each sample."""
    drawn = torch.rand(2, len(x), 1, generator=generator, device=x.device) * std
    sigma, mean = drawn[0], (2 * drawn[1] - std) / 3
    noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    return x + _broadcastable(mean, x) + _broadcastable(sigma, x) * noise


def down_sample(x: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Keep one in k steps and repeat it until the next one that is kept.

    For each sample k is from U{1 … most}, and the first step kept is from U{0 … k − 1}. The steps before the first one
    kept take its value as well.
    """
    n, time = x.shape[:2]
    k = _whole(n, most, generator) + 1
    first = (torch.rand(n, 1, generator=generator, device=x.device) * k).floor()
    first = torch.minimum(first, torch.full_like(first, time - 1))
    step = torch.arange(time, device=x.device)
    kept = torch.maximum(step - (step - first).remainder(k), first).long()
    return x.gather(1, _broadcastable(kept, x).expand_as(x))


def _whole(n: int, below: int, generator: torch.Generator) -> Tensor:
    """Draw (n, 1) integers from U{0 … below − 1}."""
    return torch.randint(below, (n, 1), generator=generator, device=generator.device)


def _broadcastable(values: Tensor, x: Tensor) -> Tensor:
    """``values`` (n, time or 1) with trailing axes added, so that it broadcasts against x."""
    return values.reshape(*values.shape, *[1] * (x.dim() - 2))
