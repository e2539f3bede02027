"""How many blocks a comparison needs."""

from __future__ import annotations

import numpy as np

from reports.statistics.arrays import Array

MOST_BLOCKS = 1000


def blocks_for_power(spread: float, difference: float, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """The smallest number of blocks with which a two-sided paired t-test finds a difference; None above 1000.

    spread: the standard deviation of the paired differences between two methods, in the unit of ``difference``.

    >>> blocks_for_power(0.04, 0.03), blocks_for_power(0.04, 0.06)
    (16, 6)
    """
    blocks = np.arange(2, MOST_BLOCKS + 1)
    enough = blocks[_power(abs(difference) / max(spread, 1e-12), blocks, alpha) >= power]
    return int(enough[0]) if len(enough) else None


def detectable_difference(n_blocks: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest mean difference that a two-sided paired t-test over so many blocks finds with this power.

    In standard deviations of the paired differences. Raises ValueError below two blocks.

    >>> round(detectable_difference(5), 1), round(detectable_difference(16), 2)
    (1.7, 0.75)
    """
    if n_blocks < 2:
        raise ValueError(f"a comparison needs at least two blocks, not {n_blocks}")
    low, high = 0.0, 100.0  # the power increases with the difference
    for _ in range(40):
        middle = (low + high) / 2
        enough = _power(middle, np.array([n_blocks]), alpha)[0] >= power
        low, high = (low, middle) if enough else (middle, high)
    return high


def _power(effect: float, blocks: np.ndarray, alpha: float) -> Array:
    """The power of a two-sided paired t-test. effect: the mean difference in standard deviations."""
    from scipy.special import nctdtr, stdtrit  # importing scipy.stats would take a second

    # The power is 1 to many digits where the limit applies, and nctdtr is not accurate far beyond it.
    noncentrality = np.minimum(effect * np.sqrt(blocks), 30.0)
    critical = stdtrit(blocks - 1, 1 - alpha / 2)
    opposite = np.nan_to_num(nctdtr(blocks - 1, noncentrality, -critical))  # NaN where it is next to 0
    return np.asarray(1 - nctdtr(blocks - 1, noncentrality, critical) + opposite, dtype=np.float64)
