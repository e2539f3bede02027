"""Augmentations of a sensed series in the common representation: (time, 2) rows of value and missing flag.

They act on the real samples (flag 0), so that they do at 20 Hz what they do at 80 Hz. None changes its input.
"""

from __future__ import annotations

import numpy as np


def sensor_failure(series: np.ndarray, rng: np.random.Generator, shortest: int = 5, longest: int = 30) -> np.ndarray:
    """A block of ``shortest`` to ``longest`` consecutive real samples is lost; never all of them, if there are two."""
    real = _real(series)
    length = min(int(rng.integers(shortest, longest + 1)), max(len(real) - 1, 0))
    start = int(rng.integers(0, len(real) - length + 1))
    return _without(series, real[start : start + length])


def add_noise(series: np.ndarray, rng: np.random.Generator, mean: float = 0.1, std: float = 0.3) -> np.ndarray:
    """Gaussian noise on the real samples, its mean from U(−mean, mean), its standard deviation from U(0, std), drawn once."""
    real = _real(series)
    noisy: np.ndarray = series.copy()
    noisy[real, 0] += rng.normal(rng.uniform(-mean, mean), rng.uniform(0, std), len(real)).astype(series.dtype)
    return noisy


def down_sample(series: np.ndarray, rng: np.random.Generator, factor: int = 4) -> np.ndarray:
    """One in k real samples is kept, k from U{2 … factor}, the first from U{0 … k − 1}; the others are lost."""
    real = _real(series)
    k = int(rng.integers(2, factor + 1))
    lost = np.ones(len(real), dtype=bool)
    lost[int(rng.integers(0, k)) :: k] = False
    return _without(series, real[lost])


def _real(series: np.ndarray) -> np.ndarray:
    """Places of the real samples. Raises ValueError for another shape than (time, 2)."""
    if series.ndim != 2 or series.shape[1] != 2:
        raise ValueError(f"a series of (value, missing flag) has shape (time, 2), not {series.shape}")
    return np.flatnonzero(series[:, 1] == 0)


def _without(series: np.ndarray, places: np.ndarray) -> np.ndarray:
    lost: np.ndarray = series.copy()
    lost[places] = (0, 1)
    return lost
