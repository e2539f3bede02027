"""Statistics as pure functions of arrays.

The first axis is always the runs (seeds); what follows is kept. Nothing is dropped: a NaN that goes in comes out.
Intervals are Student's t, for at three to five seeds a bootstrap's nominal 95 % covers far less than it says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def mean(values: ArrayLike) -> Any:
    """The mean over runs.

    values: array of shape (n_runs, ...). Returns shape (...): NaN where there is no run.

    >>> float(mean([0.5, 0.25, 0.75]))
    0.5
    >>> float(mean([]))
    nan
    """
    runs = _runs(values)
    return runs.mean(axis=0) if len(runs) else np.full(runs.shape[1:], np.nan)[()]


def t_half_width(values: ArrayLike, confidence: float = 0.95) -> Any:
    """Half the width of the t-interval of the mean over runs: t · s / √n, with n − 1 in the standard deviation.

    values: array of shape (n_runs, ...). Returns shape (...), in the unit of the values. One run says nothing of the
    spread: below two runs the answer is NaN, never 0.

    >>> round(float(t_half_width([0.4, 0.5, 0.6])), 4)
    0.2484
    >>> float(t_half_width([0.4]))
    nan
    """
    from scipy.special import stdtrit  # the t quantile, without the second that scipy.stats takes to import

    if not 0 < confidence < 1:
        raise ValueError(f"confidence is a share between 0 and 1, not {confidence}")
    runs = _runs(values)
    n = len(runs)
    if n < 2:
        return np.full(runs.shape[1:], np.nan)[()]
    return stdtrit(n - 1, (1 + confidence) / 2) * runs.std(axis=0, ddof=1) / np.sqrt(n)


def t_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[Any, Any]:
    """The t-interval of the mean over runs: (low, high).

    values: array of shape (n_runs, ...). Returns two arrays of shape (...), both NaN below two runs. The interval is not
    cut at 0 or 1: cut, it would no longer be centred on the mean.

    >>> low, high = t_interval([0.4, 0.5, 0.6])
    >>> round(float(low), 4), round(float(high), 4)
    (0.2516, 0.7484)
    """
    centre, half = mean(values), t_half_width(values, confidence)
    return centre - half, centre + half


def paired_difference(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> tuple[Any, Any, Any]:
    """How far the first is above the second, run by run: (mean, low, high), with the t-interval of the differences.

    first, second: arrays of one shape (n_runs, ...); run i of both shares its seed, so its labelled samples. What the runs
    have in common cancels out, so the interval is mostly narrower than the two means' own. Raises ValueError if shapes differ.

    >>> centre, low, high = paired_difference([0.52, 0.61, 0.70], [0.40, 0.50, 0.60])
    >>> round(float(centre), 3), round(float(low), 3), round(float(high), 3)
    (0.11, 0.085, 0.135)
    """
    one, two = _runs(first), _runs(second)
    if one.shape != two.shape:
        raise ValueError(f"paired runs need one shape, not {one.shape} and {two.shape}")
    return mean(one - two), *t_interval(one - two, confidence)


def _runs(values: ArrayLike) -> Array:
    runs = np.asarray(values, dtype=np.float64)
    if runs.ndim == 0:
        raise ValueError("values are an array of shape (n_runs, ...), not one number")
    return runs
