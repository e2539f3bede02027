"""Normalisation by the training part's own mean and standard deviation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.data.base import Modality

ROWS = 2048  # read at a time, so that a memory-mapped array need not fit into memory in float64
FLAT = 1e-7  # a channel that varies less than this part of its mean is constant, as float32 goes


@dataclass(frozen=True)
class Normaliser:
    """Mean and standard deviation per modality: one per channel (series) or axis (skeleton), a single one for frames and volumes.

    Units are the data's own. A constant channel has std 1: it becomes 0, not NaN.
    """

    mean: Mapping[str, tuple[float, ...]]
    std: Mapping[str, tuple[float, ...]]

    @classmethod
    def fit(cls, arrays: Mapping[str, np.ndarray], rows: np.ndarray, modalities: Iterable[Modality]) -> Normaliser:
        """From the given rows only (those of the training part). Raises ValueError when there are none."""
        if not len(rows):
            raise ValueError("no rows to take the mean of")
        mean, std = {}, {}
        for modality in modalities:
            mean[modality.name], std[modality.name] = _moments(arrays[modality.name], rows, modality)
        return cls(mean, std)

    def apply(self, name: str, batch: Any) -> Any:
        """(batch − mean) / std of modality ``name`` as float32; array or tensor (n, *shape), the same kind of thing back."""
        mean, std = np.array(self.mean[name], dtype=np.float32), np.array(self.std[name], dtype=np.float32)
        if isinstance(batch, np.ndarray):
            return (batch.astype(np.float32) - mean) / std
        batch = batch.float()
        return (batch - batch.new_tensor(mean)) / batch.new_tensor(std)

    def to_json(self) -> dict[str, dict[str, list[float]]]:
        return {name: {"mean": list(self.mean[name]), "std": list(self.std[name])} for name in self.mean}

    @classmethod
    def from_json(cls, content: Mapping[str, Mapping[str, Sequence[float]]]) -> Normaliser:
        return cls({n: tuple(c["mean"]) for n, c in content.items()}, {n: tuple(c["std"]) for n, c in content.items()})


def _moments(array: np.ndarray, rows: np.ndarray, modality: Modality) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std (population) of the rows, in float64, two passes."""
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
