"""Energy counters: corrects their overflows, and finds where they stood still or may have overflowed unseen.

In all functions ``steps`` are the joules and ``pauses`` the seconds between samples, of shape (n_samples - 1,).
"""

from __future__ import annotations

import numpy as np

GAP_PERIODS = 3.0  # a pause between samples that is longer than this many periods is a gap
RESET_FACTOR = 10.0  # a counter that went back was reset if an overflow would mean this many times its highest power


def counted(values: np.ndarray, times: np.ndarray, wraps_at: float | None) -> np.ndarray:
    """Joules since the first sample, of shape (n_samples,), corrected for overflows.

    A counter that was reset goes back here too: a step back is only taken as an overflow if its power would be at most
    `RESET_FACTOR` times the highest one of the other steps.

    values: joules as read. times: seconds. wraps_at: joules at which the counter overflows to 0; None if it does not.
    """
    steps, pauses = np.diff(values), np.diff(times)
    if wraps_at is not None:
        back = steps < 0
        usual, watts = _highest_power(steps[~back], pauses[~back])
        overflown = steps + wraps_at
        steps = np.where(back & (overflown <= RESET_FACTOR * watts * np.maximum(pauses, usual)), overflown, steps)
    return np.concatenate([[0.0], np.cumsum(steps)])


def longest_hidden(wraps_at: float, steps: np.ndarray, pauses: np.ndarray) -> float | None:
    """The longest pause in which a counter may have overflowed unseen; None if there is none.

    That is a gap in which it would have counted up to its overflow at twice the highest power of all other pauses.
    """
    usual, watts = _highest_power(steps, pauses)
    hidden = pauses[(pauses > GAP_PERIODS * usual) & (2 * watts * pauses >= wraps_at)]
    return float(hidden.max()) if len(hidden) else None


def longest_still(steps: np.ndarray, pauses: np.ndarray) -> float:
    """The longest time, in seconds, in which a counter did not count."""
    passed = np.cumsum(pauses)
    counted_last = np.maximum.accumulate(np.where(steps > 0, passed, 0.0))
    return float((passed - counted_last).max(initial=0.0))


def _highest_power(steps: np.ndarray, pauses: np.ndarray) -> tuple[float, float]:
    """The usual pause in seconds, and the highest power in watts, gaps left out."""
    if not len(pauses):
        return 0.0, 0.0
    usual = float(np.median(pauses))
    regular = pauses <= GAP_PERIODS * usual
    watts = steps[regular] / np.maximum(pauses[regular], usual)  # after a short pause, a step may be that of a long one
    return usual, float(watts.max(initial=0.0))
