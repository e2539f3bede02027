"""Text files as tables: their encoding, delimiter and lines, as stated or as the file shows them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from harness.data.delimited import DelimitedText, single_spaces
from harness.data.importing.config import TextFormat
from harness.errors import DataError

TEXT = (".csv", ".tsv", ".txt")
DELIMITERS = "\t;|,"  # of equally frequent ones the first counts, since commas are also in numbers
BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


def is_text(path: Path) -> bool:
    return path.suffix.lower() in TEXT


def encoding_of(path: Path, stated: str | None = None) -> str:
    """The encoding that is stated, or that of the byte order mark, or UTF-8.

    Raises `DataError` if the file can't be opened, or is no text in the last case.
    """
    if stated:
        return stated
    try:
        with path.open("rb") as file:
            begin = file.read(4096)
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror or error})") from error
    found = next((name for mark, name in BYTE_ORDER_MARKS.items() if begin.startswith(mark)), None)
    if found is None and b"\0" in begin:
        raise DataError(f"{path}: it is not text; if it is UTF-16 without a byte order mark, name its encoding")
    return found or "utf-8"


def first_lines(path: Path, encoding: str, number: int) -> list[str]:
    """The first lines of a file, without their ends. Raises `DataError` if they are not in this encoding."""
    try:
        with path.open(encoding=encoding, newline=None) as file:
            return [line.rstrip("\n") for line in islice(file, number)]
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror or error})") from error
    except UnicodeError as error:
        raise DataError(f"{path}: it is not {encoding.upper()}; name its encoding, such as cp1252") from error


def fields_of(line: str, delimiter: str, path: Path) -> list[str]:
    """The values of one line, without spaces around them. Raises `DataError`, which names the file."""
    if delimiter == " ":
        return line.split()
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error as error:
        raise DataError(f"{path}: the line {line[:20]!r}… can't be read ({error})") from error


def delimiter_of(line: str) -> str:
    """The most frequent delimiter of a line; a comma if there is none."""
    counts = {one: line.count(one) for one in DELIMITERS}
    return max(counts, key=lambda one: counts[one]) if any(counts.values()) else ","


def columns_of_text(path: Path, form: TextFormat) -> tuple[list[str], str]:
    """The names of the columns, or their numbers if there are none, and the delimiter.

    Raises `DataError` if the file has no such line, or no row.
    """
    lines = _lines(path, form)
    line = next(lines, None)
    if line is None:
        raise DataError(f"{path}: it is empty" + (f" after {form.skip_lines} lines" if form.skip_lines else ""))
    delimiter = form.delimiter or ("\t" if path.suffix.lower() == ".tsv" else delimiter_of(line))
    fields = fields_of(line, delimiter, path)
    if not form.header:
        if form.names and len(form.names) != len(fields):
            raise DataError(f"{path}: its first row has {len(fields)} values, but names has {len(form.names)}")
        return list(form.names) or [str(number) for number in range(len(fields))], delimiter
    row = next((line for line in islice(lines, form.unit_lines, None) if line.strip()), None)
    if row is None:
        raise DataError(f"{path}: it has no rows")
    if len(values := fields_of(row, delimiter, path)) == len(fields) + 1 and not values[-1]:
        fields.append("")  # each row ends with a delimiter
    return fields, delimiter


def _lines(path: Path, form: TextFormat) -> Iterator[str]:
    """The lines after those to skip."""
    encoding = encoding_of(path, form.encoding)
    try:
        with path.open(encoding=encoding) as file:
            yield from (line.rstrip("\n") for line in islice(file, form.skip_lines, None))
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror or error})") from error
    except UnicodeError as error:
        raise DataError(f"{path}: it is not {encoding.upper()} ({error}); name its encoding, such as cp1252") from error


def delimited(path: Path, form: TextFormat, delimiter: str = ",") -> DelimitedText:
    """The file as a table that can be read."""

    def opened() -> BinaryIO:
        return io.BytesIO(single_spaces(path.read_bytes())) if delimiter == " " else path.open("rb")

    encoding = encoding_of(path, form.encoding)
    return DelimitedText(
        opened, str(path), delimiter, form.header, encoding, form.decimal, form.skip_lines, form.unit_lines
    )
