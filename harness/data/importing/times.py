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


def type_of(clock: Clock) -> ColumnType:
    """The type that a column of times is read as."""
    return "float64" if clock.time_unit in (*SECONDS, "samples") else "text"


def seconds(column: pd.Series, clock: Clock, rate: float, at: Callable[[int], str]) -> np.ndarray:
    """The time of each row in seconds, (n,), NaN where it is missing; dates are counted from 1970.

    rate: samples per second, for times in samples. at: the place of a row, for messages. Raises `DataError`, which
    names the row, for a text that is no time.
    """
    if clock.time_unit == "samples":
        return column.to_numpy(np.float64) / rate
    if clock.time_unit in SECONDS:
        return column.to_numpy(np.float64) * SECONDS[clock.time_unit]
    if isinstance(column.dtype, pd.CategoricalDtype):  # as text files are read
        categories = column.cat.categories.to_series()
        of_categories = seconds(categories, clock, rate, lambda row: at(_first_row(column, row)))
        return np.append(of_categories, np.nan)[column.cat.codes.to_numpy()]
    if clock.time_unit == "hms":
        missing = column.isna() | (column.astype(str).str.strip() == "")
        times = pd.to_timedelta(column.astype(str).where(~missing), errors="coerce")
    else:
        text = column.str.strip() if pd.api.types.is_string_dtype(column) else column
        missing = text.isna() | (text == "") if text is not column else column.isna()
        times = dates_of(text, clock.date_format) - pd.Timestamp(0, tz="UTC")
    if (wrong := (times.isna() & ~missing).to_numpy()).any():
        row = int(np.argmax(wrong))
        form = clock.date_format or EXAMPLES[clock.time_unit]
        what = f"has not the form {form}" if clock.date_format else f"is no time such as {form}"
        hint = "" if clock.date_format or clock.time_unit == "hms" else "; give its form with date_format"
        raise DataError(f"{at(row)}: the time {str(column.iloc[row])!r} {what}{hint}")
    return times.dt.total_seconds().to_numpy(np.float64)


def dates_of(texts: pd.Series, form: str | None) -> pd.Series:
    """The dates, NaT where a text is none. form: None for ISO 8601; whole seconds may be without their fraction."""
    dates = pd.to_datetime(texts, errors="coerce", utc=True, format=form or "ISO8601")
    if form and dates.isna().any() and (shorter := re.sub("[.,]%f", "", form)) != form:
        dates = dates.fillna(pd.to_datetime(texts, errors="coerce", utc=True, format=shorter))
    return dates


def _first_row(column: pd.Series, category: int) -> int:
    return int(np.argmax(column.cat.codes.to_numpy() == category))


def joined(columns: list[pd.Series]) -> pd.Series:
    """Texts of several columns, such as date and time, with a space between them."""
    texts = [column.astype(str).str.strip() for column in columns]
    return pd.Series([" ".join(row) for row in zip(*texts, strict=True)])
