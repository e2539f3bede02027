"""What the first lines of a file show: how it is written, its columns, its clock and its rate."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass, field
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
from harness.data.importing.times import dates_of
from harness.errors import DataError

ROWS = 2000  # that are read of a file
LINES = 60  # from which the form of a text file is guessed
NUMBER = re.compile(r"[-+]?(\d+[.,]?\d*|[.,]\d+)([eE][-+]?\d+)?|nan", re.IGNORECASE)
CLOCK_TIME = re.compile(r"\d{1,3}:\d\d:\d\d([.]\d+)?")
DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?")
DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")
TIMES = ("%H:%M:%S", "%I:%M:%S %p", "%H:%M:%S.%f", "%H:%M:%S,%f", "%I:%M:%S.%f %p")


@dataclass(frozen=True)
class Head:
    """The first rows of a file.

    units: of the columns, by name. rate: samples per second, if the file states it, below the time of its first sample.
    lengths: of the columns, by name, where they may differ.
    """

    frame: pd.DataFrame
    form: TextFormat
    units: dict[str, str] = field(default_factory=dict)
    rate: float = 0.0
    lengths: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class GuessedClock:
    """How a column of times is written, and its rate in samples per second, 0 if it is no column of times.

    first: the first time, in seconds. repeats: whether most rows have the time of the row before.
    """

    clock: Clock = field(default_factory=Clock)
    rate: float = 0.0
    first: float = 0.0
    repeats: bool = False


def head_of(path: Path) -> Head:
    """The first rows of a file. Raises `DataError`, which names the file, if it can't be read."""
    try:
        if is_text(path):
            return _head_of_text(path)
        columns = _first_batch(path) if path.suffix.lower() == ".parquet" else read_columns(path, None)
    except DataError:
        raise
    except Exception as error:  # the readers raise almost any exception for a damaged file
        raise DataError(f"{path}: can't be read ({type(error).__name__}: {error})") from error
    lengths = {name: len(column) for name, column in columns.items()}
    frame = pd.DataFrame({name: pd.Series(column[:ROWS]).reset_index(drop=True) for name, column in columns.items()})
    return Head(frame, TextFormat(), lengths=lengths)


def _first_batch(path: Path) -> dict[str, pd.Series | np.ndarray]:
    """The columns of the first rows of a Parquet file, without reading the others."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        frame = next(file.iter_batches(ROWS)).to_pandas()
    frame = frame.reset_index() if any(name is not None for name in frame.index.names) else frame
    return {str(name): frame[name] for name in frame.columns}


def _head_of_text(path: Path) -> Head:
    encoding = _encoding(path)
    lines = first_lines(path, encoding, LINES)
    if not any(line.strip() for line in lines):
        raise DataError(f"{path}: it is empty")
    delimiter = _delimiter(lines, path)
    rows = [fields_of(line, delimiter, path) for line in lines]
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


def _delimiter(lines: list[str], path: Path) -> str:
    """The delimiter that divides most of the later lines in the same number of values."""
    later = [line for line in lines[len(lines) // 2 :] if line.strip()]
    for one in DELIMITERS:
        counts = Counter(len(fields_of(line, one, path)) for line in later)
        fields, times = counts.most_common(1)[0]
        if fields > 1 and times >= 0.8 * len(later):
            return one
    spaced = [line.split() for line in later]
    return " " if all(len(row) > 1 and all(NUMBER.fullmatch(one) for one in row) for row in spaced) else ","


def guessed_clock(column: pd.Series, name: str) -> GuessedClock:
    """How a column of times is written, and its rate."""
    if pd.api.types.is_numeric_dtype(column):
        return _of_numbers(column.dropna().to_numpy(np.float64), name)
    if pd.api.types.is_datetime64_any_dtype(column):
        return _guessed(Clock(time_unit="date"), _since_1970(pd.to_datetime(column.dropna(), utc=True)))
    text = column.dropna().astype(str).str.strip()
    if len(text) > 1 and text.str.fullmatch(CLOCK_TIME.pattern).all():
        return _guessed(Clock(time_unit="hms"), pd.to_timedelta(text).dt.total_seconds().to_numpy())
    few = text.iloc[:20]
    if len(few) < 2 or few.str.fullmatch(NUMBER.pattern).any():
        return GuessedClock()
    for form in [None, *(" ".join(both) + zone for both in product(DAYS, TIMES) for zone in ("", "%z", " %z"))]:
        if dates_of(few, form).notna().all():
            dates = dates_of(text, form)
            if dates.notna().all():
                return _guessed(Clock(time_unit="date", date_format=form), _since_1970(dates))
    return GuessedClock()


def _since_1970(dates: pd.Series) -> np.ndarray:
    return (dates - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy(np.float64)


def _of_numbers(numbers: np.ndarray, name: str) -> GuessedClock:
    """Numbers as times in the unit that the name states, or that gives a date near ours, or a usual rate."""
    stated = re.search(r"(?i)[\[( _](s|sec|ms|us|µs|ns)[\])]?$", name)
    unit = {"sec": "s", "µs": "us"}.get(stated[1].lower(), stated[1].lower()) if stated else ""
    middle = float(np.median(numbers)) if len(numbers) else 0.0
    near_ours = [one for one, seconds in SECONDS.items() if 3e8 < middle * seconds < 4e9]
    for one in [unit] if unit else near_ours or list(SECONDS):
        found = _guessed(Clock.from_plain({"time_unit": one}), numbers * SECONDS[one])
        if 0.5 <= found.rate <= 5000:
            return found
    return GuessedClock()


def _guessed(clock: Clock, seconds: np.ndarray) -> GuessedClock:
    changes = np.flatnonzero(np.diff(seconds) > 0)
    if not len(changes):
        return GuessedClock()
    if repeats := len(changes) < 0.5 * (len(seconds) - 1):
        span = seconds[changes[-1] + 1] - seconds[changes[0] + 1]
        rate = (changes[-1] - changes[0]) / span if span > 0 else 0.0
    else:
        rate = 1 / float(np.median(np.diff(seconds)[changes]))
    return GuessedClock(clock, float(rate), float(seconds[0]), repeats)
