"""Removes characters that a reader cannot see but that a terminal, a browser or a typesetter would act on.

Also keeps spreadsheets from evaluating a text as a formula.
"""

from __future__ import annotations

import re
from typing import Any

_ESCAPE_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor movement
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # window titles, hyperlinks
)
# Tabs and line feeds are kept, and so are U+200C and U+200D, which several scripts and many emoji need.
_INVISIBLE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, most of which XML forbids
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # reordering of left-to-right and right-to-left text
    "\u00ad\u180e\u200b\u2060-\u2064\ufeff\U000e0000-\U000e007f"  # characters without a width
    "\ud800-\udfff\ufffe\uffff"  # not characters at all
    "]"
)


def clean(value: Any) -> Any:
    """Remove escape sequences and invisible characters from a text, or from each text in a tuple.

    Any other value is returned as it is.

    >>> clean("\\x1b[31mred\\x1b[0m"), clean(("ab\\u202e", 1.0))
    ('red', ('ab', 1.0))
    """
    if isinstance(value, str):
        return _INVISIBLE.sub("", _ESCAPE_SEQUENCES.sub("", value))
    return tuple(map(clean, value)) if isinstance(value, tuple) else value


# = + @ - and their full-width forms
_FORMULA = re.compile(r"\s*[=+@\uff1d\uff0b\uff20]|\s*[-\uff0d].|[\t\r\n]", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def spreadsheet_safe(value: Any) -> Any:
    """A cell of a CSV file: a clean text, after an apostrophe if a spreadsheet would evaluate it as a formula.

    Numbers, also those written as text, and any other value are returned as they are.

    >>> spreadsheet_safe("=1+1"), spreadsheet_safe("-x"), spreadsheet_safe("-0.5"), spreadsheet_safe(-0.5)
    ("'=1+1", "'-x", '-0.5', -0.5)
    """
    if not isinstance(value, str):
        return value
    text = clean(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


class Cleaned:
    """Base class of all parts of a document. Cleans every text that it is created with.

    Renderers rely on this, so no other part of a report needs to clean a name, an error or an option.
    """

    def __post_init__(self) -> None:
        for name, value in list(vars(self).items()):
            object.__setattr__(self, name, clean(value))  # the dataclasses are frozen
