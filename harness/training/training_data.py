"""What both stages read, and batches of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.keys import rng_of, seed_of
from harness.method import Task

Normalise = Callable[[str, np.ndarray], np.ndarray]
"""(modality, array of shape (n, *shape) as recorded) → the same normalised, float32."""


@dataclass(frozen=True)
class TrainingData:
    """Task, data and seeds of a job.

    arrays: modality → (n_samples, *shape), as recorded; may be read-only or a memory map, only a batch at a time is copied.
    seeds: what is put before each draw's own name ("weights", "order", "dropout", "method") to make its seed.
    """

    task: Task
    arrays: Mapping[str, np.ndarray]
    normalise: Normalise
    device: str = "cpu"
    seeds: tuple[Any, ...] = ()

    def seed(self, *names: Any) -> int:
        return seed_of(*self.seeds, *names)

    def rng(self, *names: Any) -> np.random.Generator:
        return rng_of(*self.seeds, *names)

    def batch(self, samples: np.ndarray) -> dict[str, Tensor]:
        """The normalised samples with these indices, on the device."""
        return {m.name: self._tensor(m.name, samples) for m in self.task.modalities}

    def _tensor(self, name: str, samples: np.ndarray) -> Tensor:
        normalised = self.normalise(name, self.arrays[name][samples])
        return torch.from_numpy(np.ascontiguousarray(normalised, dtype=np.float32)).to(self.device)


def batches(samples: np.ndarray, size: int, fewest: int = 2) -> list[np.ndarray]:
    """``samples`` cut into batches; a last one of less than ``fewest`` is merged into the one before.

    A single sample breaks BatchNorm, so of several workers each needs two.
    """
    cuts = list(range(size, len(samples), size))
    if cuts and len(samples) - cuts[-1] < fewest:
        cuts.pop()
    return np.split(samples, cuts)


def permuted(samples: np.ndarray, size: int, rng: np.random.Generator, fewest: int = 2) -> list[np.ndarray]:
    """`batches` of the samples in random order."""
    return batches(rng.permutation(samples), size, fewest)


def in_order(samples: np.ndarray, size: int = 256) -> Iterator[np.ndarray]:
    """The samples in order, for evaluation, where a batch of one does no harm."""
    return (samples[i : i + size] for i in range(0, len(samples), size))
