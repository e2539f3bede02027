"""The colour, the marker and the line of each method, the same in every figure and, as far as possible, every report.

A style is a number. Styles below 8 differ in their colours and have solid lines; the next eight have the same colours
again with dashed lines and other markers, and so on.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import count

# The colours of seaborn's colour-blind palette that are visible on white and on black. The numbers of colours and of
# markers have no common divisor, so that a combination repeats only after 72 methods.
ON_WHITE_AND_BLACK = (3, 0, 2, 1, 4, 9, 7, 5)
LINES: tuple[str | tuple[float, tuple[float, ...]], ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.5, 1.5)),
    (0, (5, 1.5, 1.5, 1.5)),
)  # as matplotlib describes them
OF_METHODS = ("cosmo", "cmc", "cpc", "deepsense", "attnsense", "cocoa", "focal", "single-modal")  # styles 0 to 7
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
    """The style of each method. It depends only on the names, not on their order.

    The methods in `OF_METHODS` always have the same style. Any other has a colour that follows from its name, unless
    the report has other methods in that colour and another one is used less.
    """
    found = {method: style for style, method in enumerate(OF_METHODS) if method in methods}
    for method in sorted(set(methods) - found.keys()):
        used = Counter(style % len(ON_WHITE_AND_BLACK) for style in found.values())
        first = hashlib.sha256(method.encode()).digest()[0]
        colours = [(first + i) % len(ON_WHITE_AND_BLACK) for i in range(len(ON_WHITE_AND_BLACK))]
        same_colour = count(min(colours, key=lambda place: used[place]), len(ON_WHITE_AND_BLACK))
        found[method] = next(style for style in same_colour if style not in found.values())
    return found


def colour(style: int) -> str:
    """The colour of a style, as ``#rrggbb``."""
    return _colours()[style % len(ON_WHITE_AND_BLACK)]


def marker(style: int) -> str:
    """The marker of a style, as matplotlib names it."""
    return MARKERS[style % len(MARKERS)]


def line_style(style: int) -> str | tuple[float, tuple[float, ...]]:
    """The dashes of a style's lines, as matplotlib describes them."""
    return LINES[style // len(ON_WHITE_AND_BLACK) % len(LINES)]


@cache
def _colours() -> tuple[str, ...]:
    import seaborn  # takes a second, so it is imported only when something is drawn

    palette = seaborn.color_palette("colorblind").as_hex()
    return tuple(str(palette[i]) for i in ON_WHITE_AND_BLACK)
