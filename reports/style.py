"""The colour and the marker of each method, the same in every figure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

# The colours of seaborn's colour-blind palette that are visible on white and on black. The numbers of colours and of
# markers have no common divisor, so that a combination repeats only after 63 methods.
ON_WHITE_AND_BLACK = (0, 1, 2, 3, 4, 7, 9)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
# The same markers as SVG paths in a box of 10 × 10, for legends outside a drawing.
PATHS = {
    "o": "M5 1a4 4 0 1 0 .01 0z",
    "s": "M1.5 1.5h7v7h-7z",
    "^": "M5 1l4 8H1z",
    "D": "M5 .5L9.5 5 5 9.5.5 5z",
    "v": "M5 9L1 1h8z",
    "P": "M3.5 1h3v2.5H9v3H6.5V9h-3V6.5H1v-3h2.5z",
    "X": "M1 3l2-2 2 2 2-2 2 2-2 2 2 2-2 2-2-2-2 2-2-2 2-2z",
    "<": "M1 5l8-4v8z",
    ">": "M9 5L1 1v8z",
}


def styles(methods: Sequence[str]) -> dict[str, int]:
    """The style of each method. It depends only on the names, not on their order."""
    return {method: style for style, method in enumerate(sorted(set(methods)))}


def colour(style: int) -> str:
    """The colour of a style, as ``#rrggbb``."""
    return _colours()[style % len(ON_WHITE_AND_BLACK)]


def marker(style: int) -> str:
    """The marker of a style, as matplotlib names it."""
    return MARKERS[style % len(MARKERS)]


@cache
def _colours() -> tuple[str, ...]:
    import seaborn  # takes a second, so it is imported only when something is drawn

    palette = seaborn.color_palette("colorblind").as_hex()
    return tuple(str(palette[i]) for i in ON_WHITE_AND_BLACK)
