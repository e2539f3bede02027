"""What the first lines of a file show: how it is written, its columns, its clock and its rate."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from harness.data.importing.config import SECONDS, Clock, TextFormat
from harness.data.importing.tables import read_columns
from harness.data.importing.text_files import (
    DELIMITERS,
    delimiter_of,
    encoding_of,
    fields_of,
    first_lines,
    is_text,
)
from harness.errors import DataError

ROWS = 2000  # that are read of a file
LINES = 60  # from which the form of a text file is guessed
NUMBER = re.compile(r"[-+]?(\d+[.,]?\d*|[.,]\d+)([eE][-+]?\d+)?|nan", re.IGNORECASE)
CLOCK_TIME = re.compile(r"\d{1,3}:\d\d:\d\d([.]\d+)?")
DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?")
DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")
TIMES = ("%H:%M:%S.%f", "%H:%M:%S,%f", "%H:%M:%S", "%I:%M:%S %p", "%I:%M:%S.%f %p")


@dataclass(frozen=True)
class Head:
    """The first rows of a file. units: of the columns, by name. rate: samples per second, if the file states it."""

    frame: pd.DataFrame
    form: TextFormat
    units: dict[str, str]
    rate: float = 0.0


def head_of(path: Path) -> Head:
    """The first rows of a file. Raises `DataError`, which names the file, if it can't be read."""
    try:
        if is_text(path):
            return _head_of_text(path)
        columns = read_columns(path, None)
    except DataError:
        raise
    except Exception as error:  # the readers raise almost any exception for a damaged file
        raise DataError(f"{path}: can't be read ({type(error).__name__}: {error})") from error
    lengths = Counter(map(len, columns.values()))
    length = max(lengths, default=0)
    frame = pd.DataFrame({name: pd.Series(one[:ROWS]) for name, one in columns.items() if len(one) == length})
    return Head(frame, TextFormat(), {})


