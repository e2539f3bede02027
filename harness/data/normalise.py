"""Normalisation by the mean and the standard deviation of the training part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from harness.data.base import Modality

ROWS = 2048  # samples read at a time, so that a memory-mapped array need not fit into memory as float64
FLAT = 1e-7  # a channel whose std is below this fraction of its mean counts as constant, given float32's precision


@dataclass(frozen=True)
class Normaliser:
    """The mean and the standard deviation of each modality, in the units of the data.

    A series has one of each per channel, a skeleton one per axis, and frames and volumes a single one. The std of a
    constant channel is set to 1, so that the channel becomes 0 rather than NaN.
    """

    mean: Mapping[str, tuple[float, ...]]
    std: Mapping[str, tuple[float, ...]]

    @classmethod
    def fit(cls, arrays: Mapping[str, np.ndarray], rows: np.ndarray, modalities: Iterable[Modality]) -> Normaliser:
        """Compute both from the given rows only, those of the training part. Raises ValueError if there are none."""
        if not len(rows):
            raise ValueError("there are no rows to compute the mean of")
        mean, std = {}, {}
        for modality in modalities:
            mean[modality.name], std[modality.name] = _moments(arrays[modality.name], rows, modality)
        return cls(mean, std)

    def apply(self, name: str, batch: np.ndarray) -> np.ndarray:
        """(batch − mean) / std of modality ``name``, (n, *shape) float32."""
        mean, std = np.array(self.mean[name], dtype=np.float32), np.array(self.std[name], dtype=np.float32)
        return (batch.astype(np.float32) - mean) / std


def _moments(array: np.ndarray, rows: np.ndarray, modality: Modality) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and the population standard deviation of the rows, computed in float64 in two passes."""
    channels = modality.shape[-1] if modality.kind in ("series", "skeleton") else 1
    count = len(rows) * int(np.prod(modality.shape)) // channels
    total = sum((piece.sum(axis=0) for piece in _pieces(array, rows, channels)), np.zeros(channels))
    mean = total / count
    squares = sum((np.square(piece - mean).sum(axis=0) for piece in _pieces(array, rows, channels)), np.zeros(channels))
    std = np.sqrt(squares / count)
    std[std <= FLAT * np.abs(mean)] = 1.0
    return tuple(mean.tolist()), tuple(std.tolist())


def _pieces(array: np.ndarray, rows: np.ndarray, channels: int) -> Iterable[np.ndarray]:
    for start in range(0, len(rows), ROWS):
        yield array[rows[start : start + ROWS]].reshape(-1, channels).astype(np.float64)
