"""Names of files that are the same whenever a report is made again."""

from __future__ import annotations

import re
from collections.abc import Iterable


def slug(title: str) -> str:
    """A title in lower-case letters, digits and hyphens.

    >>> slug("Accuracy (%) on utd-mhad, by label rate")
    'accuracy-on-utd-mhad-by-label-rate'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:80] or "table"


def free_name(name: str, taken: Iterable[str]) -> str:
    """The name, with a number appended if one of the files ``taken`` already has it."""
    stems, number, found = {path.rpartition("/")[2].rpartition(".")[0] for path in taken}, 1, name
    while found in stems:
        number += 1
        found = f"{name}-{number}"
    return found
