"""How methods look: a colour and a marker each, the same in every figure."""

from __future__ import annotations

from collections.abc import Sequence

# Colours of the colour-blind palette of seaborn that can be seen on white and on black alike. Their number and that of the
# markers have no common divisor, so a pair comes again only after 63 methods.
COLOURS = ("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#949494", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
# The same markers as paths in a box from 0 to 10, for legends outside a drawing.
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
    """Each method's look, given out in the order of their names, so that it depends on no order of rows."""
    return {method: place for place, method in enumerate(sorted(set(methods)))}


def colour(style: int) -> str:
    return COLOURS[style % len(COLOURS)]


def marker(style: int) -> str:
    return MARKERS[style % len(MARKERS)]
