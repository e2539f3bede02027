"""Sliding windows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from harness.errors import DataError

MAX_GIB = 8  # of a data set's windows


def check_windows_fit(lengths: Iterable[int], size: int, stride: int, values: int, what: str) -> None:
    """Raise `DataError`, with the arithmetic, if all complete windows of a data set take more than `MAX_GIB`.

    lengths: of the series. values: float32 values at each time step. what: the data set.
    """
    n = sum(max(0, (length - size) // stride + 1) for length in lengths)
    if (gib := n * size * values * 4 / 2**30) > MAX_GIB:
        raise DataError(
            f"{what}: {n:,} windows of {size:,} samples × {values} values × 4 bytes are {gib:,.0f} GiB, and may be "
            f"{MAX_GIB}; take a larger stride or a smaller window"
        )


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
