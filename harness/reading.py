"""Reading files that somebody else may have written: regular files of a bounded size, and JSON of a bounded depth."""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

from harness.errors import InputError

MAX_BYTES = 64 * 2**20  # of a JSON file
MAX_DEPTH = 100  # of lists and mappings inside each other
MAX_INTEGER = 2**63 - 1


def read_regular(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The content of a regular file.

    Raises `InputError`, which names the file, for anything else, such as a device, and for a file above the limit.
    Raises `OSError` as opening a file does.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise InputError(f"{path} is not a regular file")
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise InputError(f"{path} is larger than {max_bytes:,} bytes")
    return content


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """The content of a regular file as UTF-8. Raises as `read_regular` does, and `UnicodeDecodeError`."""
    return read_regular(path, max_bytes).decode("utf-8")


def parse_json(content: str | bytes) -> Any:
    """Parse JSON without NaN, infinite numbers, numbers above 64 bits, repeated keys or deep nesting.

    Raises `ValueError` for any of them.
    """
    try:
        found = json.loads(
            content, parse_int=_integer, parse_float=_float, parse_constant=_float, object_pairs_hook=_mapping
        )
    except RecursionError:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep") from None
    _check(found, MAX_DEPTH)
    return found


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)[:50]!r} appears twice")
    return found


def _integer(text: str) -> int:
    number = int(text) if len(text) < 30 else None
    if number is None or abs(number) > MAX_INTEGER:
        raise ValueError(f"the number {text[:20]}… is too large")
    return number


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is not a finite number")
    return number


def _check(value: Any, levels: int) -> None:
    if isinstance(value, str):
        value.encode()  # half of a surrogate pair can't be written anywhere; UnicodeEncodeError is a ValueError
    elif isinstance(value, (list, dict)):
        if not levels:
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
        for child in value if isinstance(value, list) else [*value, *value.values()]:
            _check(child, levels - 1)


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting, as for the writer of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
