"""Sliding windows."""

from __future__ import annotations

import numpy as np


def windows(series: np.ndarray, size: int, stride: int) -> np.ndarray:
    """Cut an array (time, ...) into all complete windows, (n_windows, size, ...). Returns a copy.

    n_windows is 0 if the series is too short. Raises ValueError unless ``size`` and ``stride`` are at least 1.

    >>> windows(np.arange(7), size=3, stride=2).tolist()
    [[0, 1, 2], [2, 3, 4], [4, 5, 6]]
    """
    if size < 1 or stride < 1:
        raise ValueError(f"size and stride must be at least 1, not {size} and {stride}")
    if len(series) < size:
        return np.empty((0, size, *series.shape[1:]), dtype=series.dtype)
    view = np.lib.stride_tricks.sliding_window_view(series, size, axis=0)[::stride]
    return np.ascontiguousarray(np.moveaxis(view, -1, 1))
