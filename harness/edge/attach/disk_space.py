"""Reserves disk space for a result, so that a full disk or a wrong path is found before hours are spent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import InputError

RESERVED_BYTES = 8 << 20


@contextmanager
def space_for(result: Path) -> Iterator[None]:
    """Hold disk space beside a result file until the block ends, when the result is written.

    Raises `InputError` if the file could not be written there.
    """
    path = result.with_name(f".reserved-{result.name}")
    try:
        try:
            if result.exists() and not result.is_file():
                raise OSError("it is not a regular file")
            with path.open("wb") as file:
                file.write(bytes(RESERVED_BYTES))
        except OSError as error:
            raise InputError(f"{result} cannot be written: {error}; nothing was measured") from error
        yield
    finally:
        with suppress(OSError):
            path.unlink()
