"""Augmentations of a series of shape (time, 2), whose columns are the value and the missing flag.

They act on the real samples (flag 0), so they have the same effect at 20 Hz as at 80 Hz. All of them return a copy.
"""

from __future__ import annotations

import numpy as np


def sensor_failure(series: np.ndarray, rng: np.random.Generator, shortest: int = 5, longest: int = 30) -> np.ndarray:
    """Lose a block of ``shortest`` to ``longest`` consecutive real samples, but never all of two or more."""
    real = _real(series)
    length = min(int(rng.integers(shortest, longest + 1)), max(len(real) - 1, 0))
    start = int(rng.integers(0, len(real) - length + 1))
    return _without(series, real[start : start + length])


def add_noise(series: np.ndarray, rng: np.random.Generator, mean: float = 0.1, std: float = 0.3) -> np.ndarray:
    """Add Gaussian noise to the real samples.

    Its mean is drawn once from U(−mean, mean) and its standard deviation once from U(0, std).
    """
    real = _real(series)
    noisy: np.ndarray = series.copy()
    noisy[real, 0] += rng.normal(rng.uniform(-mean, mean), rng.uniform(0, std), len(real)).astype(series.dtype)
    return noisy


def down_sample(series: np.ndarray, rng: np.random.Generator, factor: int = 4) -> np.ndarray:
    """Keep one in k real samples and lose the others; k is from U{2 … factor}, the first one kept from U{0 … k − 1}."""
    real = _real(series)
    k = int(rng.integers(2, factor + 1))
    lost = np.ones(len(real), dtype=bool)
    lost[int(rng.integers(0, k)) :: k] = False
    return _without(series, real[lost])


def _real(series: np.ndarray) -> np.ndarray:
    """The indices of the real samples. Raises ValueError unless the shape is (time, 2)."""
    if series.ndim != 2 or series.shape[1] != 2:
        raise ValueError(f"a series of values and missing flags has shape (time, 2), not {series.shape}")
    return np.flatnonzero(series[:, 1] == 0)


def _without(series: np.ndarray, indices: np.ndarray) -> np.ndarray:
    lost: np.ndarray = series.copy()
    lost[indices] = (0, 1)
    return lost
