"""Times as they are written (numbers, clock times, dates) as seconds."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd

from harness.data.delimited import ColumnType
from harness.data.importing.config import SECONDS, Clock
from harness.errors import DataError

EXAMPLES = {"hms": "14:05:06.5", "date": "2024-03-01T14:05:06.5Z"}
ZONE = re.compile(r"\d:\d\d(:\d\d([.,]\d+)?)?\s*(Z|[+-]\d\d(:?\d\d)?)$", re.IGNORECASE)  # at the end of a date
DAY = 86_400  # seconds


def type_of(clock: Clock) -> ColumnType:
    """The type that a column of times is read as."""
    return "float64" if clock.time_unit in (*SECONDS, "samples") else "text"


def seconds(column: pd.Series, clock: Clock, rate: float, at: Callable[[int], str]) -> np.ndarray:
    """The time of each row in seconds, (n,), NaN where it is missing.

    Dates are counted from 1970, and clock times from midnight.

    rate: samples per second, for times in samples. at: the place of a row, for messages. Raises `DataError`, which
    names the row, for a text that is no time.
    """
    if clock.time_unit == "samples":
        return column.to_numpy(np.float64) / rate
    if clock.time_unit in SECONDS:
        return column.to_numpy(np.float64) * SECONDS[clock.time_unit]
    if isinstance(column.dtype, pd.CategoricalDtype):  # as text files are read
        categories = column.cat.categories.to_series()
        of_categories = _seconds_of_texts(categories, clock, lambda row: at(_first_row(column, row)))
        return np.append(of_categories, np.nan)[column.cat.codes.to_numpy()]
    return _seconds_of_texts(column, clock, at)


def past_midnight(time: np.ndarray) -> np.ndarray:
    """The clock times of successive samples, (n,), which go on past midnight instead of back by over half a day."""
    known = np.isfinite(time)
    passed = np.diff(time[known], prepend=time[known][:1]) < -DAY / 2
    on: np.ndarray = time.copy()
    on[known] += DAY * np.cumsum(passed)
    return on


def _seconds_of_texts(column: pd.Series, clock: Clock, at: Callable[[int], str]) -> np.ndarray:
    if clock.time_unit == "hms":
        missing = column.isna() | (column.astype(str).str.strip() == "")
        times = pd.to_timedelta(column.astype(str).where(~missing), errors="coerce")
    else:
        text = column.str.strip() if pd.api.types.is_string_dtype(column) else column
        missing = text.isna() | (text == "") if text is not column else column.isna()
        times = dates_of(text, clock.date_format, clock.time_zone) - pd.Timestamp(0, tz="UTC")
    if (wrong := (times.isna() & ~missing).to_numpy()).any():
        row = int(np.argmax(wrong))
        form = clock.date_format or EXAMPLES[clock.time_unit]
        what = f"does not have the form {form}" if clock.date_format else f"is not a time such as {form}"
        hint = "" if clock.date_format or clock.time_unit == "hms" else "; give its form with date_format"
        raise DataError(f"{at(row)}: the time {str(column.iloc[row])!r} {what}{hint}")
    return times.dt.total_seconds().to_numpy(np.float64)


def dates_of(texts: pd.Series, form: str | None, zone: str | None = None) -> pd.Series:
    """The dates in UTC, NaT where a text is none. form: None for ISO 8601; whole seconds may be without their fraction.

    zone: that of dates that state none, by default UTC. An hour that does not exist or is repeated in it gives NaT.
    """
    is_local = zone is not None and not states_zone(texts, form)

    def parsed(form: str) -> pd.Series:
        return pd.to_datetime(texts, errors="coerce", utc=not is_local, format=form)

    dates = parsed(form or "ISO8601")
    if form and dates.isna().any() and (shorter := re.sub("[.,]%f", "", form)) != form:
        dates = dates.fillna(parsed(shorter))
    return dates.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC") if is_local else dates


def states_zone(dates: pd.Series, form: str | None) -> bool:
    """Whether dates say their time zone, judged by their form or the first one."""
    if form:
        return re.search("%z|Z$", form, re.IGNORECASE) is not None
    if isinstance(dates.dtype, pd.DatetimeTZDtype):
        return True
    first = next(iter(dates.dropna()), "")
    return isinstance(first, str) and ZONE.search(first.strip()) is not None


def is_absolute(dates: pd.Series, clock: Clock) -> bool | None:
    """Whether dates are in a known time zone; None for times that are not dates or count from the start."""
    if clock.time_unit != "date" or clock.from_start:
        return None
    return clock.time_zone is not None or states_zone(dates, clock.date_format)


def _first_row(column: pd.Series, category: int) -> int:
    return int(np.argmax(column.cat.codes.to_numpy() == category))


def joined(columns: list[pd.Series]) -> pd.Series:
    """Texts of several columns, such as date and time, with a space between them."""
    texts = [column.astype(str).str.strip() for column in columns]
    return pd.Series([" ".join(row) for row in zip(*texts, strict=True)])