def _head_of_text(path: Path) -> Head:
    encoding = _encoding(path)
    lines = first_lines(path, encoding, LINES)
    if not any(line.strip() for line in lines):
        raise DataError(f"{path}: it is empty")
    delimiter = _delimiter(lines)
    rows = [fields_of(line, delimiter) for line in lines]
    later = [row for row in rows[len(rows) // 2 :] if row]
    n = Counter(map(len, later)).most_common(1)[0][0]
    if all(not row[-1] for row in later) and any(len(row) == n - 1 for row in rows):  # rows end with a delimiter
        rows, n = [row[:-1] if len(row) == n else row for row in rows], n - 1
    skip = next(number for number, row in enumerate(rows) if len(row) == n)
    header = not all(NUMBER.fullmatch(field) for field in rows[skip]) and not any(map(CLOCK_TIME.fullmatch, rows[skip]))
    names = rows[skip] if header else [str(number) for number in range(n)]
    after = rows[skip + header :]
    numeric = any(_has_number(row) for row in after)
    units = next((number for number, row in enumerate(after) if not numeric or _has_number(row)), 0)
    rate = 0.0
    if not header and skip == 0 and (rate := _rate_in_second_line(rows)):
        skip = 2
    comma = delimiter != "," and any(DECIMAL_COMMA.fullmatch(field) for row in later for field in row)
    form = TextFormat(
        delimiter=None if delimiter in ",\t" and delimiter == delimiter_of(lines[skip]) else delimiter,
        decimal="," if comma else ".",
        encoding=None if encoding == encoding_of(path) else encoding,
        skip_lines=skip, header=header, unit_lines=units,
    )  # fmt: skip
    frame = pd.read_csv(
        path, sep=r"\s+" if delimiter == " " else delimiter, decimal=form.decimal, encoding=encoding, header=None,
        skiprows=skip + header + units, nrows=ROWS, index_col=False, skipinitialspace=True, names=range(n),
    )  # fmt: skip
    frame.columns = pd.Index(names)
    of_columns = dict(zip(names, after[0], strict=False)) if units and after else {}
    return Head(frame.loc[:, ~frame.columns.duplicated(keep=False)], form, of_columns, rate)


def _has_number(row: list[str]) -> bool:
    return any(NUMBER.fullmatch(field) for field in row)


def _rate_in_second_line(rows: list[list[str]]) -> float:
    """The rate, if the first line is a time since 1970 and the second a rate, as wristbands write them; otherwise 0."""
    if len(rows) < 3 or len(set(rows[0])) != 1 or len(set(rows[1])) != 1:
        return 0.0
    begin, rate = (
        float(text) if NUMBER.fullmatch(text) and "," not in text else 0.0 for text in (rows[0][0], rows[1][0])
    )
    return rate if 1e9 < begin < 4e9 and 0 < rate < 1e5 else 0.0


def _encoding(path: Path) -> str:
    """The encoding of a file; cp1252 if there is no byte order mark and it is not UTF-8."""
    encoding = encoding_of(path)
    if encoding == "utf-8":
        with path.open("rb") as file:
            begin = file.read(2**20)
        try:
            codecs.getincrementaldecoder("utf-8")().decode(begin)
        except UnicodeDecodeError:
            return "cp1252"
    return encoding


def _delimiter(lines: list[str]) -> str:
    """The delimiter that divides most of the later lines in the same number of values."""
    later = [line for line in lines[len(lines) // 2 :] if line.strip()]
    for one in DELIMITERS:
        counts = Counter(len(fields_of(line, one)) for line in later)
        fields, times = counts.most_common(1)[0]
        if fields > 1 and times >= 0.8 * len(later):
            return one
    spaced = [line.split() for line in later]
    return " " if all(len(row) > 1 and all(NUMBER.fullmatch(one) for one in row) for row in spaced) else ","


def guessed_clock(column: pd.Series, name: str) -> tuple[Clock, float]:
    """How a column of times is written, and its rate in samples per second; 0 if it is no column of times."""
    if pd.api.types.is_numeric_dtype(column):
        return _of_numbers(column, name)
    if pd.api.types.is_datetime64_any_dtype(column):
        return Clock(time_unit="date"), _rate(pd.to_datetime(column, utc=True) - pd.Timestamp(0, tz="UTC"))
    text = column.dropna().astype(str).str.strip().iloc[:200]
    if len(text) < 2:
        return Clock(), 0.0
    if text.str.fullmatch(CLOCK_TIME.pattern).all():
        return Clock(time_unit="hms"), _rate(pd.to_timedelta(text))
    forms = [" ".join(both) + zone for both in product(DAYS, TIMES) for zone in ("", "%z", " %z")]
    for form in [None, *forms]:
        dates = pd.to_datetime(text, errors="coerce", utc=True, format=form or "ISO8601")
        if dates.notna().all() and (rate := _rate(dates - pd.Timestamp(0, tz="UTC"))):
            return Clock(time_unit="date", date_format=form), rate
    return Clock(), 0.0


def _of_numbers(column: pd.Series, name: str) -> tuple[Clock, float]:
    numbers = column.dropna().to_numpy(np.float64)
    steps = np.diff(numbers)
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    stated = re.search(r"(?i)[\[( _](s|sec|ms|us|µs|ns)[\])]?$", name)
    unit = {"sec": "s", "µs": "us"}.get(stated[1].lower(), stated[1].lower()) if stated else ""
    since_1970 = float(np.median(numbers)) if len(numbers) else 0.0
    units = [unit] if unit else [one for one, seconds in SECONDS.items() if 3e8 < since_1970 * seconds < 4e9]
    for one in units or list(SECONDS):
        if step > 0 and 0.5 <= 1 / (step * SECONDS[one]) <= 5000:
            return Clock.from_plain({"time_unit": one}), 1 / (step * SECONDS[one])
    return Clock(), 0.0


def _rate(times: pd.Series) -> float:
    steps = np.diff(times.dt.total_seconds().to_numpy(np.float64))
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    return 1 / step if step > 0 else 0.0
