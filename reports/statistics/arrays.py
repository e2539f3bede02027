"""The arrays that the statistics take."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def as_runs(values: ArrayLike) -> Array:
    """Values as an array whose first axis is the runs. Raises ValueError for a single number."""
    runs = np.asarray(values, dtype=np.float64)
    if runs.ndim == 0:
        raise ValueError("values must be an array of shape (n_runs, ...), not a single number")
    return runs


def nonzero_differences(first: ArrayLike, second: ArrayLike) -> Array:
    """The paired differences first − second that are not 0, shape (n_nonzero,).

    first, second: arrays of the same shape (n_runs,). Differences are rounded to twelve decimals, so that 0.3 − 0.2 and
    0.2 − 0.1 are equal. Raises ValueError if the shapes differ.
    """
    one, two = as_runs(first), as_runs(second)
    if one.shape != two.shape or one.ndim != 1:
        raise ValueError(f"paired runs must have the same shape (n_runs,), not {one.shape} and {two.shape}")
    differences = np.round(one - two, 12)
    return differences[differences != 0]
