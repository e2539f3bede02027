"""How many blocks a comparison needs."""

from __future__ import annotations

import numpy as np

MOST_BLOCKS = 1000


def blocks_for_power(spread: float, difference: float, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """The smallest number of blocks with which a two-sided paired t-test finds a difference; None above 1000.

    spread: the standard deviation of the paired differences between two methods, in the unit of ``difference``.

    >>> blocks_for_power(0.04, 0.03), blocks_for_power(0.04, 0.06)
    (16, 6)
    """
    from scipy.special import nctdtr, stdtrit  # importing scipy.stats would take a second

    blocks = np.arange(2, MOST_BLOCKS + 1)
    # The power is 1 to many digits where the limit applies, and nctdtr is not accurate far beyond it.
    noncentrality = np.minimum(abs(difference) / max(spread, 1e-12) * np.sqrt(blocks), 30.0)
    critical = stdtrit(blocks - 1, 1 - alpha / 2)
    found = 1 - nctdtr(blocks - 1, noncentrality, critical) + nctdtr(blocks - 1, noncentrality, -critical)
    enough = blocks[found >= power]
    return int(enough[0]) if len(enough) else None
