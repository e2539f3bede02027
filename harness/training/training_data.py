"""The data that a job trains on, and its division into batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.keys import rng_of, seed_of
from harness.method import Task

Normalise = Callable[[str, np.ndarray], np.ndarray]
"""(name of a modality, array (n, *shape) as recorded) → normalised array of the same shape, float32."""

RESIDENT_SHARE = 0.5  # the share of a GPU's free memory that the data may take


@dataclass(frozen=True)
class TrainingData:
    """The task, the data and the seeds of a job.

    Attributes:
        task: The modalities and the number of classes.
        arrays: Modality → (n_samples, *shape), as recorded. They may be read-only or memory-mapped, since only one
            batch at a time is copied. On a GPU with room for them, all are normalised and copied there once.
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

    @property
    def n_samples(self) -> int:
        return len(self.arrays[self.task.modalities[0].name])

    def indices(self, batches: Iterable[np.ndarray]) -> tuple[Tensor, ...]:
        """The indices of each batch as a tensor on the device, to which all are copied at once."""
        listed = list(batches)
        if not listed:
            return ()
        together = torch.from_numpy(np.concatenate(listed)).to(self.device)
        return torch.split(together, [len(batch) for batch in listed])

    def batch(self, samples: np.ndarray | Tensor) -> dict[str, Tensor]:
        """The samples with these indices, normalised and on the device."""
        if self._resident is not None:
            index = torch.as_tensor(samples, device=self.device)
            return {name: tensor.index_select(0, index) for name, tensor in self._resident.items()}
        rows = samples.numpy(force=True) if isinstance(samples, Tensor) else samples
        return {m.name: torch.from_numpy(self._normalised(m.name, rows)).to(self.device) for m in self.task.modalities}

    def _normalised(self, name: str, samples: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(self.normalise(name, self.arrays[name][samples]), dtype=np.float32)

    @cached_property
    def _resident(self) -> dict[str, Tensor] | None:
        """All samples, normalised, on a GPU with room for them; otherwise None."""
        if torch.device(self.device).type != "cuda":
            return None
        wanted = sum(4 * prod(self.arrays[m.name].shape) for m in self.task.modalities)
        if wanted > RESIDENT_SHARE * torch.cuda.mem_get_info()[0]:
            return None
        return self._normalised_on_device()

    def _normalised_on_device(self) -> dict[str, Tensor]:
        found = {}
        for m in self.task.modalities:
            found[m.name] = torch.empty(self.n_samples, *m.shape, device=self.device)
            for rows in in_order(np.arange(self.n_samples), size=1024):
                found[m.name][rows[0] : rows[-1] + 1] = torch.from_numpy(self._normalised(m.name, rows))
        return found


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


def in_order(samples: np.ndarray, size: int = 64) -> Iterator[np.ndarray]:
    """Divide the samples into batches in their own order, for evaluation, in which a batch may have a single sample."""
    return (samples[i : i + size] for i in range(0, len(samples), size))
