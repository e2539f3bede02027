"""The data that a job trains on, and its division into batches."""

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
"""(name of a modality, array (n, *shape) as recorded) → normalised array of the same shape, float32."""


@dataclass(frozen=True)
class TrainingData:
    """The task, the data and the seeds of a job.

    Attributes:
        task: The modalities and the number of classes.
        arrays: Modality → (n_samples, *shape), as recorded. They may be read-only or memory-mapped, since only one
            batch at a time is copied.
        normalise: Normalises the samples of one modality.
        device: Where batches are put: "cpu" or "cuda".
        seeds: The names that come before a draw's own ("weights", "order", "dropout", "method") in its seed.
    """

    task: Task
    arrays: Mapping[str, np.ndarray]
    normalise: Normalise
    device: str = "cpu"
    seeds: tuple[Any, ...] = ()

    def seed(self, *names: Any) -> int:
        """The job's seed for the draw that these names describe."""
        return seed_of(*self.seeds, *names)

    def rng(self, *names: Any) -> np.random.Generator:
        """The job's generator for the draw that these names describe."""
        return rng_of(*self.seeds, *names)

    def batch(self, samples: np.ndarray) -> dict[str, Tensor]:
        """The samples with these indices, normalised and on the device."""
        return {m.name: self._tensor(m.name, samples) for m in self.task.modalities}

    def _tensor(self, name: str, samples: np.ndarray) -> Tensor:
        normalised = self.normalise(name, self.arrays[name][samples])
        return torch.from_numpy(np.ascontiguousarray(normalised, dtype=np.float32)).to(self.device)


def batches(samples: np.ndarray, size: int, fewest: int = 2) -> list[np.ndarray]:
    """Divide ``samples`` into batches. A last batch of fewer than ``fewest`` samples is merged into the one before it.

    BatchNorm can't train on a single sample, so every worker needs two samples of each batch.
    """
    cuts = list(range(size, len(samples), size))
    if cuts and len(samples) - cuts[-1] < fewest:
        cuts.pop()
    return np.split(samples, cuts)


def permuted(samples: np.ndarray, size: int, rng: np.random.Generator, fewest: int = 2) -> list[np.ndarray]:
    """Divide the samples into batches in random order."""
    return batches(rng.permutation(samples), size, fewest)


def in_order(samples: np.ndarray, size: int = 256) -> Iterator[np.ndarray]:
    """Divide the samples into batches in their own order, for evaluation, in which a batch may have a single sample."""
    return (samples[i : i + size] for i in range(0, len(samples), size))
